//! Owns the text of recovery-point-, log-start-, replication- and cleaner-offset-checkpoint: one offset for each partition of a log directory.
//!
//! ```text
//! 0                    version
//! 2                    number of rows
//! topic-a 0 1042       topic, partition, offset
//! topic-b 3 17
//! ```

use std::fmt::Write;

const VERSION: &str = "0";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPartitionOffset {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

/// The checkpoints of a log directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetCheckpoint {
    /// Everything below the offset is on disk.
    RecoveryPoint,
    LogStart,
    /// High watermarks.
    Replication,
    /// First dirty offsets: below them a compacted log is clean.
    Cleaner,
}

impl OffsetCheckpoint {
    pub fn file_name(self) -> &'static str {
        match self {
            OffsetCheckpoint::RecoveryPoint => "recovery-point-offset-checkpoint",
            OffsetCheckpoint::LogStart => "log-start-offset-checkpoint",
            OffsetCheckpoint::Replication => "replication-offset-checkpoint",
            OffsetCheckpoint::Cleaner => "cleaner-offset-checkpoint",
        }
    }
}

/// None when the text is not a checkpoint. Then nothing is known, which is always safe: recovery starts at 0.
pub fn parse_offset_checkpoint(text: &[u8]) -> Option<Vec<TopicPartitionOffset>> {
    let mut lines = std::str::from_utf8(text).ok()?.lines();
    if lines.next()? != VERSION {
        return None;
    }
    let count: usize = lines.next()?.trim().parse().ok()?;
    let mut rows = Vec::new();
    for line in lines {
        let mut words = line.split_ascii_whitespace();
        let (topic, partition, offset) = (words.next()?, words.next()?, words.next()?);
        let row = TopicPartitionOffset {
            topic: topic.to_owned(),
            partition: partition.parse().ok()?,
            offset: offset.parse().ok()?,
        };
        if row.partition < 0 || row.offset < 0 || words.next().is_some() {
            return None;
        }
        rows.push(row);
    }
    (rows.len() == count).then_some(rows)
}

pub(crate) fn write_offset_checkpoint<'a>(
    rows: impl ExactSizeIterator<Item = (&'a str, i32, i64)>,
) -> String {
    let mut text = format!("{VERSION}\n{}\n", rows.len());
    for (topic, partition, offset) in rows {
        writeln!(text, "{topic} {partition} {offset}").expect("writing to a string never fails");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kafkas_and_round_trips() {
        let rows = [("topic-a", 0, 1042), ("topic-b", 3, 17)];
        let text = write_offset_checkpoint(rows.into_iter());
        assert_eq!(text, "0\n2\ntopic-a 0 1042\ntopic-b 3 17\n");
        let parsed = parse_offset_checkpoint(text.as_bytes()).expect("parse");
        assert_eq!(parsed.len(), 2);
        assert_eq!(
            (
                parsed[1].topic.as_str(),
                parsed[1].partition,
                parsed[1].offset
            ),
            ("topic-b", 3, 17)
        );
    }

    #[test]
    fn damaged_text_is_no_checkpoint() {
        for text in [
            "",
            "0",
            "1\n0\n",
            "0\n1\n",
            "0\n1\na 0\n",
            "0\n1\na 0 -5\n",
            "0\n1\na 0 5 6\n",
            "0\n0\na 0 5\n",
            "\0\0\0\0",
        ] {
            assert_eq!(parse_offset_checkpoint(text.as_bytes()), None, "{text:?}");
        }
    }
}
