//! What a node remembers of its partitions between two runs, and what it must not carry over to another topic.

mod support;

use millrace_broker::{Broker, BrokerOptions, Delta};
use std::path::Path;
use support::{
    TOPIC, TOPIC_ID, TestBroker, batch, fetch_request, fetched, published, topic_config,
};

const MARKER: &str = ".kafka_cleanshutdown";

/// What a process that was killed leaves behind: everything it has written, and no word of farewell.
fn copy_of_a_killed(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a temporary directory");
    copy_all(dir, copy.path());
    copy
}

fn copy_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            std::fs::create_dir(&target).expect("a new directory");
            copy_all(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("a copy");
        }
    }
}

fn delete_and_create_again(broker: &TestBroker) {
    for delta in [
        Delta {
            topics: vec![],
            deleted_topic_ids: vec![TOPIC_ID],
        },
        Delta {
            topics: vec![published(TOPIC, [8; 16], 4, topic_config())],
            deleted_topic_ids: vec![],
        },
    ] {
        assert_eq!(broker.broker.publish(&delta).expect("open"), []);
    }
}

#[test]
fn a_stop_before_the_partitions_were_recovered_is_no_clean_one() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let broker = TestBroker::open(dir.path(), |_| {}, topic_config());
    broker.client().produce(0, batch(&["a", "b"]));
    broker
        .broker
        .delete_records(&TOPIC_ID, 0, 1)
        .expect("below the high watermark");
    broker.stop();
    drop(broker);
    std::fs::remove_file(dir.path().join(MARKER)).expect("written by the clean stop");
    let segment = dir
        .path()
        .join(format!("{TOPIC}-0/00000000000000000000.log"));
    let mut bytes = std::fs::read(&segment).expect("the segment");
    let mut torn = batch(&["torn"]);
    // In place, but its bytes are not what its checksum says.
    torn[7] = 2;
    *torn.last_mut().expect("a batch") ^= 1;
    bytes.extend_from_slice(&torn);
    std::fs::write(&segment, bytes).expect("the segment");
    // As when the port is taken: opened, and closed before anything was published.
    let options = BrokerOptions {
        log_dirs: vec![dir.path().to_path_buf()],
        ..BrokerOptions::default()
    };
    let stopped_early = Broker::new(options, Box::new(|| {})).expect("good options");
    assert!(!stopped_early.open().expect("free").clean_shutdown);
    stopped_early.close().expect("a close");
    assert!(!dir.path().join(MARKER).exists());
    let broker = TestBroker::open(dir.path(), |_| {}, topic_config());
    let mut client = broker.client();
    assert_eq!(client.list_offset(0, -2).2, 1, "the log start is kept");
    assert_eq!(client.list_offset(0, -1).2, 2, "the damage is cut off");
    broker.stop();
    assert!(dir.path().join(MARKER).exists());
}

#[test]
fn a_stop_before_anything_was_published_keeps_a_clean_directory_clean() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let broker = TestBroker::open(dir.path(), |_| {}, topic_config());
    broker.client().produce(0, batch(&["a", "b"]));
    broker
        .broker
        .delete_records(&TOPIC_ID, 0, 1)
        .expect("below the high watermark");
    broker.stop();
    drop(broker);
    let options = BrokerOptions {
        log_dirs: vec![dir.path().to_path_buf()],
        ..BrokerOptions::default()
    };
    let stopped_early = Broker::new(options, Box::new(|| {})).expect("good options");
    assert!(stopped_early.open().expect("free").clean_shutdown);
    stopped_early.close().expect("a close");
    assert!(dir.path().join(MARKER).exists());
    let broker = TestBroker::open(dir.path(), |_| {}, topic_config());
    assert_eq!(broker.client().list_offset(0, -2).2, 1);
    broker.stop();
}

#[test]
fn a_topic_created_again_begins_at_offset_0() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let broker = TestBroker::open(dir.path(), |_| {}, topic_config());
    broker.client().produce(0, batch(&["a", "b", "c"]));
    broker
        .broker
        .delete_records(&TOPIC_ID, 0, 3)
        .expect("the high watermark");
    broker.stop();
    drop(broker);
    let broker = TestBroker::open(dir.path(), |_| {}, topic_config());
    delete_and_create_again(&broker);
    let mut client = broker.client();
    assert_eq!(client.list_offset(0, -2).2, 0);
    assert_eq!(client.produce(0, batch(&["new"])), (0, 0));
    broker.stop();
}

#[test]
fn the_records_of_a_topic_created_again_survive_a_kill() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let broker = TestBroker::open(dir.path(), |_| {}, topic_config());
    broker.client().produce(0, batch(&["a", "b", "c"]));
    broker
        .broker
        .delete_records(&TOPIC_ID, 0, 3)
        .expect("the high watermark");
    broker.stop();
    drop(broker);
    let broker = TestBroker::open(dir.path(), |_| {}, topic_config());
    delete_and_create_again(&broker);
    assert_eq!(broker.client().produce(0, batch(&["new"])).0, 0);
    let killed = copy_of_a_killed(dir.path());
    broker.stop();
    let after = Broker::new(
        BrokerOptions {
            log_dirs: vec![killed.path().to_path_buf()],
            ..BrokerOptions::default()
        },
        Box::new(|| {}),
    );
    let after = after.expect("good options");
    after.open().expect("free");
    let delta = Delta {
        topics: vec![published(TOPIC, [8; 16], 4, topic_config())],
        deleted_topic_ids: vec![],
    };
    assert_eq!(after.publish(&delta).expect("open"), []);
    let offsets = after.partition_offsets(&[8; 16], 0).expect("open");
    assert_eq!((offsets.log_start_offset, offsets.log_end_offset), (0, 1));
    after.close().expect("a close");
}

#[test]
fn a_partition_that_failed_to_open_is_looked_for_where_it_lies() {
    let dirs = tempfile::tempdir().expect("a temporary directory");
    let (first, second) = (dirs.path().join("first"), dirs.path().join("second"));
    let two = |options: &mut BrokerOptions| options.log_dirs = vec![first.clone(), second.clone()];
    let broker = TestBroker::open(&first, two, topic_config());
    for partition in 0..4 {
        assert_eq!(broker.client().produce(partition, batch(&["kept"])).0, 0);
    }
    broker.stop();
    drop(broker);
    let lies_in = [&first, &second]
        .into_iter()
        .find(|dir| dir.join(format!("{TOPIC}-3")).exists())
        .expect("it lies somewhere");
    // Larger than any segment can be.
    let obstacle = lies_in.join(format!("{TOPIC}-3/00000000000000000009.log"));
    std::fs::File::create(&obstacle)
        .and_then(|file| file.set_len(1 << 32))
        .expect("a sparse file");
    let mut options = BrokerOptions::default();
    two(&mut options);
    let broker = Broker::new(options, Box::new(|| {})).expect("good options");
    broker.open().expect("free");
    let delta = Delta {
        topics: vec![published(TOPIC, TOPIC_ID, 4, topic_config())],
        deleted_topic_ids: vec![],
    };
    assert_eq!(broker.publish(&delta).expect("open").len(), 1);
    std::fs::remove_file(&obstacle).expect("there");
    // Makes the other directory the emptier one.
    let others = Delta {
        topics: vec![published("others", [9; 16], 2, topic_config())],
        deleted_topic_ids: vec![],
    };
    assert_eq!(broker.publish(&others).expect("open"), []);
    for _ in 0..2 {
        assert_eq!(broker.publish(&delta).expect("open"), []);
    }
    let offsets = broker.partition_offsets(&TOPIC_ID, 3).expect("open");
    assert_eq!(offsets.log_end_offset, 1, "its records are served again");
    broker.close().expect("a close");
}

#[test]
fn a_directory_set_aside_leaves_no_offsets_behind() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let broker = TestBroker::open(dir.path(), |_| {}, topic_config());
    broker.client().produce(0, batch(&["a", "b", "c"]));
    broker
        .broker
        .delete_records(&TOPIC_ID, 0, 3)
        .expect("the high watermark");
    broker.stop();
    drop(broker);
    let metadata = dir.path().join(format!("{TOPIC}-0/partition.metadata"));
    let text = std::fs::read_to_string(&metadata).expect("partition.metadata");
    let other = text.replace("BwcHBwcHBwcHBwcHBwcHBw", "CAgICAgICAgICAgICAgICA");
    std::fs::write(&metadata, other).expect("partition.metadata");
    let broker = TestBroker::open(dir.path(), |_| {}, topic_config());
    let mut client = broker.client();
    assert_eq!(client.produce(0, batch(&["new"])), (0, 0));
    let answer = client.fetch(12, &fetch_request(12, &[(0, 0)]));
    assert_eq!(fetched(&answer, 0), [(0, "new".to_string())]);
    broker.stop();
}
