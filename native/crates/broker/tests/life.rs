//! Restarts, topics that come and go, and appends of the control plane.

mod support;

use millrace_broker::{Broker, BrokerOptions, Delta, ListenAddress};
use std::time::Duration;
use support::{
    TOPIC, TOPIC_ID, TestBroker, batch, fetch_request, fetched, idempotent_batch, published,
    topic_config,
};

#[test]
fn a_clean_restart_keeps_records_and_producers() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let broker = TestBroker::open(dir.path(), |_| {}, topic_config());
    let mut client = broker.client();
    client.produce(0, idempotent_batch(5, 0, &["a", "b"]));
    client.produce(1, batch(&["c"]));
    broker.stop();
    drop(broker);
    assert!(dir.path().join(".kafka_cleanshutdown").exists());
    let broker = TestBroker::open(dir.path(), |_| {}, topic_config());
    assert!(!dir.path().join(".kafka_cleanshutdown").exists());
    let mut client = broker.client();
    let answer = client.fetch(12, &fetch_request(12, &[(0, 0), (1, 0)]));
    assert_eq!(
        (fetched(&answer, 0).len(), fetched(&answer, 1).len()),
        (2, 1)
    );
    assert_eq!(
        client.produce(0, idempotent_batch(5, 0, &["a", "b"])),
        (0, 0),
        "still known as a duplicate"
    );
    assert_eq!(client.produce(0, idempotent_batch(5, 2, &["d"])), (0, 2));
    broker.stop();
}

#[test]
fn after_an_unclean_stop_what_was_written_is_found_again() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let broker = TestBroker::open(dir.path(), |_| {}, topic_config());
    let mut client = broker.client();
    client.produce(0, idempotent_batch(5, 0, &["a", "b"]));
    client.produce(0, batch(&["c"]));
    broker.stop();
    drop(broker);
    std::fs::remove_file(dir.path().join(".kafka_cleanshutdown"))
        .expect("written by the clean stop");
    std::fs::remove_file(dir.path().join("recovery-point-offset-checkpoint"))
        .expect("written by the clean stop");
    // What a write that was cut off leaves behind.
    let segment = dir
        .path()
        .join(format!("{TOPIC}-0"))
        .join("00000000000000000000.log");
    let mut bytes = std::fs::read(&segment).expect("the segment");
    bytes.extend_from_slice(&batch(&["torn"])[..40]);
    std::fs::write(&segment, bytes).expect("the segment");
    let broker = TestBroker::open(dir.path(), |_| {}, topic_config());
    let mut client = broker.client();
    assert_eq!(
        fetched(&client.fetch(12, &fetch_request(12, &[(0, 0)])), 0).len(),
        3
    );
    assert_eq!(
        client.produce(0, idempotent_batch(5, 0, &["a", "b"])),
        (0, 0),
        "still known as a duplicate"
    );
    assert_eq!(client.produce(0, idempotent_batch(5, 2, &["d"])), (0, 3));
    broker.stop();
}

#[test]
fn the_directory_of_an_earlier_topic_of_the_same_name_is_set_aside() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let broker = TestBroker::open(dir.path(), |_| {}, topic_config());
    broker.client().produce(0, batch(&["old"]));
    broker.stop();
    drop(broker);
    let metadata = dir
        .path()
        .join(format!("{TOPIC}-0"))
        .join("partition.metadata");
    let text = std::fs::read_to_string(&metadata).expect("partition.metadata");
    std::fs::write(
        &metadata,
        text.replace("BwcHBwcHBwcHBwcHBwcHBw", "CAgICAgICAgICAgICAgICA"),
    )
    .expect("partition.metadata");
    let broker = TestBroker::open(dir.path(), |_| {}, topic_config());
    assert_eq!(broker.client().produce(0, batch(&["new"])), (0, 0));
    let names: Vec<_> = std::fs::read_dir(dir.path())
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert!(
        names
            .iter()
            .any(|name| name.to_string_lossy().ends_with("-stray")),
        "{names:?}"
    );
    broker.stop();
}

#[test]
fn a_second_broker_is_kept_out() {
    let broker = TestBroker::start();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = BrokerOptions {
        log_dirs: vec![dir.path().to_path_buf()],
        ..BrokerOptions::default()
    };
    let (first, second) = (
        Broker::new(options.clone(), Box::new(|| {})),
        Broker::new(options, Box::new(|| {})),
    );
    let (first, second) = (first.expect("good options"), second.expect("good options"));
    first.open().expect("the directory is free");
    assert_eq!(
        second.open().expect_err("the directory is taken").code,
        "LOCKED"
    );
    first.close().expect("a clean close");
    second.open().expect("the directory is free again");
    let taken = [ListenAddress {
        name: "PLAINTEXT".into(),
        host: "127.0.0.1".into(),
        port: broker.address.port(),
    }];
    assert_eq!(
        second.bind(&taken).expect_err("the port is taken").code,
        "EADDRINUSE"
    );
    broker.stop();
}

#[test]
fn a_deleted_topic_is_gone_and_its_name_can_be_used_again() {
    let broker = TestBroker::start();
    let mut client = broker.client();
    client.produce(0, batch(&["old"]));
    let mut waiting = broker.client();
    let mut request = fetch_request(12, &[(1, 0)]);
    request.max_wait_ms = 60_000;
    waiting.send(1, 12, &request);
    std::thread::sleep(Duration::from_millis(100));
    let delta = Delta {
        topics: vec![],
        deleted_topic_ids: vec![TOPIC_ID],
    };
    assert_eq!(broker.broker.publish(&delta).expect("open"), []);
    let (_, answer) = waiting.receive::<kafka_protocol::messages::FetchResponse>(12);
    assert_eq!(answer.responses[0].partitions[0].error_code, 3);
    assert_eq!(client.produce(0, batch(&["nowhere"])).0, 3);
    let delta = Delta {
        topics: vec![published(TOPIC, [8; 16], 2, topic_config())],
        deleted_topic_ids: vec![],
    };
    assert_eq!(broker.broker.publish(&delta).expect("open"), []);
    assert_eq!(client.produce(0, batch(&["new"])), (0, 0));
    assert_eq!(
        fetched(&client.fetch(12, &fetch_request(12, &[(0, 0)])), 0),
        [(0, "new".to_string())]
    );
    broker.stop();
}

#[test]
fn a_topic_may_grow() {
    let broker = TestBroker::start();
    let mut client = broker.client();
    client.produce(0, batch(&["a"]));
    assert_eq!(client.produce(6, batch(&["b"])).0, 3);
    let delta = Delta {
        topics: vec![published(TOPIC, TOPIC_ID, 8, topic_config())],
        deleted_topic_ids: vec![],
    };
    assert_eq!(broker.broker.publish(&delta).expect("open"), []);
    assert_eq!(client.produce(6, batch(&["b"])), (0, 0));
    assert_eq!(client.list_offset(0, -1).2, 1);
    broker.stop();
}

#[test]
fn appends_of_the_control_plane_are_answered_in_order() {
    let broker = TestBroker::start();
    let mut tokens: Vec<_> = (0..50)
        .map(|index| {
            broker
                .broker
                .append(&TOPIC_ID, 2, batch(&["x", "y"]), index % 3 == 0)
        })
        .collect();
    tokens.push(broker.broker.append(&TOPIC_ID, 99, batch(&["x"]), true));
    tokens.push(broker.broker.append(&[1; 16], 0, batch(&["x"]), true));
    let mut answers: Vec<_> = tokens
        .iter()
        .map(|_| {
            let event = broker.event_of(2);
            let number =
                |at: usize| i64::from_le_bytes(event[at..at + 8].try_into().expect("8 bytes"));
            (
                number(1) as u64,
                i16::from_le_bytes([event[9], event[10]]),
                number(11),
                number(19),
            )
        })
        .collect();
    answers.sort_unstable();
    for (index, (answer, token)) in answers.iter().zip(&tokens).enumerate() {
        let base_offset = index as i64 * 2;
        let expected = match index {
            50 => (*token, 3, -1, -1),
            51 => (*token, 100, -1, -1),
            _ => (*token, 0, base_offset, base_offset + 1),
        };
        assert_eq!(*answer, expected);
    }
    let read = broker
        .broker
        .read_log(&TOPIC_ID, 2, 98, 1 << 20)
        .expect("readable");
    assert_eq!(support::values(&read).len(), 2);
    broker.stop();
}
