//! Hostile bytes, giants that are only announced, silence: each ends its own connection and costs the others nothing.

mod support;

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse, ProduceResponse};
use millrace_host::Instant;
use millrace_record::{BatchBuilder, Compression};
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;
use support::{
    TOPIC, TestBroker, WAIT, batch, fetch_request, framed, name, produce_request, request_frame,
    topic_config,
};

/// A little fewer than one request may name.
const MANY_PARTITIONS: i32 = 190_000;

#[test]
fn hostile_frames_end_their_connection_and_nothing_else() {
    let broker = TestBroker::start();
    let mut bystander = broker.client();
    let size = |size: i32| size.to_be_bytes().to_vec();
    let produce = request_frame(
        0,
        9,
        1,
        &produce_request(9, 1, vec![(0, Some(batch(&["a"])))]),
    );
    let hostile = [
        ("BadFrameNegativeLength", size(-5)),
        ("BadFrameTooShort", size(3)),
        ("BadFrameTooLarge", size(200 << 20)),
        (
            "BadFrameUnknownApiKey",
            framed(&[0, 99, 0, 0, 0, 0, 0, 1, 0xff, 0xff]),
        ),
        (
            "BadFrameUnknownApiKey",
            framed(&[0xff, 0xff, 0, 0, 0, 0, 0, 1, 0xff, 0xff]),
        ),
        (
            "BadFrameUnsupportedVersion",
            framed(&[0, 0, 0, 2, 0, 0, 0, 1, 0xff, 0xff]),
        ),
        (
            "BadFrameUnsupportedVersion",
            framed(&[0, 1, 0, 99, 0, 0, 0, 1, 0xff, 0xff]),
        ),
        (
            "BadFrameBody",
            framed(&[0, 0, 0, 9, 0, 0, 0, 1, 0x7f, 0xff, 1, 2]),
        ),
        ("BadFrameBody", framed(&produce[..produce.len() - 3])),
    ];
    for (metric, bytes) in hostile {
        let before = broker.metric(metric);
        let mut client = broker.client();
        client.stream.write_all(&bytes).expect("the broker reads");
        assert!(client.is_closed(), "{metric} closes");
        assert_eq!(broker.metric(metric), before + 1.0);
    }
    assert_eq!(bystander.produce(0, batch(&["still here"])).0, 0);
    broker.stop();
}

#[test]
fn every_cut_of_a_request_is_harmless() {
    let broker = TestBroker::start();
    let frame = framed(&request_frame(
        0,
        9,
        1,
        &produce_request(9, 1, vec![(0, Some(batch(&["cut"])))]),
    ));
    for len in 0..frame.len() {
        let mut stream = TcpStream::connect(broker.address).expect("the broker listens");
        stream.write_all(&frame[..len]).expect("the broker reads");
    }
    let mut client = broker.client();
    assert_eq!(client.produce(0, batch(&["whole"])), (0, 0));
    let until = Instant::now() + WAIT;
    while broker.metric("ConnectionCount") > 1.0 {
        assert!(Instant::now() < until, "closed connections go");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(broker.metric("BadFrameTruncated"), frame.len() as f64 - 1.0);
    broker.stop();
}

#[test]
fn an_announced_giant_costs_no_memory_until_it_is_sent() {
    let broker = TestBroker::start_with(
        |options| options.queued_max_request_bytes = 8 << 20,
        topic_config(),
    );
    let giants: Vec<_> = (0..300)
        .map(|_| {
            let mut client = broker.client();
            client
                .stream
                .write_all(&(100i32 << 20).to_be_bytes())
                .expect("the broker reads");
            client
        })
        .collect();
    let mut client = broker.client();
    assert_eq!(client.produce(0, batch(&["small"])).0, 0);
    drop(giants);
    broker.stop();
}

#[test]
fn mutated_requests_never_stop_the_broker() {
    let broker = TestBroker::start();
    let seeds = [
        request_frame(
            0,
            9,
            1,
            &produce_request(9, 1, vec![(0, Some(batch(&["a", "b"]))), (1, None)]),
        ),
        request_frame(
            0,
            13,
            1,
            &produce_request(13, -1, vec![(2, Some(batch(&["a"])))]),
        ),
        request_frame(1, 12, 1, &fetch_request(12, &[(0, 0), (1, 0)])),
        request_frame(1, 17, 1, &fetch_request(17, &[(0, 0)])),
        request_frame(1, 4, 1, &fetch_request(4, &[(3, 0)])),
    ];
    // A small generator of our own: the same bytes in every run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % limit as u64) as usize
    };
    for round in 0..3_000 {
        let mut frame = seeds[round % seeds.len()].clone();
        for _ in 0..=next(4) {
            let at = next(frame.len());
            match next(4) {
                0 => frame[at] = next(256) as u8,
                1 => frame[at] ^= 1 << next(8),
                2 => frame.truncate(at.max(8)),
                _ => frame.insert(at, next(256) as u8),
            }
        }
        let mut stream = TcpStream::connect(broker.address).expect("the broker listens");
        // The broker may close before everything is written.
        let _ = stream.write_all(&framed(&frame));
    }
    assert_eq!(broker.metric("ThreadPanicsTotal"), 0.0);
    let mut client = broker.client();
    assert_eq!(client.produce(0, batch(&["alive"])).0, 0);
    broker.stop();
}

#[test]
fn silent_and_stuck_connections_are_closed() {
    let adjust = |options: &mut millrace_broker::BrokerOptions| {
        options.connections_max_idle_ms = 1_000;
        options.max_connections = 2;
    };
    let broker = TestBroker::start_with(adjust, topic_config());
    let (mut silent, _second, mut third) = (broker.client(), broker.client(), broker.client());
    assert!(third.is_closed(), "over max.connections");
    assert!(silent.is_closed(), "idle for too long");
    broker.stop();
}

#[test]
fn offsets_of_very_many_partitions_cost_no_more_than_their_number() {
    let broker = TestBroker::start();
    let mut client = broker.client();
    let asked = (0..MANY_PARTITIONS).map(|index| {
        ListOffsetsPartition::default()
            .with_partition_index(index / 2 * 2)
            .with_timestamp(-1)
            .with_current_leader_epoch(-1)
    });
    let unique = ListOffsetsPartition::default()
        .with_partition_index(1)
        .with_timestamp(-1);
    let topic = ListOffsetsTopic::default()
        .with_name(name(TOPIC).into())
        .with_partitions(asked.chain([unique]).collect());
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_topics(vec![topic]);
    let started = Instant::now();
    let answer: ListOffsetsResponse = client.ask(2, 7, &request);
    assert!(
        Instant::now() - started < WAIT / 2,
        "{:?}",
        Instant::now() - started
    );
    let answered = &answer.topics[0].partitions;
    assert_eq!(answered.len(), MANY_PARTITIONS as usize + 1);
    // Named twice, each time an error; named once, an answer.
    assert_eq!(answered[0].error_code, 42);
    assert_eq!(answered[1].error_code, 42);
    assert_eq!(answered[MANY_PARTITIONS as usize].error_code, 0);
    broker.stop();
}

#[test]
fn very_many_records_without_a_key_are_not_all_named() {
    let mut config = topic_config();
    config.log.compacted = true;
    let broker = TestBroker::start_with(|_| {}, config);
    let mut client = broker.client();
    let mut builder = BatchBuilder::new();
    builder.compression(Some(Compression::Zstd));
    for _ in 0..100_000 {
        builder.append(1, None, None, &[]);
    }
    let batch = builder.build();
    let twice = produce_request(9, 1, vec![(0, Some(batch.clone())), (1, Some(batch))]);
    let answer: ProduceResponse = client.ask(0, 9, &twice);
    let answered = &answer.responses[0].partition_responses;
    assert!(answered.iter().all(|part| part.error_code == 87));
    let named: usize = answered.iter().map(|part| part.record_errors.len()).sum();
    assert!((1..10_000).contains(&named), "{named}");
    // Whichever was looked at first took the room.
    let mut errors = answered.iter().flat_map(|part| &part.record_errors);
    assert_eq!(errors.next().map(|error| error.batch_index), Some(0));
    broker.stop();
}

#[test]
fn very_many_bad_batches_cost_no_more_than_their_number() {
    let broker = TestBroker::start();
    let mut client = broker.client();
    let bad = (0..MANY_PARTITIONS).map(|_| (0, Some(vec![0])));
    let request = produce_request(9, 1, bad.collect());
    let started = Instant::now();
    let answer: ProduceResponse = client.ask(0, 9, &request);
    assert!(
        Instant::now() - started < WAIT / 2,
        "{:?}",
        Instant::now() - started
    );
    let answered = &answer.responses[0].partition_responses;
    assert_eq!(answered.len(), MANY_PARTITIONS as usize);
    assert!(answered.iter().all(|part| part.error_message.is_some()));
    broker.stop();
}
