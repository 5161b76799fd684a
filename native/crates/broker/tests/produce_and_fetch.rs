//! Producing and fetching over real sockets, through an independent codec, in every version.

mod support;

use kafka_protocol::messages::{FetchResponse, ProduceResponse};
use millrace_host::Instant;
use std::time::Duration;
use support::{
    TOPIC_ID, TestBroker, batch, fetch_request, fetched, idempotent_batch, produce_request,
    topic_config,
};

#[test]
fn what_is_produced_is_fetched_in_every_version() {
    let broker = TestBroker::start();
    let mut client = broker.client();
    for version in 3..=13 {
        let request = produce_request(version, 1, vec![(0, Some(batch(&["a", "b"])))]);
        let answer: ProduceResponse = client.ask(0, version, &request);
        let answer = &answer.responses[0].partition_responses[0];
        assert_eq!(
            (answer.error_code, answer.base_offset),
            (0, i64::from(version - 3) * 2),
            "version {version}"
        );
    }
    for version in 4..=18 {
        let answer = client.fetch(version, &fetch_request(version, &[(0, 19)]));
        // The batch that holds offset 19 begins at 18.
        let expected = [(18, "a"), (19, "b"), (20, "a"), (21, "b")]
            .map(|(offset, value)| (offset, value.to_string()));
        assert_eq!(fetched(&answer, 0), expected, "version {version}");
        let partition = &answer.responses[0].partitions[0];
        assert_eq!(
            (partition.high_watermark, partition.last_stable_offset),
            (22, 22)
        );
        assert_eq!(partition.aborted_transactions, None);
    }
    broker.stop();
}

#[test]
fn large_batches_come_back_byte_for_byte() {
    let broker = TestBroker::start();
    let mut client = broker.client();
    let value = "x".repeat(300_000);
    for index in 0..8 {
        let tagged = format!("{index}{value}");
        assert_eq!(client.produce(1, batch(&[&tagged])), (0, index));
    }
    let answer = client.fetch(12, &fetch_request(12, &[(1, 0), (0, 0)]));
    let got = fetched(&answer, 1);
    assert_eq!(got.len(), 3, "partition limit of 1 MiB");
    for (index, (offset, text)) in got.iter().enumerate() {
        assert_eq!(*offset, index as i64);
        assert_eq!(*text, format!("{index}{value}"));
    }
    let mut tiny = fetch_request(12, &[(1, 5)]);
    tiny.max_bytes = 1;
    assert_eq!(
        fetched(&client.fetch(12, &tiny), 1).len(),
        1,
        "one batch although it is larger than the limit"
    );
    broker.stop();
}

#[test]
fn each_mistake_gets_its_error_code() {
    let broker = TestBroker::start();
    let mut client = broker.client();
    let mut corrupt = batch(&["a"]);
    let last = corrupt.len() - 1;
    corrupt[last] ^= 1;
    let two = [batch(&["a"]), batch(&["b"])].concat();
    let large = "x".repeat(1_100_000);
    for (partition, bytes, error_code) in [
        (0, Some(corrupt), 2),
        (0, Some(two), 87),
        (0, Some(batch(&[&large])), 10),
        (9, Some(batch(&["a"])), 3),
        (-1, Some(batch(&["a"])), 3),
        (0, None, 87),
        (0, Some(vec![]), 87),
    ] {
        let answer: ProduceResponse =
            client.ask(0, 9, &produce_request(9, -1, vec![(partition, bytes)]));
        let answer = &answer.responses[0].partition_responses[0];
        assert_eq!(
            (
                answer.error_code,
                answer.base_offset,
                answer.log_append_time_ms,
                answer.log_start_offset
            ),
            (error_code, -1, -1, -1)
        );
    }
    let answer: ProduceResponse =
        client.ask(0, 9, &produce_request(9, 7, vec![(0, Some(batch(&["a"])))]));
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 21);
    let mut by_id = produce_request(13, 1, vec![(0, Some(batch(&["a"])))]);
    by_id.topic_data[0].topic_id = vec![9; 16].try_into().expect("16 bytes");
    let answer: ProduceResponse = client.ask(0, 13, &by_id);
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 100);
    // Nothing of all that was written, and the connection is as good as before.
    assert_eq!(client.produce(0, batch(&["good"])), (0, 0));
    broker.stop();
}

#[test]
fn a_fetch_waits_for_records_and_is_woken_by_them() {
    let broker = TestBroker::start();
    let (mut reader, mut writer) = (broker.client(), broker.client());
    let mut request = fetch_request(12, &[(0, 0), (3, 0)]);
    request.max_wait_ms = 8_000;
    reader.send(1, 12, &request);
    std::thread::sleep(Duration::from_millis(100));
    let started = Instant::now();
    assert_eq!(writer.produce(3, batch(&["late"])), (0, 0));
    let (_, answer) = reader.receive::<FetchResponse>(12);
    assert!(
        (Instant::now() - started) < Duration::from_secs(2),
        "woken, not timed out"
    );
    assert_eq!(fetched(&answer, 3), [(0, "late".to_string())]);
    broker.stop();
}

#[test]
fn a_fetch_waits_no_longer_than_it_asked_and_for_as_much_as_it_asked() {
    let broker = TestBroker::start();
    let mut client = broker.client();
    let one = batch(&["some bytes"]);
    let one_bytes = one.len() as i32;
    let mut request = fetch_request(12, &[(0, 0)]);
    request.max_wait_ms = 150;
    let started = Instant::now();
    let answer = client.fetch(12, &request);
    assert!((Instant::now() - started) >= Duration::from_millis(140));
    assert_eq!(fetched(&answer, 0), []);
    let mut reader = broker.client();
    request.max_wait_ms = 8_000;
    request.min_bytes = 2 * one_bytes;
    reader.send(1, 12, &request);
    std::thread::sleep(Duration::from_millis(50));
    client.produce(0, one.clone());
    std::thread::sleep(Duration::from_millis(100));
    let started = Instant::now();
    client.produce(0, one);
    let (_, answer) = reader.receive::<FetchResponse>(12);
    assert!((Instant::now() - started) < Duration::from_secs(2));
    assert_eq!(fetched(&answer, 0).len(), 2);
    broker.stop();
}

#[test]
fn fetch_errors_still_say_where_the_log_is() {
    let broker = TestBroker::start();
    let mut client = broker.client();
    client.produce(0, batch(&["a", "b"]));
    let mut request = fetch_request(12, &[(0, 99)]);
    request.max_wait_ms = 8_000;
    let answer = client.fetch(12, &request);
    let partition = &answer.responses[0].partitions[0];
    assert_eq!(
        (
            partition.error_code,
            partition.high_watermark,
            partition.log_start_offset
        ),
        (1, 2, 0)
    );
    let mut request = fetch_request(12, &[(0, 0)]);
    request.topics[0].partitions[0].current_leader_epoch = 5;
    assert_eq!(
        client.fetch(12, &request).responses[0].partitions[0].error_code,
        75
    );
    let mut request = fetch_request(13, &[(0, 0)]);
    request.topics[0].topic_id = vec![9; 16].try_into().expect("16 bytes");
    let answer = client.fetch(13, &request);
    let partition = &answer.responses[0].partitions[0];
    assert_eq!(
        (
            answer.error_code,
            partition.error_code,
            partition.high_watermark
        ),
        (0, 100, -1)
    );
    let mut request = fetch_request(12, &[(0, 0)]);
    request.replica_id = 2.into();
    assert_eq!(
        client.fetch(12, &request).responses[0].partitions[0].error_code,
        9
    );
    broker.stop();
}

#[test]
fn sessions_leave_out_what_did_not_change() {
    let broker = TestBroker::start();
    let mut client = broker.client();
    client.produce(0, batch(&["a"]));
    let mut request = fetch_request(12, &[(0, 0), (1, 0), (2, 0)]);
    request.session_epoch = 0;
    let answer = client.fetch(12, &request);
    let session_id = answer.session_id;
    assert!(session_id > 0);
    assert_eq!(answer.responses[0].partitions.len(), 3);
    // Only what moved: partition 0 goes on behind its record.
    let mut request = fetch_request(12, &[(0, 1)]);
    (request.session_id, request.session_epoch) = (session_id, 1);
    assert!(client.fetch(12, &request).responses.is_empty());
    client.produce(2, batch(&["b"]));
    let mut request = fetch_request(12, &[]);
    (request.session_id, request.session_epoch) = (session_id, 2);
    // Another connection, perhaps on another thread, continues the session.
    let answer = broker.client().fetch(12, &request);
    assert_eq!(
        (answer.session_id, answer.responses[0].partitions.len()),
        (session_id, 1)
    );
    assert_eq!(fetched(&answer, 2), [(0, "b".to_string())]);
    request.session_epoch = 2;
    assert_eq!(client.fetch(12, &request).error_code, 71);
    request.session_id = session_id + 1;
    assert_eq!(client.fetch(12, &request).error_code, 70);
    let mut request = fetch_request(13, &[]);
    (request.session_id, request.session_epoch) = (session_id, 3);
    assert_eq!(client.fetch(13, &request).error_code, 106);
    let mut request = fetch_request(12, &[]);
    (request.session_id, request.session_epoch) = (session_id, -1);
    assert_eq!(client.fetch(12, &request).session_id, 0);
    assert_eq!(broker.metric("FetchSessionCount"), 0.0);
    broker.stop();
}

#[test]
fn offsets_are_found_by_name_and_by_time() {
    let broker = TestBroker::start();
    let mut client = broker.client();
    client.produce(0, batch(&["a", "b", "c"]));
    assert_eq!(client.list_offset(0, -1), (0, -1, 3));
    assert_eq!(client.list_offset(0, -2), (0, -1, 0));
    assert_eq!(client.list_offset(0, -3), (0, 1_002, 2));
    assert_eq!(client.list_offset(0, 1_001), (0, 1_001, 1));
    assert_eq!(client.list_offset(0, 5_000), (0, -1, -1));
    assert_eq!(client.list_offset(0, -4).0, 35, "version 8 brought it");
    assert_eq!(client.list_offset(8, -1).0, 3);
    assert_eq!(broker.broker.delete_records(&TOPIC_ID, 0, 2), Ok(2));
    assert_eq!(client.list_offset(0, -2), (0, -1, 2));
    assert_eq!(
        client.fetch(12, &fetch_request(12, &[(0, 0)])).responses[0].partitions[0].error_code,
        1
    );
    broker.stop();
}

#[test]
fn a_resent_batch_is_written_once() {
    let broker = TestBroker::start();
    let mut client = broker.client();
    assert_eq!(
        client.produce(0, idempotent_batch(5, 0, &["a", "b"])),
        (0, 0)
    );
    assert_eq!(client.produce(0, idempotent_batch(5, 2, &["c"])), (0, 2));
    assert_eq!(
        client.produce(0, idempotent_batch(5, 0, &["a", "b"])),
        (0, 0)
    );
    assert_eq!(
        client.produce(0, idempotent_batch(5, 9, &["gap"])),
        (45, -1)
    );
    // The same batch twice in one read of the socket.
    let twice = |correlation_id| {
        support::framed(&support::request_frame(
            0,
            9,
            correlation_id,
            &produce_request(9, 1, vec![(0, Some(idempotent_batch(5, 3, &["d"])))]),
        ))
    };
    std::io::Write::write_all(&mut client.stream, &[twice(71), twice(72)].concat())
        .expect("the broker reads");
    for correlation_id in [71, 72] {
        let (answered, answer) = client.receive::<ProduceResponse>(9);
        let partition = &answer.responses[0].partition_responses[0];
        assert_eq!(
            (answered, partition.error_code, partition.base_offset),
            (correlation_id, 0, 3)
        );
    }
    assert_eq!(client.list_offset(0, -1).2, 4);
    broker.stop();
}

#[test]
fn synced_topics_are_acknowledged_after_the_disk() {
    let mut config = topic_config();
    config.flush.messages = 1;
    let broker = TestBroker::start_with(|_| {}, config);
    let mut client = broker.client();
    for index in 0..20 {
        client.send(
            0,
            9,
            &produce_request(9, -1, vec![(index % 4, Some(batch(&["a"])))]),
        );
    }
    for index in 0..20 {
        let (_, answer) = client.receive::<ProduceResponse>(9);
        let partition = &answer.responses[0].partition_responses[0];
        assert_eq!(
            (partition.index, partition.error_code, partition.base_offset),
            (index % 4, 0, i64::from(index / 4))
        );
    }
    broker.stop();
}

#[test]
fn records_that_cannot_be_read_end_the_connection_without_half_an_answer() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let broker = TestBroker::open(dir.path(), |_| {}, topic_config());
    let mut client = broker.client();
    client.produce(0, batch(&["a"]));
    let segment = dir.path().join("events-0/00000000000000000000.log");
    std::fs::OpenOptions::new()
        .write(true)
        .open(segment)
        .and_then(|file| file.set_len(10))
        .expect("cut by somebody else");
    client.send(1, 12, &fetch_request(12, &[(0, 0)]));
    assert!(client.is_closed(), "no byte comes before the end");
}
