//! Owns the text of .kafka_cleanshutdown: its presence says that the log directory was closed in order.
//!
//! ```text
//! {"version":0,"brokerEpoch":42}
//! ```
//! It is written last at shutdown and removed first at start, so that a crash while loading counts as unclean too (KAFKA-10471).

pub(crate) const FILE_NAME: &str = ".kafka_cleanshutdown";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanShutdown {
    /// -1 when unknown: an empty file, as Kafka wrote before 3.8.
    pub broker_epoch: i64,
}

impl CleanShutdown {
    /// Presence counts, whatever the content.
    pub fn parse(text: &[u8]) -> CleanShutdown {
        CleanShutdown {
            broker_epoch: broker_epoch(text).unwrap_or(-1),
        }
    }

    pub fn to_text(self) -> String {
        format!("{{\"version\":0,\"brokerEpoch\":{}}}", self.broker_epoch)
    }
}

/// The number behind `"brokerEpoch":`. The file is ours or Kafka's, a flat object with two numbers; a general parser would find nothing more.
fn broker_epoch(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let (_, rest) = text.split_once("\"brokerEpoch\"")?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start();
    let end = rest
        .find(|character: char| !character.is_ascii_digit() && character != '-')
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broker_epoch_round_trips_and_anything_else_is_unknown() {
        assert_eq!(
            CleanShutdown { broker_epoch: 42 }.to_text(),
            "{\"version\":0,\"brokerEpoch\":42}"
        );
        assert_eq!(
            CleanShutdown::parse(b"{\"version\":0,\"brokerEpoch\":42}").broker_epoch,
            42
        );
        assert_eq!(
            CleanShutdown::parse(b"{ \"brokerEpoch\" : 7, \"version\" : 0 }").broker_epoch,
            7
        );
        for text in [
            "",
            "{}",
            "{\"brokerEpoch\":}",
            "{\"brokerEpoch\":99999999999999999999}",
            "\u{0}",
        ] {
            assert_eq!(
                CleanShutdown::parse(text.as_bytes()).broker_epoch,
                -1,
                "{text:?}"
            );
        }
    }
}
