use std::path::Path;

use millrace_host::disk::faulty::{Failure, Fault, FaultyDisk, Operation};
use millrace_host::disk::memory::{Crash, MemoryDisk};
use millrace_host::disk::posix::PosixDisk;
use millrace_host::disk::{Disk, DiskFile, OpenMode};

use super::*;

fn identity() -> DirectoryIdentity {
    DirectoryIdentity {
        node_id: 1,
        cluster_id: None,
        new_cluster_id: "cluster-a".to_owned(),
        new_directory_id: Uuid([5; 16]),
    }
}

fn disk() -> MemoryDisk {
    let disk = MemoryDisk::new();
    disk.create_dir_all(Path::new("/data")).expect("create");
    disk.sync_dir(Path::new("/")).expect("sync");
    disk
}

fn open<D: Disk>(
    disk: &D,
    identity: &DirectoryIdentity,
) -> Result<LogDirectory<D>, DirectoryError> {
    LogDirectory::open(disk.clone(), Path::new("/data"), identity)
}

#[test]
fn a_new_directory_gets_an_identity_that_lasts() {
    let disk = disk();
    drop(open(&disk, &identity()).expect("open"));
    disk.crash(Crash::KeepSynced);
    let other = DirectoryIdentity {
        new_cluster_id: "cluster-b".to_owned(),
        new_directory_id: Uuid([6; 16]),
        ..identity()
    };
    let directory = open(&disk, &other).expect("open");
    assert_eq!(
        (directory.cluster_id(), directory.directory_id()),
        ("cluster-a", Uuid([5; 16]))
    );
}

#[test]
fn strangers_are_refused() {
    let disk = disk();
    drop(open(&disk, &identity()).expect("open"));
    let other_cluster = DirectoryIdentity {
        cluster_id: Some("cluster-b".to_owned()),
        ..identity()
    };
    assert!(matches!(
        open(&disk, &other_cluster),
        Err(DirectoryError::OtherCluster { .. })
    ));
    assert!(matches!(
        open(
            &disk,
            &DirectoryIdentity {
                node_id: 2,
                ..identity()
            }
        ),
        Err(DirectoryError::OtherNode { .. })
    ));
    let path = Path::new("/data/meta.properties");
    disk.open(path, OpenMode::Truncate)
        .expect("open")
        .write_all_at(b"version=9\n", 0)
        .expect("write");
    assert!(matches!(
        open(&disk, &identity()),
        Err(DirectoryError::BadMetaProperties { .. })
    ));
}

#[test]
fn a_second_opener_finds_it_locked_until_the_first_is_gone() {
    let disk = disk();
    let first = open(&disk, &identity()).expect("open");
    assert!(matches!(
        open(&disk, &identity()),
        Err(DirectoryError::Locked { .. })
    ));
    drop(first);
    assert!(open(&disk, &identity()).is_ok());

    let real = tempfile::tempdir().expect("temporary directory");
    let first = LogDirectory::open(PosixDisk, real.path(), &identity()).expect("open");
    assert!(matches!(
        LogDirectory::open(PosixDisk, real.path(), &identity()),
        Err(DirectoryError::Locked { .. })
    ));
    drop(first);
    assert!(LogDirectory::open(PosixDisk, real.path(), &identity()).is_ok());
}

#[test]
fn clean_marker_counts_once() {
    let disk = disk();
    let directory = open(&disk, &identity()).expect("open");
    assert_eq!(directory.clean_shutdown(), None);
    directory.write_clean_shutdown(42).expect("write");
    drop(directory);
    disk.crash(Crash::KeepSynced);
    let directory = open(&disk, &identity()).expect("open");
    assert_eq!(
        directory.clean_shutdown(),
        Some(CleanShutdown { broker_epoch: 42 })
    );
    drop(directory);
    // A crash while loading counts as unclean.
    disk.crash(Crash::KeepSynced);
    assert_eq!(
        open(&disk, &identity()).expect("open").clean_shutdown(),
        None
    );
}

#[test]
fn checkpoints_are_replaced_whole_or_not_at_all() {
    let disk = FaultyDisk::new(disk());
    let directory = open(&disk, &identity()).expect("open");
    let read = || {
        let rows = directory
            .read_checkpoint(OffsetCheckpoint::RecoveryPoint)
            .expect("read");
        rows.get(&("topic".to_owned(), 3)).copied()
    };
    assert_eq!(read(), None);
    directory
        .write_checkpoint(
            OffsetCheckpoint::RecoveryPoint,
            [("topic", 3, 100), ("a.b-c", 0, 7)].into_iter(),
        )
        .expect("write");
    assert_eq!(read(), Some(100));
    for after in 0..5 {
        for failure in [
            Failure::Io,
            Failure::NoSpace,
            Failure::ShortWrite { bytes: 3 },
        ] {
            disk.arm(Fault {
                operation: None,
                after,
                failure,
                lasting: false,
            });
            let written = directory.write_checkpoint(
                OffsetCheckpoint::RecoveryPoint,
                [("topic", 3, 200)].into_iter(),
            );
            disk.disarm();
            assert!(written.is_err());
            // The last step is the directory's sync: by then the new file has its name.
            assert_eq!(read(), Some(if after == 4 { 200 } else { 100 }));
            directory
                .write_checkpoint(
                    OffsetCheckpoint::RecoveryPoint,
                    [("topic", 3, 100)].into_iter(),
                )
                .expect("write");
        }
    }
    disk.inner().crash(Crash::KeepSynced);
    assert_eq!(read(), Some(100));
    let path = Path::new("/data/recovery-point-offset-checkpoint");
    disk.open(path, OpenMode::Truncate)
        .expect("open")
        .write_all_at(b"garbage", 0)
        .expect("write");
    assert_eq!(read(), None);
}

#[test]
fn partitions_are_listed_and_deleted_ones_are_not() {
    let disk = disk();
    let directory = open(&disk, &identity()).expect("open");
    for name in [
        "b-0",
        "a-topic-10",
        "a-topic-2",
        "not a partition",
        "x-1.0123456789abcdef0123456789abcdef-future",
    ] {
        disk.create_dir_all(&Path::new("/data").join(name))
            .expect("create");
    }
    let names = |directory: &LogDirectory<MemoryDisk>| -> Vec<(String, i32)> {
        directory
            .partitions()
            .expect("list")
            .into_iter()
            .map(|found| (found.topic, found.partition))
            .collect()
    };
    let expected = [
        ("a-topic".to_owned(), 2),
        ("a-topic".to_owned(), 10),
        ("b".to_owned(), 0),
    ];
    assert_eq!(names(&directory), expected);
    let renamed = directory
        .delete_partition("a-topic", 10, [0xab; 16])
        .expect("rename")
        .expect("present");
    assert_eq!(
        renamed,
        Path::new("/data/a-topic-10.abababababababababababababababab-delete")
    );
    assert_eq!(
        directory
            .delete_partition("a-topic", 10, [0xab; 16])
            .expect("rename"),
        None
    );
    assert_eq!(
        names(&directory),
        [expected[0].clone(), expected[2].clone()]
    );
    assert_eq!(directory.deleted_partitions().expect("list"), [renamed]);
}

#[test]
fn leftovers_of_a_replaced_checkpoint_go() {
    let disk = disk();
    let leftover = Path::new("/data/recovery-point-offset-checkpoint.7.tmp");
    disk.open(leftover, OpenMode::Create).expect("create");
    open(&disk, &identity()).expect("open");
    assert!(!disk.exists(leftover).expect("exists"));
}

#[test]
fn unwritable_directory_says_so() {
    let disk = FaultyDisk::new(disk());
    disk.arm(Fault {
        operation: Some(Operation::Open),
        after: 0,
        failure: Failure::Io,
        lasting: true,
    });
    assert!(matches!(
        open(&disk, &identity()),
        Err(DirectoryError::Unwritable(_))
    ));
}
