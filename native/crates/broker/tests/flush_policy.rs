//! What each `flush.policy` and the flush settings of Kafka make a producer and a reader wait for, seen from outside.

mod support;

use kafka_protocol::messages::ProduceResponse;
use millrace_broker::{FlushPolicy, TopicConfig};
use millrace_host::Instant;
use std::time::Duration;
use support::{
    Client, TestBroker, WAIT, batch, fetch_request, fetched, flush, produce_request, topic_config,
};

fn config(policy: FlushPolicy) -> TopicConfig {
    TopicConfig {
        flush: flush(policy),
        ..topic_config()
    }
}

fn start(config: TopicConfig) -> (TestBroker, Client) {
    let broker = TestBroker::start_with(|_| {}, config);
    let client = broker.client();
    (broker, client)
}

fn produce(client: &mut Client, acks: i16) -> i64 {
    let request = produce_request(9, acks, vec![(0, Some(batch(&["a"])))]);
    let answer: ProduceResponse = client.ask(0, 9, &request);
    let answer = &answer.responses[0].partition_responses[0];
    assert_eq!(answer.error_code, 0);
    answer.base_offset
}

fn syncs(broker: &TestBroker) -> f64 {
    broker.metric("SyncsTotal")
}

fn wait_for_syncs(broker: &TestBroker, count: f64) {
    let started = Instant::now();
    while syncs(broker) < count {
        assert!(Instant::now() - started < WAIT, "no sync came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn sync_waits_for_the_disk_with_acks_all_only() {
    let (broker, mut client) = start(config(FlushPolicy::Sync));
    for round in 0..10 {
        assert_eq!(produce(&mut client, 1), 2 * round);
        assert_eq!(
            syncs(&broker),
            round as f64,
            "acks=1 asks nothing of the disk"
        );
        assert_eq!(produce(&mut client, -1), 2 * round + 1);
        assert_eq!(syncs(&broker), round as f64 + 1.0);
    }
    broker.stop();
}

#[test]
fn replicated_never_syncs_for_an_acknowledgement() {
    let (broker, mut client) = start(config(FlushPolicy::Replicated));
    for round in 0..10 {
        assert_eq!(produce(&mut client, -1), round);
    }
    assert_eq!(syncs(&broker), 0.0);
    broker.stop();
}

#[test]
fn relaxed_syncs_in_the_background_by_age_and_by_bytes() {
    let (broker, mut client) = start(config(FlushPolicy::Relaxed));
    produce(&mut client, -1);
    wait_for_syncs(&broker, 1.0);
    let large = "x".repeat(200 * 1024);
    let before = syncs(&broker);
    for _ in 0..4 {
        assert_eq!(client.produce(0, batch(&[&large])).0, 0);
    }
    wait_for_syncs(&broker, before + 1.0);
    broker.stop();
}

#[test]
fn flush_ms_syncs_what_nobody_waits_for() {
    let mut config = config(FlushPolicy::Replicated);
    config.flush.ms = 20;
    let (broker, mut client) = start(config);
    produce(&mut client, 1);
    wait_for_syncs(&broker, 1.0);
    broker.stop();
}

#[test]
fn flush_messages_syncs_before_the_acknowledgement_of_every_third_record() {
    let mut config = config(FlushPolicy::Replicated);
    config.flush.messages = 3;
    let (broker, mut client) = start(config);
    for round in 1..=9 {
        produce(&mut client, 1);
        assert_eq!(syncs(&broker), f64::from(round / 3));
    }
    broker.stop();
}

#[test]
fn a_connection_hears_in_order_while_later_requests_are_appended() {
    let (broker, mut client) = start(config(FlushPolicy::Sync));
    for index in 0..200 {
        let acks = if index % 3 == 0 { 1 } else { -1 };
        let partition = index % 4;
        client.send(
            0,
            9,
            &produce_request(9, acks, vec![(partition, Some(batch(&["a", "b"])))]),
        );
    }
    for index in 0..200 {
        let (correlation_id, answer) = client.receive::<ProduceResponse>(9);
        let partition = &answer.responses[0].partition_responses[0];
        assert_eq!(correlation_id, index + 1);
        assert_eq!(
            (partition.index, partition.error_code, partition.base_offset),
            (index % 4, 0, i64::from(index / 4 * 2))
        );
    }
    assert!(
        syncs(&broker) < 150.0,
        "requests that came during a sync share the next"
    );
    broker.stop();
}

#[test]
fn readers_see_a_record_when_its_producer_is_told() {
    let (broker, mut client) = start(config(FlushPolicy::Sync));
    let mut reader = broker.client();
    for round in 0..50 {
        assert_eq!(client.produce(0, batch(&["a"])), (0, round));
        let answer = reader.fetch(12, &fetch_request(12, &[(0, round)]));
        assert_eq!(fetched(&answer, 0), [(round, "a".to_string())]);
    }
    // A reader that waits is woken by the sync, not by its time running out.
    for round in 50..60 {
        let mut waiting = fetch_request(12, &[(0, round)]);
        waiting.max_wait_ms = 60_000;
        reader.send(1, 12, &waiting);
        client.produce(0, batch(&["b"]));
        let (_, answer) = reader.receive::<kafka_protocol::messages::FetchResponse>(12);
        assert_eq!(fetched(&answer, 0), [(round, "b".to_string())]);
    }
    broker.stop();
}
