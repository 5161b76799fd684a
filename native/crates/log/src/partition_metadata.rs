//! Owns the text of partition.metadata: which topic incarnation a partition directory belongs to.
//!
//! ```text
//! version: 0
//! topic_id: 22 characters of base64url
//! ```

use crate::Uuid;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionMetadata {
    pub topic_id: Uuid,
}

impl PartitionMetadata {
    /// None when the text is not whole: a crash came between creation and the first sync, and nothing in the directory was acknowledged.
    pub fn parse(text: &[u8]) -> Option<PartitionMetadata> {
        let mut topic_id = None;
        let mut version_is_known = false;
        for line in std::str::from_utf8(text).ok()?.lines() {
            let (name, value) = line.split_once(':')?;
            match name.trim() {
                "version" => version_is_known = value.trim() == "0",
                "topic_id" => topic_id = Some(value.trim().parse().ok()?),
                _ => return None,
            }
        }
        if version_is_known {
            topic_id.map(|topic_id| PartitionMetadata { topic_id })
        } else {
            None
        }
    }

    pub fn to_text(self) -> String {
        format!("version: 0\ntopic_id: {}\n", self.topic_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kafkas_and_round_trips() {
        let metadata = PartitionMetadata {
            topic_id: Uuid([7; 16]),
        };
        assert_eq!(
            metadata.to_text(),
            format!("version: 0\ntopic_id: {}\n", Uuid([7; 16]))
        );
        assert_eq!(
            PartitionMetadata::parse(metadata.to_text().as_bytes()),
            Some(metadata)
        );
        // Kafka's reader takes a missing last line break.
        assert_eq!(
            PartitionMetadata::parse(metadata.to_text().trim_end().as_bytes()),
            Some(metadata)
        );
    }

    #[test]
    fn torn_text_is_no_metadata() {
        let text = PartitionMetadata {
            topic_id: Uuid([7; 16]),
        }
        .to_text();
        for len in 0..text.len() - 1 {
            assert_eq!(PartitionMetadata::parse(&text.as_bytes()[..len]), None);
        }
        assert_eq!(
            PartitionMetadata::parse(b"version: 1\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA\n"),
            None
        );
        assert_eq!(PartitionMetadata::parse(&[0; 40]), None);
    }
}
