//! Owns the targets of the wire crate. Byte 0 picks the version, the rest is a frame with its header. What every answer must hold:
//! ranges lie in the frame, and the walk after a successful check yields what the check counted.

use millrace_wire::apis::fetch::{self, FetchRequest};
use millrace_wire::apis::list_offsets::{self, ListOffsetsRequest};
use millrace_wire::apis::produce::{self, ProduceRequest};
use millrace_wire::apis::{TopicPartition, TopicRef};
use millrace_wire::frame::{Framing, SIZE_BYTES, first_frame};
use millrace_wire::header::{RequestHeader, RequestPrefix};

/// Frame size, and a header of both versions.
pub fn request_header(data: &[u8]) {
    const LIMIT_BYTES: usize = 1 << 16;
    match first_frame(data, LIMIT_BYTES) {
        Ok(Framing::Whole { bytes }) => {
            assert!(SIZE_BYTES + bytes <= data.len() && bytes <= LIMIT_BYTES)
        }
        Ok(Framing::NeedBytes(bytes)) => assert!(bytes > 0 && bytes <= LIMIT_BYTES),
        Ok(Framing::NeedSize) => assert!(data.len() < SIZE_BYTES),
        Err(_) => {}
    }
    let prefix = RequestPrefix::parse(data);
    assert_eq!(prefix.is_ok(), data.len() >= 8);
    for flexible in [false, true] {
        if let Ok(header) = RequestHeader::parse(data, flexible) {
            assert!(header.body_at <= data.len());
            assert!(prefix.is_ok_and(|prefix| prefix.correlation_id == header.correlation_id));
        }
    }
}

/// The version byte 0 picks, and the frame.
fn split(data: &[u8], version_min: i16, version_max: i16) -> Option<(i16, &[u8])> {
    let (&pick, frame) = data.split_first()?;
    Some((
        version_min + i16::from(pick) % (version_max - version_min + 1),
        frame,
    ))
}

fn check_topic<P>(item: &TopicPartition<'_, P>, frame: &[u8]) {
    match item.topic {
        TopicRef::Name(name) => assert_eq!(item.topic_range.of(frame), name.as_bytes()),
        TopicRef::Id(id) => assert_eq!(item.topic_range.of(frame), id),
    }
}

pub fn produce_request(data: &[u8]) {
    let Some((version, frame)) = split(data, produce::VERSION_MIN, produce::VERSION_MAX) else {
        return;
    };
    let Ok(header) = RequestHeader::parse(frame, produce::is_flexible(version)) else {
        return;
    };
    let Ok(request) = ProduceRequest::parse(frame, header.body_at, version) else {
        return;
    };
    if let Some(id) = request.transactional_id {
        assert!(std::str::from_utf8(id.of(frame)).is_ok());
    }
    let mut count = 0;
    let mut end = header.body_at;
    for item in request.partitions(frame) {
        check_topic(&item, frame);
        if let Some(records) = item.partition.records {
            assert!(
                records.start as usize >= end,
                "record ranges do not overlap"
            );
            end = records.end();
            assert!(end <= frame.len());
        }
        count += 1;
    }
    assert_eq!(count, request.partition_count());
}

pub fn fetch_request(data: &[u8]) {
    let Some((version, frame)) = split(data, fetch::VERSION_MIN, fetch::VERSION_MAX) else {
        return;
    };
    let Ok(header) = RequestHeader::parse(frame, fetch::is_flexible(version)) else {
        return;
    };
    let Ok(request) = FetchRequest::parse(frame, header.body_at, version) else {
        return;
    };
    for text in [Some(request.rack_id), request.cluster_id]
        .into_iter()
        .flatten()
    {
        assert!(std::str::from_utf8(text.of(frame)).is_ok());
    }
    assert_eq!(
        request
            .partitions(frame)
            .inspect(|item| check_topic(item, frame))
            .count(),
        request.partition_count()
    );
    assert_eq!(
        request
            .forgotten(frame)
            .inspect(|item| check_topic(item, frame))
            .count(),
        request.forgotten_count()
    );
}

pub fn list_offsets_request(data: &[u8]) {
    let Some((version, frame)) = split(data, list_offsets::VERSION_MIN, list_offsets::VERSION_MAX)
    else {
        return;
    };
    let Ok(header) = RequestHeader::parse(frame, list_offsets::is_flexible(version)) else {
        return;
    };
    let Ok(request) = ListOffsetsRequest::parse(frame, header.body_at, version) else {
        return;
    };
    assert_eq!(
        request
            .partitions(frame)
            .inspect(|item| check_topic(item, frame))
            .count(),
        request.partition_count()
    );
}
