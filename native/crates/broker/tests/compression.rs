//! Topics that ask for more of a batch than its header shows: another codec, keys, times. All of it happens on other threads, and nobody can
//! tell by the order of what comes back.

mod support;

use kafka_protocol::messages::ProduceResponse;
use millrace_broker::TopicConfig;
use millrace_log::LogConfig;
use millrace_record::{
    BatchBuilder, BatchHeader, BatchIter, Compression, TimestampType, TopicCompression,
};
use support::*;

fn config(adjust: impl FnOnce(&mut LogConfig)) -> TopicConfig {
    let mut config = topic_config();
    adjust(&mut config.log);
    config
}

fn to(codec: Compression) -> TopicCompression {
    TopicCompression::Codec { codec, level: None }
}

fn compressed(codec: Option<Compression>, values: &[&str]) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.compression(codec);
    for value in values {
        builder.append(
            1_000,
            Some(b"key"),
            Some(value.as_bytes()),
            &[("h", Some(b"1"))],
        );
    }
    builder.build()
}

fn fetched_bytes(client: &mut Client, offset: i64) -> Vec<u8> {
    let answer = client.fetch(12, &fetch_request(12, &[(0, offset)]));
    let data = &answer.responses[0].partitions[0];
    data.records.as_deref().unwrap_or_default().to_vec()
}

fn headers(bytes: &[u8]) -> Vec<BatchHeader> {
    BatchIter::new(bytes)
        .map(|item| item.expect("whole").0)
        .collect()
}

#[test]
fn batches_are_kept_in_the_codec_of_their_topic() {
    let targets = Compression::ALL.map(to);
    for target in targets.into_iter().chain([TopicCompression::Uncompressed]) {
        let broker = TestBroker::start_with(|_| {}, config(|log| log.compression = target));
        let mut client = broker.client();
        let codecs = [None].into_iter().chain(Compression::ALL.map(Some));
        for (index, codec) in codecs.enumerate() {
            let answer = client.produce(0, compressed(codec, &["a", "b"]));
            assert_eq!(answer, (0, index as i64 * 2));
        }
        let bytes = fetched_bytes(&mut client, 0);
        let expected = match target {
            TopicCompression::Codec { codec, .. } => Some(codec),
            TopicCompression::Producer | TopicCompression::Uncompressed => None,
        };
        assert_eq!(headers(&bytes).len(), 5);
        for header in headers(&bytes) {
            assert_eq!(header.compression(), expected);
        }
        let read: Vec<String> = values(&bytes).into_iter().map(|(_, value)| value).collect();
        assert_eq!(read, ["a", "b"].repeat(5));
        assert_eq!(broker.metric("RecodedBatchesTotal"), 4.0);
        broker.stop();
    }
}

#[test]
fn one_producers_batches_keep_their_order_whichever_way_they_go() {
    const ROUNDS: i32 = 400;
    let broker = TestBroker::start_with(
        |options| options.batch_threads = 3,
        config(|log| log.compression = to(Compression::Zstd)),
    );
    let others: Vec<_> = (0..3).map(|producer| (producer, broker.client())).collect();
    std::thread::scope(|scope| {
        for (producer, mut client) in others {
            scope.spawn(move || {
                let mut sent = Vec::new();
                for round in 0..ROUNDS {
                    // Every third is in the right codec already; some are long in the making.
                    let codec = [None, Some(Compression::Zstd), Some(Compression::Gzip)]
                        [round as usize % 3];
                    let value = "x".repeat(if round % 7 == 0 { 30_000 } else { 10 });
                    let mut builder = BatchBuilder::new();
                    builder
                        .compression(codec)
                        .producer(producer, 0, round)
                        .append(1_000, Some(b"k"), Some(value.as_bytes()), &[]);
                    let request = produce_request(9, -1, vec![(0, Some(builder.build()))]);
                    sent.push(client.send(0, 9, &request));
                    if sent.len() == 5 {
                        take(&mut client, &mut sent);
                    }
                }
                take(&mut client, &mut sent);
            });
        }
    });
    let mut client = broker.client();
    let mut offset = 0;
    let mut next_sequences = [0; 3];
    while offset < i64::from(ROUNDS) * 3 {
        for header in headers(&fetched_bytes(&mut client, offset)) {
            assert_eq!(header.base_offset, offset);
            assert_eq!(header.compression(), Some(Compression::Zstd));
            let next = &mut next_sequences[header.producer_id as usize];
            assert_eq!(header.base_sequence, *next);
            *next += 1;
            offset = header.next_offset();
        }
    }
    assert_eq!(next_sequences, [ROUNDS; 3]);
    broker.stop();
}

fn take(client: &mut Client, sent: &mut Vec<i32>) {
    let mut last_offset = -1;
    for correlation_id in sent.drain(..) {
        let (answered, answer): (i32, ProduceResponse) = client.receive(9);
        assert_eq!(answered, correlation_id, "answers come in order");
        let answer = &answer.responses[0].partition_responses[0];
        assert_eq!(answer.error_code, 0, "no gap in the sequence");
        assert!(answer.base_offset > last_offset);
        last_offset = answer.base_offset;
    }
}

#[test]
fn a_resent_batch_is_recognised_after_it_was_written_anew() {
    let broker =
        TestBroker::start_with(|_| {}, config(|log| log.compression = to(Compression::Lz4)));
    let mut client = broker.client();
    let batch = idempotent_batch(5, 0, &["a", "b"]);
    assert_eq!(client.produce(0, batch.clone()), (0, 0));
    assert_eq!(client.produce(0, batch), (0, 0));
    assert_eq!(
        client.produce(0, idempotent_batch(5, 3, &["gap"])),
        (45, -1)
    );
    assert_eq!(broker.metric("DuplicateBatchesTotal"), 1.0);
    broker.stop();
}

/// Error code, record errors and message of one batch.
fn refused(client: &mut Client, batch: Vec<u8>) -> (i16, Vec<(i32, String)>, String) {
    let answer: ProduceResponse = client.ask(0, 9, &produce_request(9, -1, vec![(0, Some(batch))]));
    let answer = &answer.responses[0].partition_responses[0];
    let errors = answer.record_errors.iter().map(|error| {
        let message = error.batch_index_error_message.as_ref();
        (
            error.batch_index,
            message.map(ToString::to_string).unwrap_or_default(),
        )
    });
    let message = answer.error_message.as_ref().map(ToString::to_string);
    (
        answer.error_code,
        errors.collect(),
        message.unwrap_or_default(),
    )
}

#[test]
fn what_is_wrong_inside_a_compressed_batch_is_named_record_by_record() {
    let broker = TestBroker::start_with(|_| {}, config(|log| log.compacted = true));
    let mut client = broker.client();
    for codec in [None, Some(Compression::Snappy)] {
        let mut builder = BatchBuilder::new();
        builder
            .compression(codec)
            .append(1_000, Some(b"k"), Some(b"v"), &[])
            .append(1_000, None, Some(b"v"), &[])
            .append(1_000, None, Some(b"v"), &[]);
        let (error_code, errors, message) = refused(&mut client, builder.build());
        let indexes: Vec<i32> = errors.iter().map(|(index, _)| *index).collect();
        assert_eq!((error_code, indexes), (87, vec![1, 2]));
        assert!(message.contains("2 record errors"), "{message}");
    }
    assert_eq!(
        client.produce(0, compressed(Some(Compression::Gzip), &["a"])),
        (0, 0)
    );
    broker.stop();

    let broker = TestBroker::start_with(
        |_| {},
        config(|log| log.message_timestamp_before_max_ms = 60_000),
    );
    let mut client = broker.client();
    let now_ms = millrace_host::clock::wall_ms();
    for codec in [None, Some(Compression::Zstd)] {
        let mut builder = BatchBuilder::new();
        builder
            .compression(codec)
            .append(now_ms, None, Some(b"v"), &[])
            .append(now_ms - 100_000, None, Some(b"v"), &[])
            .append(now_ms, None, Some(b"v"), &[]);
        let (error_code, errors, message) = refused(&mut client, builder.build());
        assert_eq!((error_code, errors.len(), errors[0].0), (32, 1, 1));
        assert!(message.contains("invalid timestamp"), "{message}");
        let mut builder = BatchBuilder::new();
        builder
            .compression(codec)
            .append(now_ms, None, Some(b"v"), &[]);
        assert_eq!(refused(&mut client, builder.build()).0, 0);
    }
    broker.stop();
}

#[test]
fn what_becomes_too_large_is_refused() {
    let broker = TestBroker::start_with(
        |_| {},
        config(|log| {
            log.compression = TopicCompression::Uncompressed;
            log.max_message_bytes = 5_000;
        }),
    );
    let mut client = broker.client();
    let large = "x".repeat(10_000);
    let (error_code, _, _) = refused(&mut client, compressed(Some(Compression::Zstd), &[&large]));
    assert_eq!(error_code, 10);
    assert_eq!(client.produce(0, compressed(None, &["small"])), (0, 0));
    broker.stop();
}

#[test]
fn the_brokers_time_is_stamped_on_what_was_written_anew() {
    let broker = TestBroker::start_with(
        |_| {},
        config(|log| {
            log.compression = to(Compression::Zstd);
            log.message_timestamp_type = TimestampType::LogAppendTime;
            log.message_timestamp_before_max_ms = 1;
        }),
    );
    let mut client = broker.client();
    let before_ms = millrace_host::clock::wall_ms();
    let batch = compressed(Some(Compression::Gzip), &["a"]);
    let answer: ProduceResponse = client.ask(0, 9, &produce_request(9, -1, vec![(0, Some(batch))]));
    let answer = &answer.responses[0].partition_responses[0];
    assert!(answer.log_append_time_ms >= before_ms);
    let bytes = fetched_bytes(&mut client, 0);
    let header = headers(&bytes)[0];
    assert!(header.is_log_append_time() && millrace_record::verify_crc(&bytes));
    assert_eq!(header.max_timestamp, answer.log_append_time_ms);
    broker.stop();
}

#[test]
fn batches_without_acknowledgement_take_the_same_way() {
    let broker = TestBroker::start_with(
        |_| {},
        config(|log| log.compression = to(Compression::Gzip)),
    );
    let mut client = broker.client();
    for _ in 0..20 {
        let batch = compressed(None, &["a"]);
        client.send(0, 9, &produce_request(9, 0, vec![(0, Some(batch))]));
    }
    assert_eq!(client.produce(0, compressed(None, &["last"])), (0, 20));
    broker.stop();
}
