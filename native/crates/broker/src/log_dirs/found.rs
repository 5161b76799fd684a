//! Owns the judgement of what was found in the log directories: nothing may be there twice, and what the cluster does not know is moved aside.
//! Never deletes anything.

use super::{LogDir, LogDirs};
use crate::error::BrokerError;
use hashbrown::HashMap;
use millrace_log::Uuid;
use std::io;
use std::sync::Arc;

/// Marks the log of an embedded store that no cluster has adopted.
const EMBEDDED_MARK: &str = "embedded.checkpoint";

impl LogDirs {
    /// A copied directory, or a partition moved by hand and not removed where it was: which one counts is not ours to guess.
    pub(super) fn check_nothing_is_there_twice(&self) -> Result<(), BrokerError> {
        let mut ids: HashMap<Uuid, &LogDir> = HashMap::new();
        let mut partitions: HashMap<(String, i32), &LogDir> = HashMap::new();
        for dir in self.iter().filter(|dir| !dir.is_offline()) {
            if let Some(other) = ids.insert(dir.directory_id, dir) {
                let (one, two) = (other.path.display(), dir.path.display());
                return Err(BrokerError::new(
                    "DUPLICATE_DIRECTORY",
                    format!(
                        "{one} and {two} have the same directory.id: one is a copy of the other"
                    ),
                ));
            }
            for name in dir.unopened_names() {
                if let Some(other) = partitions.insert(name.clone(), dir) {
                    let (one, two) = (other.path.display(), dir.path.display());
                    return Err(BrokerError::new(
                        "DUPLICATE_PARTITION",
                        format!(
                            "{}-{} lies in {one} and in {two}: move one of them away",
                            name.0, name.1
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Moves aside the directories of partitions that nobody tried to open: the cluster knows nothing of them, or not on this node. To be called
    /// when everything the cluster knows was published. Their data is kept. Returns their names, with an error where that could not be done.
    pub fn set_strays_aside(&self) -> Vec<(Arc<LogDir>, String, io::Result<()>)> {
        let mut strays = Vec::new();
        for dir in self.iter().filter(|dir| !dir.is_offline()) {
            for (topic, partition) in dir.unopened_names() {
                // Known to the cluster, and in want of mending: moved aside, the next start would begin it anew, empty.
                if dir.is_unopenable(&(topic.clone(), partition)) {
                    continue;
                }
                // Made by `openLog`: a topic in waiting, which its owner or a later start will see to.
                if dir
                    .partition_path(&topic, partition)
                    .join(EMBEDDED_MARK)
                    .exists()
                {
                    continue;
                }
                let moved = dir.set_aside(&topic, partition);
                if moved.is_ok() {
                    dir.forget(&topic, partition);
                }
                let name = millrace_log::partition_directory_name(&topic, partition);
                strays.push((Arc::clone(dir), name, moved));
            }
        }
        strays
    }
}
