//! The job that compacts: which log it takes, what clients read meanwhile and afterwards, what it remembers over a restart.

mod support;

use kafka_protocol::messages::FetchResponse;
use millrace_broker::partition_io::{self, Job};
use millrace_broker::{BrokerError, Delta, FlushPolicy, TopicConfig};
use millrace_log::{CompactionConfig, LogConfig};
use millrace_record::{BatchBuilder, BatchIter, records};
use std::collections::HashMap;
use std::os::unix::fs::FileExt;
use std::path::Path;
use support::*;

const OTHER_ID: [u8; 16] = [8; 16];

fn compacted() -> TopicConfig {
    let config = topic_config();
    TopicConfig {
        log: LogConfig {
            compacted: true,
            segment_bytes: 2_000,
            file_delete_delay_ms: 60_000,
            compaction: CompactionConfig {
                min_cleanable_dirty_ratio: 0.0,
                delete_retention_ms: 0,
                ..CompactionConfig::default()
            },
            ..config.log
        },
        // The cleaner goes no further than the disk does: here each acknowledged record is there.
        flush: flush(FlushPolicy::Sync),
        ..config
    }
}

fn keyed(pairs: &[(String, String)]) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for (key, value) in pairs {
        builder.append(1_000, Some(key.as_bytes()), Some(value.as_bytes()), &[]);
    }
    builder.build()
}

/// Writes `count` records over `keys` keys; returns the newest value of each.
fn fill(client: &mut Client, partition: i32, count: usize, keys: usize) -> HashMap<String, String> {
    let mut newest = HashMap::new();
    for number in 0..count {
        let pair = (
            format!("key-{}", number % keys),
            format!("value {number} {}", "x".repeat(50)),
        );
        let (error_code, _) = client.produce(partition, keyed(std::slice::from_ref(&pair)));
        assert_eq!(error_code, 0);
        newest.insert(pair.0, pair.1);
    }
    newest
}

/// Every record from the start, as a consumer walks over the holes.
fn read_all(client: &mut Client, partition: i32, end_offset: i64) -> Vec<(i64, String, String)> {
    let (mut offset, mut found) = (0, Vec::new());
    while offset < end_offset {
        let answer: FetchResponse = client.fetch(12, &fetch_request(12, &[(partition, offset)]));
        let bytes = answer.responses[0].partitions[0]
            .records
            .clone()
            .expect("records");
        assert!(!bytes.is_empty(), "nothing at {offset} of {end_offset}");
        for item in BatchIter::new(&bytes) {
            let Ok((header, batch)) = item else { break };
            for record in &records(batch).expect("records") {
                let record = record.expect("record");
                if record.offset >= offset {
                    let text = |bytes: Option<&[u8]>| {
                        String::from_utf8(bytes.expect("some").to_vec()).expect("text")
                    };
                    found.push((record.offset, text(record.key), text(record.value)));
                }
            }
            offset = header.next_offset().max(offset);
        }
    }
    found
}

fn run(broker: &TestBroker) -> Result<partition_io::JobFigures, BrokerError> {
    partition_io::run(partition_io::register(&broker.broker), &Job::Compact)
}

fn compact(broker: &TestBroker) -> HashMap<&'static str, f64> {
    run(broker).expect("the job runs").into_iter().collect()
}

fn newest_of(read: &[(i64, String, String)]) -> HashMap<String, String> {
    read.iter()
        .map(|(_, key, value)| (key.clone(), value.clone()))
        .collect()
}

#[test]
fn the_dirtiest_log_is_cleaned_first_and_clients_read_the_newest_of_each_key() {
    let broker = TestBroker::start_with(|_| {}, compacted());
    let mut client = broker.client();
    let little = fill(&mut client, 0, 60, 50);
    let much = fill(&mut client, 1, 300, 5);
    // Both are wholly dirty; once each is clean, the second gets far more new records than the first.
    let first = compact(&broker);
    let second = compact(&broker);
    assert_eq!((first["compacted"], second["compacted"]), (1.0, 1.0));
    assert_eq!(compact(&broker)["compacted"], 0.0);
    let read = read_all(&mut client, 1, 300);
    assert_eq!(newest_of(&read), much);
    assert!(read.len() < 60, "{} records are left of 300", read.len());
    assert_eq!(newest_of(&read_all(&mut client, 0, 60)), little);

    fill(&mut client, 0, 30, 5);
    let much = fill(&mut client, 1, 300, 5);
    let cleaned = compact(&broker);
    assert!(cleaned["recordsRead"] > 200.0);
    assert_eq!(newest_of(&read_all(&mut client, 1, 600)), much);
    assert!(broker.metric("cleaner-recopy-percent") < 50.0);
    assert_eq!(broker.metric("CleanedLogsTotal"), 3.0);
    assert_eq!(broker.metric("uncleanable-partitions-count"), 0.0);
}

#[test]
fn a_checkpoint_keeps_what_is_clean_over_a_restart_and_dies_with_the_topic() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let broker = TestBroker::open(dir.path(), |_| {}, compacted());
    let newest = fill(&mut broker.client(), 0, 200, 10);
    assert_eq!(compact(&broker)["compacted"], 1.0);
    broker.stop();
    let checkpoint = dir.path().join("cleaner-offset-checkpoint");
    let text = std::fs::read_to_string(&checkpoint).expect("a checkpoint");
    assert!(text.starts_with("0\n1\nevents 0 "), "{text}");

    let broker = TestBroker::open(dir.path(), |_| {}, compacted());
    assert_eq!(compact(&broker)["compacted"], 0.0);
    assert_eq!(newest_of(&read_all(&mut broker.client(), 0, 200)), newest);
    broker
        .broker
        .publish(&Delta {
            topics: Vec::new(),
            deleted_topic_ids: vec![TOPIC_ID],
        })
        .expect("deleted");
    // A topic of the same name waits until nothing of the old one is left under that name.
    let again = published(TOPIC, OTHER_ID, 1, compacted());
    broker
        .broker
        .publish(&Delta {
            topics: vec![again],
            deleted_topic_ids: Vec::new(),
        })
        .expect("created again");
    assert_eq!(
        std::fs::read_to_string(&checkpoint).expect("a checkpoint"),
        "0\n0\n"
    );
    broker.stop();
}

fn damage(path: &Path) {
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .expect("a segment");
    let mut byte = [0];
    file.read_exact_at(&mut byte, 90).expect("read");
    file.write_all_at(&[byte[0] ^ 1], 90).expect("write");
}

#[test]
fn a_damaged_log_is_reported_once_and_left_alone_while_others_are_cleaned() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let broker = TestBroker::open(dir.path(), |_| {}, compacted());
    let mut client = broker.client();
    fill(&mut client, 0, 200, 10);
    fill(&mut client, 1, 100, 10);
    damage(&dir.path().join("events-0/00000000000000000000.log"));
    let outcomes: Vec<_> = (0..3).map(|_| run(&broker)).collect();
    let codes: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| outcome.as_ref().err().map(|error| error.code))
        .collect();
    assert_eq!(codes, ["UNCLEANABLE"]);
    assert_eq!(broker.metric("CleanedLogsTotal"), 1.0);
    run(&broker).expect("nothing is due");
    assert_eq!(broker.metric("uncleanable-partitions-count"), 1.0);
    assert!(broker.metric("uncleanable-bytes") > 0.0);
    assert!(
        !dir.path()
            .join("events-0")
            .read_dir()
            .expect("list")
            .any(|entry| {
                entry
                    .expect("entry")
                    .file_name()
                    .to_string_lossy()
                    .ends_with(".cleaned")
            })
    );
    // It still takes and serves records.
    assert_eq!(
        client.produce(0, keyed(&[("key-1".into(), "on".into())])).0,
        0
    );
    broker.stop();
}

#[test]
fn producers_and_readers_go_on_while_logs_are_cleaned() {
    let broker = TestBroker::start_with(|_| {}, compacted());
    let mut newest = HashMap::new();
    let client_of_writer = broker.client();
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let mut client = client_of_writer;
            fill(&mut client, 0, 3_000, 40)
        });
        let mut client = broker.client();
        let mut cleanings = 0;
        while !writer.is_finished() {
            cleanings += compact(&broker)["compacted"] as u32;
            let (_, _, end_offset) = client.list_offset(0, -1);
            let read = read_all(&mut client, 0, end_offset);
            assert!(read.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
        assert!(cleanings > 0);
        newest = writer.join().expect("every record was taken");
    });
    while compact(&broker)["compacted"] == 1.0 {}
    assert_eq!(newest_of(&read_all(&mut broker.client(), 0, 3_000)), newest);
}
