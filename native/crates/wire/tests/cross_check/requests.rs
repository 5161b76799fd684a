//! Requests the other codec writes, read by ours.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_request as kp_fetch;
use kafka_protocol::messages::list_offsets_request as kp_list;
use kafka_protocol::messages::produce_request as kp_produce;
use kafka_protocol::messages::{
    FetchRequest as KpFetchRequest, ListOffsetsRequest as KpListOffsetsRequest,
    ProduceRequest as KpProduceRequest, RequestHeader as KpRequestHeader, TransactionalId,
};
use kafka_protocol::protocol::Encodable;
use millrace_wire::apis::fetch::FetchRequest;
use millrace_wire::apis::list_offsets::ListOffsetsRequest;
use millrace_wire::apis::produce::ProduceRequest;
use millrace_wire::apis::{TopicRef, fetch, list_offsets, produce};
use millrace_wire::header::RequestHeader;
use proptest::prelude::*;
use uuid::Uuid;

use crate::random::Random;
use crate::{
    FETCH_VERSIONS, LIST_OFFSETS_VERSIONS, PRODUCE_VERSIONS, broker, list_offsets_layout, text,
    topic_name,
};

/// Tags no version knows, as a newer client might send them.
fn unknown_tags(random: &mut Random, flexible: bool) -> std::collections::BTreeMap<i32, Bytes> {
    if !flexible || !random.chance(3) {
        return Default::default();
    }
    random
        .list(2, |random| {
            (40 + random.below(1_000) as i32, Bytes::from(random.bytes()))
        })
        .into_iter()
        .collect()
}

/// Frame of a request, without its size field, and what its header said.
pub fn frame(
    random: &mut Random,
    api_key: i16,
    version: i16,
    flexible: bool,
    body: &impl Encodable,
    layout: i16,
) -> (Vec<u8>, KpRequestHeader) {
    let header = KpRequestHeader::default()
        .with_request_api_key(api_key)
        .with_request_api_version(version)
        .with_correlation_id(random.i32())
        .with_client_id(random.some(Random::string).map(|id| text(&id)))
        .with_unknown_tagged_fields(unknown_tags(random, flexible));
    let mut out = BytesMut::new();
    header
        .encode(&mut out, if flexible { 2 } else { 1 })
        .expect("header encodes");
    body.encode(&mut out, layout).expect("body encodes");
    (out.to_vec(), header)
}

fn check_header<'a>(
    frame: &'a [u8],
    flexible: bool,
    expected: &KpRequestHeader,
) -> RequestHeader<'a> {
    let header = RequestHeader::parse(frame, flexible).expect("header reads");
    assert_eq!(header.api_key, expected.request_api_key);
    assert_eq!(header.api_version, expected.request_api_version);
    assert_eq!(header.correlation_id, expected.correlation_id);
    assert_eq!(
        header.client_id,
        expected.client_id.as_ref().map(|id| id.as_bytes())
    );
    header
}

fn check_topic(topic: TopicRef<'_>, name: &str, id: Uuid, by_id: bool) {
    match topic {
        TopicRef::Name(read) => assert_eq!((read, by_id), (name, false)),
        TopicRef::Id(read) => assert_eq!((read, by_id), (*id.as_bytes(), true)),
    }
}

pub fn random_produce(random: &mut Random, version: i16) -> KpProduceRequest {
    let flexible = produce::is_flexible(version);
    let partition = |random: &mut Random| {
        kp_produce::PartitionProduceData::default()
            .with_index(random.i32())
            .with_records(random.some(Random::bytes).map(Bytes::from))
            .with_unknown_tagged_fields(unknown_tags(random, flexible))
    };
    let topic = |random: &mut Random| {
        let topic = kp_produce::TopicProduceData::default()
            .with_partition_data(random.list(3, partition))
            .with_unknown_tagged_fields(unknown_tags(random, flexible));
        match version {
            13.. => topic.with_topic_id(Uuid::from_bytes(random.uuid())),
            _ => topic.with_name(topic_name(&random.string())),
        }
    };
    KpProduceRequest::default()
        .with_transactional_id(
            random
                .some(Random::string)
                .map(|id| TransactionalId(text(&id))),
        )
        .with_acks(random.i16())
        .with_timeout_ms(random.i32())
        .with_topic_data(random.list(3, topic))
        .with_unknown_tagged_fields(unknown_tags(random, flexible))
}

pub fn random_fetch(random: &mut Random, version: i16) -> KpFetchRequest {
    let flexible = fetch::is_flexible(version);
    let partition = |random: &mut Random| {
        let mut partition = kp_fetch::FetchPartition::default()
            .with_partition(random.i32())
            .with_fetch_offset(random.i64())
            .with_partition_max_bytes(random.i32())
            .with_unknown_tagged_fields(unknown_tags(random, flexible));
        if version >= 9 {
            partition.current_leader_epoch = random.i32();
        }
        if version >= 12 {
            partition.last_fetched_epoch = random.i32();
        }
        if version >= 5 {
            partition.log_start_offset = random.i64();
        }
        if version >= 17 && random.chance(2) {
            partition.replica_directory_id = Uuid::from_bytes(random.uuid());
        }
        if version >= 18 {
            partition.high_watermark = random.i64();
        }
        partition
    };
    let topic = |random: &mut Random| {
        let topic = kp_fetch::FetchTopic::default()
            .with_partitions(random.list(3, partition))
            .with_unknown_tagged_fields(unknown_tags(random, flexible));
        match version {
            13.. => topic.with_topic_id(Uuid::from_bytes(random.uuid())),
            _ => topic.with_topic(topic_name(&random.string())),
        }
    };
    let forgotten = |random: &mut Random| {
        let topic = kp_fetch::ForgottenTopic::default()
            .with_partitions(random.list(3, Random::i32))
            .with_unknown_tagged_fields(unknown_tags(random, flexible));
        match version {
            13.. => topic.with_topic_id(Uuid::from_bytes(random.uuid())),
            _ => topic.with_topic(topic_name(&random.string())),
        }
    };
    let mut request = KpFetchRequest::default()
        .with_max_wait_ms(random.i32())
        .with_min_bytes(random.i32())
        .with_max_bytes(random.i32())
        .with_isolation_level(random.i8())
        .with_topics(random.list(3, topic))
        .with_unknown_tagged_fields(unknown_tags(random, flexible));
    if version >= 15 {
        if random.chance(2) {
            let state = kp_fetch::ReplicaState::default()
                .with_replica_id(broker(random.i32()))
                .with_replica_epoch(random.i64())
                .with_unknown_tagged_fields(unknown_tags(random, flexible));
            request.replica_state = state;
        }
    } else {
        request.replica_id = broker(random.i32());
    }
    if version >= 7 {
        request.session_id = random.i32();
        request.session_epoch = random.i32();
        request.forgotten_topics_data = random.list(3, forgotten);
    }
    if version >= 11 {
        request.rack_id = text(&random.string());
    }
    if flexible {
        request.cluster_id = random.some(Random::string).map(|id| text(&id));
    }
    request
}

pub fn random_list_offsets(random: &mut Random, version: i16) -> KpListOffsetsRequest {
    let flexible = list_offsets::is_flexible(version);
    let partition = |random: &mut Random| {
        let mut partition = kp_list::ListOffsetsPartition::default()
            .with_partition_index(random.i32())
            .with_timestamp(random.i64())
            .with_unknown_tagged_fields(unknown_tags(random, flexible));
        if version >= 4 {
            partition.current_leader_epoch = random.i32();
        }
        partition
    };
    let topic = |random: &mut Random| {
        kp_list::ListOffsetsTopic::default()
            .with_name(topic_name(&random.string()))
            .with_partitions(random.list(3, partition))
            .with_unknown_tagged_fields(unknown_tags(random, flexible))
    };
    let mut request = KpListOffsetsRequest::default()
        .with_replica_id(broker(random.i32()))
        .with_topics(random.list(3, topic))
        .with_unknown_tagged_fields(unknown_tags(random, flexible));
    if version >= 2 {
        request.isolation_level = random.i8();
    }
    if version >= 10 {
        request.timeout_ms = random.i32();
    }
    request
}

fn check_produce(seed: u64, version: i16) {
    let mut random = Random::new(seed);
    let flexible = produce::is_flexible(version);
    let expected = random_produce(&mut random, version);
    let (frame, header) = frame(
        &mut random,
        produce::API_KEY,
        version,
        flexible,
        &expected,
        version,
    );
    let body_at = check_header(&frame, flexible, &header).body_at;
    let request = ProduceRequest::parse(&frame, body_at, version).expect("body reads");
    let id = request.transactional_id.map(|range| range.of(&frame));
    assert_eq!(
        id,
        expected.transactional_id.as_ref().map(|id| id.as_bytes())
    );
    assert_eq!(
        (request.acks, request.timeout_ms),
        (expected.acks, expected.timeout_ms)
    );
    let mut read = request.partitions(&frame);
    let mut count = 0;
    for (topic_index, topic) in expected.topic_data.iter().enumerate() {
        for partition in &topic.partition_data {
            let item = read.next().expect("a partition for each written");
            count += 1;
            assert_eq!(item.topic_index as usize, topic_index);
            check_topic(
                item.topic,
                topic.name.as_str(),
                topic.topic_id,
                version >= 13,
            );
            if let TopicRef::Name(name) = item.topic {
                assert_eq!(item.topic_range.of(&frame), name.as_bytes());
            }
            assert_eq!(item.partition.index, partition.index);
            assert_eq!(
                item.partition.records.map(|range| range.of(&frame)),
                partition.records.as_deref()
            );
        }
    }
    assert!(read.next().is_none());
    assert_eq!(request.partition_count(), count);
}

fn check_fetch(seed: u64, version: i16) {
    let mut random = Random::new(seed);
    let flexible = fetch::is_flexible(version);
    let expected = random_fetch(&mut random, version);
    let (frame, header) = frame(
        &mut random,
        fetch::API_KEY,
        version,
        flexible,
        &expected,
        version,
    );
    let body_at = check_header(&frame, flexible, &header).body_at;
    let request = FetchRequest::parse(&frame, body_at, version).expect("body reads");
    let (replica_id, replica_epoch) = match version {
        15.. => (
            expected.replica_state.replica_id,
            expected.replica_state.replica_epoch,
        ),
        _ => (expected.replica_id, -1),
    };
    assert_eq!(
        (request.replica_id, request.replica_epoch),
        (replica_id.0, replica_epoch)
    );
    assert_eq!(
        (
            request.max_wait_ms,
            request.min_bytes,
            request.max_bytes,
            request.isolation_level
        ),
        (
            expected.max_wait_ms,
            expected.min_bytes,
            expected.max_bytes,
            expected.isolation_level
        )
    );
    assert_eq!(
        (request.session_id, request.session_epoch),
        (expected.session_id, expected.session_epoch)
    );
    assert_eq!(request.rack_id.of(&frame), expected.rack_id.as_bytes());
    assert_eq!(
        request.cluster_id.map(|range| range.of(&frame)),
        expected.cluster_id.as_ref().map(|id| id.as_bytes())
    );
    let mut read = request.partitions(&frame);
    for (topic_index, topic) in expected.topics.iter().enumerate() {
        for partition in &topic.partitions {
            let item = read.next().expect("a partition for each written");
            assert_eq!(item.topic_index as usize, topic_index);
            check_topic(
                item.topic,
                topic.topic.as_str(),
                topic.topic_id,
                version >= 13,
            );
            let ours = item.partition;
            assert_eq!(
                (
                    ours.index,
                    ours.current_leader_epoch,
                    ours.fetch_offset,
                    ours.last_fetched_epoch
                ),
                (
                    partition.partition,
                    partition.current_leader_epoch,
                    partition.fetch_offset,
                    partition.last_fetched_epoch
                )
            );
            assert_eq!(
                (
                    ours.log_start_offset,
                    ours.partition_max_bytes,
                    ours.high_watermark
                ),
                (
                    partition.log_start_offset,
                    partition.partition_max_bytes,
                    partition.high_watermark
                )
            );
            assert_eq!(
                ours.replica_directory_id,
                *partition.replica_directory_id.as_bytes()
            );
        }
    }
    assert!(read.next().is_none());
    let mut read = request.forgotten(&frame);
    for topic in &expected.forgotten_topics_data {
        for partition in &topic.partitions {
            let item = read.next().expect("a forgotten partition for each written");
            check_topic(
                item.topic,
                topic.topic.as_str(),
                topic.topic_id,
                version >= 13,
            );
            assert_eq!(item.partition.index, *partition);
        }
    }
    assert!(read.next().is_none());
}

fn check_list_offsets(seed: u64, version: i16) {
    let mut random = Random::new(seed);
    let flexible = list_offsets::is_flexible(version);
    let expected = random_list_offsets(&mut random, version);
    let layout = list_offsets_layout(version);
    let (frame, header) = frame(
        &mut random,
        list_offsets::API_KEY,
        version,
        flexible,
        &expected,
        layout,
    );
    let body_at = check_header(&frame, flexible, &header).body_at;
    let request = ListOffsetsRequest::parse(&frame, body_at, version).expect("body reads");
    assert_eq!(
        (
            request.replica_id,
            request.isolation_level,
            request.timeout_ms
        ),
        (
            expected.replica_id.0,
            expected.isolation_level,
            expected.timeout_ms
        )
    );
    let mut read = request.partitions(&frame);
    for topic in &expected.topics {
        for partition in &topic.partitions {
            let item = read.next().expect("a partition for each written");
            check_topic(item.topic, topic.name.as_str(), Uuid::nil(), false);
            let ours = item.partition;
            assert_eq!(
                (ours.index, ours.current_leader_epoch, ours.timestamp),
                (
                    partition.partition_index,
                    partition.current_leader_epoch,
                    partition.timestamp
                )
            );
        }
    }
    assert!(read.next().is_none());
}

proptest! {
    #[test]
    fn produce_requests_read_as_they_were_written(seed: u64) {
        PRODUCE_VERSIONS.for_each(|version| check_produce(seed, version));
    }

    #[test]
    fn fetch_requests_read_as_they_were_written(seed: u64) {
        FETCH_VERSIONS.for_each(|version| check_fetch(seed, version));
    }

    #[test]
    fn list_offsets_requests_read_as_they_were_written(seed: u64) {
        LIST_OFFSETS_VERSIONS.for_each(|version| check_list_offsets(seed, version));
    }
}
