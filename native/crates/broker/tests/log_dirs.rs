//! Several log directories: where partitions go, one that cannot be opened, what lies there and nobody knows, what is there twice.

mod support;

use millrace_broker::{Broker, BrokerError, BrokerOptions, Delta};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use support::{TOPIC_ID, published, topic_config};

const PARTITIONS: i32 = 6;
const STORAGE_ERROR: &str = "Kafka error 56";

struct Dirs {
    root: tempfile::TempDir,
    paths: Vec<PathBuf>,
}

fn dirs(count: usize) -> Dirs {
    let root = tempfile::tempdir().expect("a temporary directory");
    let paths = (0..count)
        .map(|index| root.path().join(format!("d{index}")))
        .collect();
    Dirs { root, paths }
}

fn broker(dirs: &Dirs) -> Broker {
    let options = BrokerOptions {
        log_dirs: dirs.paths.clone(),
        ..BrokerOptions::default()
    };
    Broker::new(options, Box::new(|| {})).expect("good options")
}

fn publish(broker: &Broker, name: &str, topic_id: [u8; 16]) {
    let delta = Delta {
        topics: vec![published(name, topic_id, PARTITIONS, topic_config())],
        deleted_topic_ids: vec![],
    };
    assert_eq!(broker.publish(&delta).expect("open"), []);
}

/// Names of directories with a dash: partitions, and what became of some.
fn partitions_in(path: &Path) -> BTreeSet<String> {
    let Ok(entries) = std::fs::read_dir(path) else {
        return BTreeSet::new();
    };
    entries
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// A file where the directory should be: nobody, root included, can open that.
fn break_dir(dirs: &Dirs, index: usize) {
    let path = &dirs.paths[index];
    if path.exists() {
        std::fs::rename(path, dirs.root.path().join(format!("kept{index}"))).expect("rename");
    }
    std::fs::write(path, "not a directory").expect("write");
}

fn mend_dir(dirs: &Dirs, index: usize) {
    let path = &dirs.paths[index];
    std::fs::remove_file(path).expect("remove");
    std::fs::rename(dirs.root.path().join(format!("kept{index}")), path).expect("rename");
}

fn end_offset(broker: &Broker, partition: i32) -> Result<i64, String> {
    broker
        .partition_offsets(&TOPIC_ID, partition)
        .map(|offsets| offsets.log_end_offset)
        .map_err(|BrokerError { message, .. }| message)
}

#[test]
fn partitions_are_spread_and_found_again_each_with_its_own_checkpoints() {
    let dirs = dirs(3);
    let before = broker(&dirs);
    let opened = before.open().expect("free directories");
    assert_eq!(opened.directory_ids.len(), 3);
    publish(&before, "spread", TOPIC_ID);
    let names: Vec<_> = dirs.paths.iter().map(|path| partitions_in(path)).collect();
    assert!(names.iter().all(|names| names.len() == 2), "{names:?}");
    before.close().expect("a clean close");
    for path in &dirs.paths {
        for file in [
            ".kafka_cleanshutdown",
            "recovery-point-offset-checkpoint",
            "log-start-offset-checkpoint",
            "replication-offset-checkpoint",
        ] {
            assert!(path.join(file).exists(), "{file} in {}", path.display());
        }
    }
    // One was not left cleanly: the others still were.
    std::fs::remove_file(dirs.paths[1].join(".kafka_cleanshutdown")).expect("remove");
    let after = broker(&dirs);
    assert!(!after.open().expect("free").clean_shutdown);
    publish(&after, "spread", TOPIC_ID);
    let again: Vec<_> = dirs.paths.iter().map(|path| partitions_in(path)).collect();
    assert_eq!(again, names);
    after.close().expect("a clean close");
}

#[test]
fn a_directory_that_cannot_be_opened_costs_its_partitions_only() {
    let dirs = dirs(2);
    let before = broker(&dirs);
    before.open().expect("free directories");
    publish(&before, "kept", TOPIC_ID);
    let lost = partitions_in(&dirs.paths[1]);
    assert_eq!(lost.len(), 3);
    before.close().expect("a clean close");

    break_dir(&dirs, 1);
    let without = broker(&dirs);
    let opened = without.open().expect("one is left");
    assert_eq!(opened.directory_ids.len(), 1);
    let failed: Vec<_> = opened
        .failed
        .iter()
        .map(|(index, error)| (*index, error.code))
        .collect();
    assert_eq!(failed, [(1, "UNWRITABLE")]);
    publish(&without, "kept", TOPIC_ID);
    for partition in 0..PARTITIONS {
        let outcome = end_offset(&without, partition);
        if lost.contains(&format!("kept-{partition}")) {
            let message = outcome.expect_err("it may lie in the failed directory");
            assert!(message.contains(STORAGE_ERROR), "{message}");
        } else {
            assert_eq!(outcome, Ok(0));
        }
    }
    assert_eq!(without.offline_partitions().len(), 3);
    assert_eq!(
        without.set_strays_aside().expect("open"),
        Vec::<String>::new()
    );
    assert_eq!(
        partitions_in(&dirs.paths[0]).len(),
        3,
        "none began anew in the other directory"
    );
    without.close().expect("a close");

    mend_dir(&dirs, 1);
    let after = broker(&dirs);
    assert_eq!(after.open().expect("both").failed.len(), 0);
    publish(&after, "kept", TOPIC_ID);
    assert!((0..PARTITIONS).all(|partition| end_offset(&after, partition) == Ok(0)));
    after.close().expect("a clean close");
}

#[test]
fn a_new_partition_goes_to_a_directory_that_works() {
    let dirs = dirs(2);
    break_dir(&dirs, 0);
    let broker = broker(&dirs);
    broker.open().expect("one is left");
    broker
        .bind(&[millrace_broker::ListenAddress {
            name: "PLAINTEXT".into(),
            host: "127.0.0.1".into(),
            port: 0,
        }])
        .expect("a free port");
    broker.listen().expect("bound");
    publish(&broker, "new", TOPIC_ID);
    assert_eq!(partitions_in(&dirs.paths[1]).len(), 6);
    assert!(broker.offline_partitions().is_empty());
    broker.close().expect("a close");
}

#[test]
fn without_any_directory_the_first_failure_is_told() {
    let dirs = dirs(2);
    break_dir(&dirs, 0);
    break_dir(&dirs, 1);
    assert_eq!(
        broker(&dirs).open().expect_err("none is left").code,
        "UNWRITABLE"
    );
}

#[test]
fn a_directory_in_use_or_of_another_cluster_is_a_refusal() {
    let dirs = dirs(2);
    let first = broker(&dirs);
    first.open().expect("free directories");
    assert_eq!(broker(&dirs).open().expect_err("taken").code, "LOCKED");
    first.close().expect("a clean close");
    let meta = dirs.paths[1].join("meta.properties");
    let text = std::fs::read_to_string(&meta).expect("meta.properties");
    let foreign: String = text
        .lines()
        .map(|line| match line.strip_prefix("cluster.id=") {
            Some(_) => "cluster.id=AAAAAAAAAAAAAAAAAAAAAQ\n".to_string(),
            None => format!("{line}\n"),
        })
        .collect();
    std::fs::write(&meta, foreign).expect("meta.properties");
    assert_eq!(
        broker(&dirs).open().expect_err("another cluster's").code,
        "OTHER_CLUSTER"
    );
    // Not even readable as properties of ours: left out, not refused.
    std::fs::write(&meta, "version=77\n").expect("meta.properties");
    let opened = broker(&dirs).open().expect("the other is good");
    assert_eq!(opened.failed[0].1.code, "BAD_META_PROPERTIES");
}

#[test]
fn what_the_cluster_does_not_know_is_set_aside_and_kept() {
    let dirs = dirs(2);
    let before = broker(&dirs);
    before.open().expect("free directories");
    publish(&before, "known", TOPIC_ID);
    publish(&before, "forgotten", [9; 16]);
    before.close().expect("a clean close");
    let after = broker(&dirs);
    after.open().expect("free directories");
    publish(&after, "known", TOPIC_ID);
    let mut aside = after.set_strays_aside().expect("open");
    aside.sort();
    let expected: Vec<_> = (0..PARTITIONS)
        .map(|partition| format!("forgotten-{partition}"))
        .collect();
    assert_eq!(aside, expected);
    after.close().expect("a clean close");
    let names: Vec<_> = dirs
        .paths
        .iter()
        .flat_map(|path| partitions_in(path))
        .collect();
    let strays = names.iter().filter(|name| name.ends_with("-stray"));
    assert_eq!(strays.count(), 6);
    assert!(
        dirs.paths
            .iter()
            .all(|path| path.join(".kafka_cleanshutdown").exists())
    );
}

#[test]
fn a_partition_or_a_directory_that_is_there_twice_is_a_refusal() {
    let dirs = dirs(2);
    let before = broker(&dirs);
    before.open().expect("free directories");
    publish(&before, "twice", TOPIC_ID);
    before.close().expect("a clean close");
    let (one, two) = (&dirs.paths[0], &dirs.paths[1]);
    let name = partitions_in(one)
        .into_iter()
        .next()
        .expect("three lie there");
    std::fs::create_dir(two.join(&name)).expect("create");
    assert_eq!(
        broker(&dirs).open().expect_err("twice").code,
        "DUPLICATE_PARTITION"
    );
    std::fs::remove_dir(two.join(&name)).expect("remove");
    std::fs::copy(one.join("meta.properties"), two.join("meta.properties")).expect("copy");
    assert_eq!(
        broker(&dirs).open().expect_err("a copy").code,
        "DUPLICATE_DIRECTORY"
    );
}
