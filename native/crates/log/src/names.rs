//! Owns the names of files and directories. Never touches a disk.
//!
//! ```text
//! <topic>-<partition>/                       a partition
//!   00000000000000000000.log                 20-digit base offset
//!   00000000000000000000.index .timeindex .txnindex
//!   00000000000000000042.snapshot            producer state of everything below offset 42
//!   ….deleted  ….cleaned  ….swap             a segment on its way out, being compacted, compacted and about to replace others
//! <topic>-<partition>.<32 hex digits>-delete a partition on its way out
//! <topic>-<partition>.<32 hex digits>-future or -stray
//! ```

use std::path::{Path, PathBuf};

pub(crate) const LOG_SUFFIX: &str = ".log";
pub(crate) const INDEX_SUFFIX: &str = ".index";
pub(crate) const TIME_INDEX_SUFFIX: &str = ".timeindex";
pub(crate) const TXN_INDEX_SUFFIX: &str = ".txnindex";
pub(crate) const SNAPSHOT_SUFFIX: &str = ".snapshot";
pub(crate) const DELETED_SUFFIX: &str = ".deleted";
pub(crate) const CLEANED_SUFFIX: &str = ".cleaned";
pub(crate) const SWAP_SUFFIX: &str = ".swap";
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";
pub(crate) const LEADER_EPOCH_CHECKPOINT: &str = "leader-epoch-checkpoint";
pub(crate) const PARTITION_METADATA: &str = "partition.metadata";

pub(crate) const OFFSET_DIGITS: usize = 20;
/// The longest name most file systems take, and Kafka's limit.
const NAME_BYTES_MAX: usize = 255;
const UNIQUE_HEX_DIGITS: usize = 32;

/// `dir/00000000000000000042.log`.
pub(crate) fn segment_path(dir: &Path, base_offset: i64, suffix: &str) -> PathBuf {
    assert!(base_offset >= 0, "offsets of files are never negative");
    dir.join(format!("{base_offset:020}{suffix}"))
}

/// The offset in front of `suffix`, or None when the name is not one of ours.
pub(crate) fn parse_offset_name(name: &str, suffix: &str) -> Option<i64> {
    let digits = name.strip_suffix(suffix)?;
    if digits.len() != OFFSET_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// `dir/name` with `suffix` added behind its whole name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// `<topic>-<partition>`.
pub fn partition_directory_name(topic: &str, partition: i32) -> String {
    assert!(partition >= 0, "partitions count from 0");
    format!("{topic}-{partition}")
}

/// The inverse of `partition_directory_name`; None for `-delete`, `-future` and `-stray` directories and for anything else.
pub fn parse_partition_directory_name(name: &str) -> Option<(&str, i32)> {
    let (topic, partition) = name.rsplit_once('-')?;
    let canonical = partition == "0" || !partition.starts_with('0');
    if topic.is_empty() || !canonical || !partition.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((topic, partition.parse().ok()?))
}

/// What a deleted partition's directory is renamed to. The topic is cut if the name would get too long; the unique part keeps it apart.
pub(crate) fn deleted_partition_name(topic: &str, partition: i32, unique: [u8; 16]) -> String {
    let tail = format!("-{partition}.{:032x}-delete", u128::from_be_bytes(unique));
    let topic_bytes_max = NAME_BYTES_MAX - tail.len();
    // Topic names are ASCII, so any byte is a character boundary; a foreign name that is not is cut further down.
    let mut cut = topic.len().min(topic_bytes_max);
    while !topic.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}{tail}", &topic[..cut])
}

/// Whether the directory is a partition that was renamed to be deleted.
pub(crate) fn is_deleted_partition_name(name: &str) -> bool {
    let Some(stem) = name.strip_suffix("-delete") else {
        return false;
    };
    let Some((partition, unique)) = stem.rsplit_once('.') else {
        return false;
    };
    unique.len() == UNIQUE_HEX_DIGITS
        && unique.bytes().all(|byte| byte.is_ascii_hexdigit())
        && parse_partition_directory_name(partition).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_names_have_twenty_digits() {
        assert_eq!(
            segment_path(Path::new("/d"), 42, LOG_SUFFIX),
            Path::new("/d/00000000000000000042.log")
        );
        assert_eq!(
            parse_offset_name("00000000000000000042.log", LOG_SUFFIX),
            Some(42)
        );
        assert_eq!(
            parse_offset_name("09223372036854775807.index", INDEX_SUFFIX),
            Some(i64::MAX)
        );
        for name in [
            "42.log",
            "0000000000000000004x.log",
            "00000000000000000042.index",
            "99999999999999999999.log",
            "-0000000000000000042.log",
        ] {
            assert_eq!(parse_offset_name(name, LOG_SUFFIX), None, "{name}");
        }
    }

    #[test]
    fn partition_directories_split_at_the_last_dash() {
        assert_eq!(
            parse_partition_directory_name("my-topic.v-1-12"),
            Some(("my-topic.v-1", 12))
        );
        assert_eq!(
            parse_partition_directory_name("__cluster_metadata-0"),
            Some(("__cluster_metadata", 0))
        );
        for name in [
            "topic",
            "-1",
            "topic-",
            "topic-01",
            "topic-+1",
            "topic-99999999999",
            "lost+found",
        ] {
            assert_eq!(parse_partition_directory_name(name), None, "{name}");
        }
        assert_eq!(partition_directory_name("a-b", 3), "a-b-3");
    }

    #[test]
    fn deleted_partition_names_fit_and_are_recognised() {
        let name = deleted_partition_name(&"t".repeat(249), 2_000_000_000, [0xab; 16]);
        assert_eq!(name.len(), NAME_BYTES_MAX);
        assert!(is_deleted_partition_name(&name));
        assert!(parse_partition_directory_name(&name).is_none());
        assert!(!is_deleted_partition_name("topic-delete"));
    }
}
