//! Our codecs against the kafka-protocol crate, an independent implementation generated from Kafka's own schemas: random messages
//! of every version both know, byte for byte. ListOffsets 11 has the layout of 10.

mod damage;
mod random;
mod requests;
mod responses;

use kafka_protocol::messages::{BrokerId, TopicName};
use kafka_protocol::protocol::StrBytes;
use millrace_wire::apis::{fetch, list_offsets, produce};

const PRODUCE_VERSIONS: std::ops::RangeInclusive<i16> = produce::VERSION_MIN..=produce::VERSION_MAX;
const FETCH_VERSIONS: std::ops::RangeInclusive<i16> = fetch::VERSION_MIN..=fetch::VERSION_MAX;
const LIST_OFFSETS_VERSIONS: std::ops::RangeInclusive<i16> =
    list_offsets::VERSION_MIN..=list_offsets::VERSION_MAX;

/// The newest version of ListOffsets the other codec knows.
fn list_offsets_layout(version: i16) -> i16 {
    version.min(10)
}

fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

fn topic_name(value: &str) -> TopicName {
    TopicName(text(value))
}

fn broker(id: i32) -> BrokerId {
    BrokerId(id)
}
