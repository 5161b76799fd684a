//! Owns `embedded.checkpoint`, beside the segments of a log that no broker has taken over: what its next owner may rely on.
//!
//! ```text
//! version: 0
//! clean: true                 its files are what a close in order left; removed by the next open, before anything is written
//! recovery_point: 4711        everything below was synced
//! log_start_offset: 0
//! ```
//! Its presence also says whose the directory is: a broker that adopts the log removes it.

use std::io;
use std::path::Path;

use millrace_host::disk::{Disk, replace_file_durably};
use millrace_log::OpenHints;

use crate::error::StoreError;

pub const CHECKPOINT_FILE: &str = "embedded.checkpoint";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) is_clean: bool,
    pub(crate) recovery_point: i64,
    pub(crate) log_start_offset: i64,
}

impl Checkpoint {
    /// None when there is none. One that cannot be understood vouches for nothing.
    pub(crate) fn read<D: Disk>(disk: &D, dir: &Path) -> Result<Option<Checkpoint>, StoreError> {
        let path = dir.join(CHECKPOINT_FILE);
        match disk.read_file(&path) {
            Ok(text) => Ok(Some(Checkpoint::parse(&text).unwrap_or_default())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", &path, &error)),
        }
    }

    pub(crate) fn write<D: Disk>(self, disk: &D, dir: &Path) -> Result<(), StoreError> {
        let path = dir.join(CHECKPOINT_FILE);
        replace_file_durably(disk, &path, self.to_text().as_bytes())
            .map_err(|error| StoreError::io("write", &path, &error))
    }

    /// What the log is opened with. A topic's id is the controller's to give: a broker that adopts the log writes it.
    pub(crate) fn open_hints(self) -> OpenHints {
        OpenHints {
            clean_shutdown: self.is_clean,
            recovery_point: self.recovery_point,
            log_start_offset: self.log_start_offset,
            ..OpenHints::default()
        }
    }

    fn to_text(self) -> String {
        format!(
            "version: 0\nclean: {}\nrecovery_point: {}\nlog_start_offset: {}\n",
            self.is_clean, self.recovery_point, self.log_start_offset
        )
    }

    fn parse(text: &[u8]) -> Option<Checkpoint> {
        let text = std::str::from_utf8(text).ok()?;
        let value = |name: &str| {
            text.lines()
                .filter_map(|line| line.split_once(": "))
                .find_map(|(found, value)| (found == name).then_some(value))
        };
        if value("version")? != "0" {
            return None;
        }
        let offset = |name: &str| {
            value(name)?
                .parse()
                .ok()
                .filter(|offset: &i64| *offset >= 0)
        };
        Some(Checkpoint {
            is_clean: value("clean")?.parse().ok()?,
            recovery_point: offset("recovery_point")?,
            log_start_offset: offset("log_start_offset")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_distrusts_what_it_cannot_read() {
        let checkpoint = Checkpoint {
            is_clean: true,
            recovery_point: 4711,
            log_start_offset: 12,
        };
        assert_eq!(
            Checkpoint::parse(checkpoint.to_text().as_bytes()),
            Some(checkpoint)
        );
        for text in [
            "",
            "version: 1\nclean: true\nrecovery_point: 1\nlog_start_offset: 0\n",
            "version: 0\nclean: yes\nrecovery_point: 1\nlog_start_offset: 0\n",
            "version: 0\nclean: true\nrecovery_point: -1\nlog_start_offset: 0\n",
            "version: 0\nclean: true\nrecovery_point: 1",
        ] {
            assert_eq!(Checkpoint::parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
