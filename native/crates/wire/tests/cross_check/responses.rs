//! Responses ours write, compared with the bytes the other codec writes for the same values.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_response as kp_fetch;
use kafka_protocol::messages::list_offsets_response as kp_list;
use kafka_protocol::messages::produce_response as kp_produce;
use kafka_protocol::messages::{
    FetchResponse as KpFetchResponse, ListOffsetsResponse as KpListOffsetsResponse,
    ProduceResponse as KpProduceResponse, ProducerId, ResponseHeader as KpResponseHeader,
};
use kafka_protocol::protocol::Encodable;
use millrace_wire::apis::fetch::{
    AbortedTransaction, EpochEndOffset, FetchPartitionResponse, FetchRecords, FetchResponseHead,
    FetchResponseWriter, RecordsGap, SnapshotId,
};
use millrace_wire::apis::list_offsets::{ListOffsetsPartitionResponse, ListOffsetsResponseWriter};
use millrace_wire::apis::produce::{ProducePartitionResponse, ProduceResponseWriter, RecordError};
use millrace_wire::apis::{LeaderIdAndEpoch, NodeEndpoint, TopicRef, fetch, list_offsets, produce};
use proptest::prelude::*;
use uuid::Uuid;

use crate::random::Random;
use crate::{
    FETCH_VERSIONS, LIST_OFFSETS_VERSIONS, PRODUCE_VERSIONS, broker, list_offsets_layout, text,
    topic_name,
};

struct Topic<P> {
    name: String,
    id: [u8; 16],
    partitions: Vec<P>,
}

impl<P> Topic<P> {
    fn random(random: &mut Random, partition: impl FnMut(&mut Random) -> P) -> Topic<P> {
        Topic {
            name: random.string(),
            id: random.uuid(),
            partitions: random.list(3, partition),
        }
    }

    fn reference(&self, by_id: bool) -> TopicRef<'_> {
        if by_id {
            TopicRef::Id(self.id)
        } else {
            TopicRef::Name(&self.name)
        }
    }
}

struct Endpoint {
    node_id: i32,
    host: String,
    port: i32,
    rack: Option<String>,
}

fn random_endpoints(random: &mut Random) -> Vec<Endpoint> {
    random.list(2, |random| Endpoint {
        node_id: random.i32(),
        host: random.string(),
        port: random.i32(),
        rack: random.some(Random::string),
    })
}

fn endpoints(list: &[Endpoint]) -> Vec<NodeEndpoint<'_>> {
    let borrow = |endpoint: &Endpoint| (endpoint.node_id, endpoint.port);
    list.iter()
        .map(|endpoint| {
            let (node_id, port) = borrow(endpoint);
            NodeEndpoint {
                node_id,
                host: &endpoint.host,
                port,
                rack: endpoint.rack.as_deref(),
            }
        })
        .collect()
}

/// Never the all-default value: the other codec leaves that one out.
fn random_leader(random: &mut Random) -> Option<LeaderIdAndEpoch> {
    random.some(|random| LeaderIdAndEpoch {
        leader_id: random.below(9) as i32,
        leader_epoch: random.i32(),
    })
}

fn their_frame(correlation_id: i32, flexible: bool, body: &impl Encodable, layout: i16) -> Vec<u8> {
    let mut out = BytesMut::new();
    let header = KpResponseHeader::default().with_correlation_id(correlation_id);
    header
        .encode(&mut out, i16::from(flexible))
        .expect("header encodes");
    body.encode(&mut out, layout).expect("body encodes");
    [&(out.len() as i32).to_be_bytes()[..], &out].concat()
}

struct ProducePartition {
    index: i32,
    error_code: i16,
    offsets: [i64; 3],
    record_errors: Vec<(i32, Option<String>)>,
    error_message: Option<String>,
    leader: Option<LeaderIdAndEpoch>,
}

fn check_produce(seed: u64, version: i16) {
    let mut random = Random::new(seed);
    let random = &mut random;
    let partition = |random: &mut Random| ProducePartition {
        index: random.i32(),
        error_code: random.i16(),
        offsets: [random.i64(), random.i64(), random.i64()],
        record_errors: random.list(2, |random| (random.i32(), random.some(Random::string))),
        error_message: random.some(Random::string),
        leader: random_leader(random),
    };
    let topics = random.list(3, |random| Topic::random(random, partition));
    let (correlation_id, throttle_time_ms) = (random.i32(), random.i32());
    let nodes = random_endpoints(random);

    let mut ours = vec![0xee; 5];
    let mut writer = ProduceResponseWriter::begin(&mut ours, version, correlation_id, topics.len());
    for topic in &topics {
        writer.topic(topic.reference(version >= 13), topic.partitions.len());
        for partition in &topic.partitions {
            let errors: Vec<RecordError<'_>> = partition
                .record_errors
                .iter()
                .map(|(index, message)| RecordError {
                    batch_index: *index,
                    message: message.as_deref(),
                })
                .collect();
            writer.partition(&ProducePartitionResponse {
                index: partition.index,
                error_code: partition.error_code,
                base_offset: partition.offsets[0],
                log_append_time_ms: partition.offsets[1],
                log_start_offset: partition.offsets[2],
                record_errors: &errors,
                error_message: partition.error_message.as_deref(),
                current_leader: partition.leader,
            });
        }
    }
    writer.finish(throttle_time_ms, &endpoints(&nodes));

    let their_partition = |partition: &ProducePartition| {
        let mut theirs = kp_produce::PartitionProduceResponse::default()
            .with_index(partition.index)
            .with_error_code(partition.error_code)
            .with_base_offset(partition.offsets[0])
            .with_log_append_time_ms(partition.offsets[1]);
        if version >= 5 {
            theirs.log_start_offset = partition.offsets[2];
        }
        if version >= 8 {
            let error = |(index, message): &(i32, Option<String>)| {
                kp_produce::BatchIndexAndErrorMessage::default()
                    .with_batch_index(*index)
                    .with_batch_index_error_message(message.as_deref().map(text))
            };
            theirs.record_errors = partition.record_errors.iter().map(error).collect();
            theirs.error_message = partition.error_message.as_deref().map(text);
        }
        if let (Some(leader), 10..) = (partition.leader, version) {
            theirs.current_leader = kp_produce::LeaderIdAndEpoch::default()
                .with_leader_id(broker(leader.leader_id))
                .with_leader_epoch(leader.leader_epoch);
        }
        theirs
    };
    let their_topic = |topic: &Topic<ProducePartition>| {
        let theirs = kp_produce::TopicProduceResponse::default()
            .with_partition_responses(topic.partitions.iter().map(their_partition).collect());
        match version {
            13.. => theirs.with_topic_id(Uuid::from_bytes(topic.id)),
            _ => theirs.with_name(topic_name(&topic.name)),
        }
    };
    let mut theirs = KpProduceResponse::default()
        .with_responses(topics.iter().map(their_topic).collect())
        .with_throttle_time_ms(throttle_time_ms);
    if version >= 10 {
        let node = |node: &Endpoint| {
            kp_produce::NodeEndpoint::default()
                .with_node_id(broker(node.node_id))
                .with_host(text(&node.host))
                .with_port(node.port)
                .with_rack(node.rack.as_deref().map(text))
        };
        theirs.node_endpoints = nodes.iter().map(node).collect();
    }
    assert_eq!(ours[..5], [0xee; 5], "what was in the buffer stays");
    assert_eq!(
        ours[5..],
        their_frame(
            correlation_id,
            produce::is_flexible(version),
            &theirs,
            version
        )
    );
}

struct FetchedPartition {
    index: i32,
    error_code: i16,
    offsets: [i64; 3],
    aborted: Option<Vec<AbortedTransaction>>,
    preferred_read_replica: i32,
    records: Option<Vec<u8>>,
    inline: bool,
    diverging: Option<EpochEndOffset>,
    leader: Option<LeaderIdAndEpoch>,
    snapshot: Option<SnapshotId>,
}

/// Puts the records where the gaps are, as the socket would.
fn fill_gaps(out: &[u8], gaps: &[RecordsGap], records: &[&[u8]]) -> Vec<u8> {
    assert_eq!(gaps.len(), records.len());
    let (mut whole, mut sent) = (Vec::new(), 0);
    for (gap, bytes) in gaps.iter().zip(records) {
        assert_eq!(gap.bytes as usize, bytes.len());
        whole.extend_from_slice(&out[sent..gap.at]);
        whole.extend_from_slice(bytes);
        sent = gap.at;
    }
    whole.extend_from_slice(&out[sent..]);
    whole
}

fn check_fetch(seed: u64, version: i16) {
    let mut random = Random::new(seed);
    let random = &mut random;
    let partition = |random: &mut Random| FetchedPartition {
        index: random.i32(),
        error_code: random.i16(),
        offsets: [random.i64(), random.i64(), random.i64()],
        aborted: random.some(|random| {
            random.list(2, |random| AbortedTransaction {
                producer_id: random.i64(),
                first_offset: random.i64(),
            })
        }),
        preferred_read_replica: if version >= 11 { random.i32() } else { -1 },
        records: random.some(Random::bytes),
        inline: random.chance(3),
        diverging: random.some(|random| EpochEndOffset {
            epoch: random.below(99) as i32,
            end_offset: random.i64(),
        }),
        leader: random_leader(random),
        snapshot: random.some(|random| SnapshotId {
            end_offset: random.i64(),
            epoch: random.below(99) as i32,
        }),
    };
    let topics = random.list(3, |random| Topic::random(random, partition));
    let head = FetchResponseHead {
        correlation_id: random.i32(),
        throttle_time_ms: random.i32(),
        error_code: if version >= 7 { random.i16() } else { 0 },
        session_id: if version >= 7 { random.i32() } else { 0 },
        topic_count: topics.len(),
    };
    let nodes = random_endpoints(random);

    let (mut ours, mut gaps, mut files) = (vec![0xee; 3], Vec::new(), Vec::new());
    let mut writer = FetchResponseWriter::begin(&mut ours, &mut gaps, version, &head);
    for topic in &topics {
        writer.topic(topic.reference(version >= 13), topic.partitions.len());
        for partition in &topic.partitions {
            let records = match &partition.records {
                None => FetchRecords::Null,
                Some(bytes) if partition.inline => FetchRecords::Inline(bytes),
                Some(bytes) => {
                    if !bytes.is_empty() {
                        files.push(&bytes[..]);
                    }
                    FetchRecords::InFile(bytes.len() as u32)
                }
            };
            writer.partition(&FetchPartitionResponse {
                index: partition.index,
                error_code: partition.error_code,
                high_watermark: partition.offsets[0],
                last_stable_offset: partition.offsets[1],
                log_start_offset: partition.offsets[2],
                aborted_transactions: partition.aborted.as_deref(),
                preferred_read_replica: partition.preferred_read_replica,
                records,
                diverging_epoch: partition.diverging,
                current_leader: partition.leader,
                snapshot_id: partition.snapshot,
            });
        }
    }
    let gap_bytes = writer.finish(&endpoints(&nodes));
    assert_eq!(
        gap_bytes,
        files.iter().map(|bytes| bytes.len()).sum::<usize>()
    );

    let their_partition = |partition: &FetchedPartition| {
        let aborted = |list: &Vec<AbortedTransaction>| {
            let one = |aborted: &AbortedTransaction| {
                kp_fetch::AbortedTransaction::default()
                    .with_producer_id(ProducerId(aborted.producer_id))
                    .with_first_offset(aborted.first_offset)
            };
            list.iter().map(one).collect::<Vec<_>>()
        };
        let mut theirs = kp_fetch::PartitionData::default()
            .with_partition_index(partition.index)
            .with_error_code(partition.error_code)
            .with_high_watermark(partition.offsets[0])
            .with_last_stable_offset(partition.offsets[1])
            .with_aborted_transactions(partition.aborted.as_ref().map(aborted))
            .with_preferred_read_replica(broker(partition.preferred_read_replica))
            .with_records(partition.records.clone().map(Bytes::from));
        if version >= 5 {
            theirs.log_start_offset = partition.offsets[2];
        }
        if version >= 12 {
            if let Some(diverging) = partition.diverging {
                theirs.diverging_epoch = kp_fetch::EpochEndOffset::default()
                    .with_epoch(diverging.epoch)
                    .with_end_offset(diverging.end_offset);
            }
            if let Some(leader) = partition.leader {
                theirs.current_leader = kp_fetch::LeaderIdAndEpoch::default()
                    .with_leader_id(broker(leader.leader_id))
                    .with_leader_epoch(leader.leader_epoch);
            }
            if let Some(snapshot) = partition.snapshot {
                theirs.snapshot_id = kp_fetch::SnapshotId::default()
                    .with_end_offset(snapshot.end_offset)
                    .with_epoch(snapshot.epoch);
            }
        }
        theirs
    };
    let their_topic = |topic: &Topic<FetchedPartition>| {
        let theirs = kp_fetch::FetchableTopicResponse::default()
            .with_partitions(topic.partitions.iter().map(their_partition).collect());
        match version {
            13.. => theirs.with_topic_id(Uuid::from_bytes(topic.id)),
            _ => theirs.with_topic(topic_name(&topic.name)),
        }
    };
    let mut theirs = KpFetchResponse::default()
        .with_throttle_time_ms(head.throttle_time_ms)
        .with_error_code(head.error_code)
        .with_session_id(head.session_id)
        .with_responses(topics.iter().map(their_topic).collect());
    if version >= 16 {
        let node = |node: &Endpoint| {
            kp_fetch::NodeEndpoint::default()
                .with_node_id(broker(node.node_id))
                .with_host(text(&node.host))
                .with_port(node.port)
                .with_rack(node.rack.as_deref().map(text))
        };
        theirs.node_endpoints = nodes.iter().map(node).collect();
    }
    let expected = their_frame(
        head.correlation_id,
        fetch::is_flexible(version),
        &theirs,
        version,
    );
    assert_eq!(fill_gaps(&ours, &gaps, &files)[3..], expected);
}

fn check_list_offsets(seed: u64, version: i16) {
    let mut random = Random::new(seed);
    let random = &mut random;
    let partition = |random: &mut Random| ListOffsetsPartitionResponse {
        index: random.i32(),
        error_code: random.i16(),
        timestamp: random.i64(),
        offset: random.i64(),
        leader_epoch: if version >= 4 { random.i32() } else { -1 },
    };
    let topics = random.list(3, |random| Topic::random(random, partition));
    let (correlation_id, throttle_time_ms) = (random.i32(), random.i32());

    let mut ours = Vec::new();
    let mut writer = ListOffsetsResponseWriter::begin(
        &mut ours,
        version,
        correlation_id,
        throttle_time_ms,
        topics.len(),
    );
    for topic in &topics {
        writer.topic(&topic.name, topic.partitions.len());
        topic
            .partitions
            .iter()
            .for_each(|partition| writer.partition(partition));
    }
    writer.finish();

    let their_partition = |partition: &ListOffsetsPartitionResponse| {
        kp_list::ListOffsetsPartitionResponse::default()
            .with_partition_index(partition.index)
            .with_error_code(partition.error_code)
            .with_timestamp(partition.timestamp)
            .with_offset(partition.offset)
            .with_leader_epoch(partition.leader_epoch)
    };
    let their_topic = |topic: &Topic<ListOffsetsPartitionResponse>| {
        kp_list::ListOffsetsTopicResponse::default()
            .with_name(topic_name(&topic.name))
            .with_partitions(topic.partitions.iter().map(their_partition).collect())
    };
    let mut theirs =
        KpListOffsetsResponse::default().with_topics(topics.iter().map(their_topic).collect());
    if version >= 2 {
        theirs.throttle_time_ms = throttle_time_ms;
    }
    let layout = list_offsets_layout(version);
    assert_eq!(
        ours,
        their_frame(
            correlation_id,
            list_offsets::is_flexible(version),
            &theirs,
            layout
        )
    );
}

proptest! {
    #[test]
    fn produce_responses_equal_the_other_codec(seed: u64) {
        PRODUCE_VERSIONS.for_each(|version| check_produce(seed, version));
    }

    #[test]
    fn fetch_responses_equal_the_other_codec(seed: u64) {
        FETCH_VERSIONS.for_each(|version| check_fetch(seed, version));
    }

    #[test]
    fn list_offsets_responses_equal_the_other_codec(seed: u64) {
        LIST_OFFSETS_VERSIONS.for_each(|version| check_list_offsets(seed, version));
    }
}
