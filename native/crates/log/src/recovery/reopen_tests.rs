use std::path::Path;

use millrace_host::disk::Disk;
use millrace_host::disk::faulty::{Failure, Fault, FaultyDisk, Operation};
use millrace_host::disk::memory::{Crash, MemoryDisk};
use millrace_record::BatchBuilder;

use crate::error::OpenError;
use crate::test_log::{
    DIR, append_one, batch, clean_hints, file_names, fill, memory_disk, open, open_with, read_all,
    read_file, small_config, write_file,
};
use crate::{Log, OpenHints, Uuid};

#[test]
fn clean_reopen_goes_on_and_keeps_nothing_open() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    fill(&mut log, 50, 150);
    let all = read_all(&mut log);
    assert_eq!(log.close(true).expect("close"), 50);
    let mut log = open_with(&disk, small_config(), clean_hints());
    assert_eq!(
        (
            log.log_end_offset(),
            log.synced_offset(),
            log.open_report().scanned_bytes
        ),
        (50, 50, 0)
    );
    assert!(
        log.segments
            .iter()
            .all(|segment| segment.open_file().is_none())
    );
    assert_eq!(read_all(&mut log), all);
    fill(&mut log, 1, 10);
    assert_eq!(log.log_end_offset(), 51);
}

#[test]
fn only_synced_batches_are_promised_and_all_of_them_survive() {
    for seed in 0..200 {
        let disk = memory_disk();
        let mut log = open(&disk, small_config());
        fill(&mut log, 10 + seed as usize % 30, 150);
        let synced = log.sync().expect("sync");
        fill(&mut log, 20, 150);
        let all = read_all(&mut log);
        disk.crash(if seed == 0 {
            Crash::KeepSynced
        } else {
            Crash::KeepSome { seed }
        });
        drop(log);
        let mut log = open(&disk, small_config());
        let end_offset = log.log_end_offset();
        assert!(
            end_offset >= synced && end_offset <= all.len() as i64,
            "seed {seed}: {end_offset} of {synced}"
        );
        assert_eq!(
            read_all(&mut log),
            all[..end_offset as usize],
            "seed {seed}"
        );
        // What recovery kept is durable: a second crash takes nothing.
        disk.crash(Crash::KeepSynced);
        drop(log);
        assert_eq!(open(&disk, small_config()).log_end_offset(), end_offset);
    }
}

#[test]
fn leader_epochs_come_back_from_the_checkpoint_or_the_batches() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    for epoch in [0, 0, 3, 3, 7] {
        log.append(&mut [&mut batch(&[1], 10)], epoch, 0)
            .expect("append");
    }
    log.close(true).expect("close");
    assert_eq!(
        read_file(&disk, "leader-epoch-checkpoint"),
        b"0\n3\n0 0\n3 2\n7 4\n"
    );
    let ends = |log: &mut Log<MemoryDisk>| -> Vec<(i32, i64)> {
        (0..9)
            .map(|epoch| log.leader_epoch_end_offset(epoch).expect("lookup"))
            .map(|end| (end.leader_epoch, end.end_offset))
            .collect()
    };
    let expected = [
        (0, 2),
        (0, 2),
        (0, 2),
        (3, 4),
        (3, 4),
        (3, 4),
        (3, 4),
        (7, 5),
        (-1, -1),
    ];
    assert_eq!(
        ends(&mut open_with(&disk, small_config(), clean_hints())),
        expected
    );
    for text in ["", "0\n9\n", "\0\0\0"] {
        write_file(&disk, "leader-epoch-checkpoint", text.as_bytes());
        assert_eq!(
            ends(&mut open_with(&disk, small_config(), clean_hints())),
            expected
        );
    }
    disk.remove_file(&crate::test_log::file_path("leader-epoch-checkpoint"))
        .expect("remove");
    assert_eq!(ends(&mut open(&disk, small_config())), expected);
}

#[test]
fn topic_id_is_written_once_and_checked() {
    let disk = memory_disk();
    let with_id = |id: u8| OpenHints {
        topic_id: Some(Uuid([id; 16])),
        ..OpenHints::default()
    };
    open_with(&disk, small_config(), with_id(1))
        .sync()
        .expect("sync");
    disk.crash(Crash::KeepSynced);
    assert_eq!(
        read_file(&disk, "partition.metadata"),
        format!("version: 0\ntopic_id: {}\n", Uuid([1; 16])).into_bytes()
    );
    let error = Log::open(disk.clone(), Path::new(DIR), small_config(), with_id(2), 0)
        .err()
        .expect("refused");
    assert!(matches!(error, OpenError::InconsistentTopicId { .. }) && error.kafka_code() == 103);
    // Torn by a crash before its first sync.
    write_file(&disk, "partition.metadata", b"version: 0\ntop");
    open_with(&disk, small_config(), with_id(2));
}

#[test]
fn deleted_records_stay_deleted_and_the_end_is_kept() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    fill(&mut log, 60, 150);
    assert_eq!(log.delete_records_before(60, 0).expect("delete"), 60);
    assert_eq!(log.segment_count(), 1);
    log.close(true).expect("close");
    let log = open_with(
        &disk,
        small_config(),
        OpenHints {
            log_start_offset: 60,
            ..clean_hints()
        },
    );
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (60, 60));
    drop(log);
    // The disk lost everything, the checkpoint did not: offsets are not handed out twice.
    for name in file_names(&disk) {
        disk.remove_file(&crate::test_log::file_path(&name))
            .expect("remove");
    }
    let mut log = open_with(
        &disk,
        small_config(),
        OpenHints {
            log_start_offset: 60,
            ..OpenHints::default()
        },
    );
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (60, 60));
    assert_eq!(append_one(&mut log, batch(&[1], 10)), 60);
}

#[test]
fn failed_sync_fences_and_moves_no_mark() {
    let disk = FaultyDisk::new(memory_disk());
    let mut log = open(&disk, small_config());
    fill(&mut log, 3, 10);
    disk.arm(Fault {
        operation: Some(Operation::Sync),
        after: 0,
        failure: Failure::Io,
        lasting: false,
    });
    assert!(log.sync().is_err());
    assert!(log.is_fenced());
    assert_eq!(log.synced_offset(), 0);
}

#[test]
fn sync_from_before_a_truncation_promises_nothing_after_it() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    fill(&mut log, 10, 10);
    let target = log
        .sync_target()
        .expect("target")
        .expect("something to sync");
    log.truncate(5, 0).expect("truncate");
    fill(&mut log, 10, 10);
    assert_eq!(log.mark_synced(target.mark), 0);
    let target = log
        .sync_target()
        .expect("target")
        .expect("something to sync");
    target.request.perform(&disk).expect("sync");
    assert_eq!(log.mark_synced(target.mark), 15);
    assert!(log.sync_target().expect("target").is_none());
}

#[test]
fn control_and_transactional_batches_are_kept_by_recovery() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    let mut builder = BatchBuilder::new();
    builder
        .producer(9, 0, 0)
        .transactional()
        .append(5, Some(b"k"), Some(b"v"), &[]);
    append_one(&mut log, builder.build());
    let mut builder = BatchBuilder::new();
    builder.producer(9, 0, -1).transactional().control().append(
        6,
        Some(&[0, 0, 0, 1]),
        Some(&[0; 6]),
        &[],
    );
    append_one(&mut log, builder.build());
    let all = read_all(&mut log);
    drop(log);
    assert_eq!(read_all(&mut open(&disk, small_config())), all);
}

#[test]
fn a_log_that_is_on_disk_already_is_recovered_without_a_sync_and_survives_a_power_cut() {
    let disk = FaultyDisk::new(memory_disk());
    let mut log = open(&disk, small_config());
    fill(&mut log, 40, 60);
    let written = read_all(&mut log);
    assert_eq!(log.synced_offset(), 0);
    drop(log);
    disk.inner().kill();
    disk.sync_file_system(Path::new("/")).expect("sync");
    let hints = OpenHints {
        is_on_disk: true,
        ..OpenHints::default()
    };
    let no_sync = Fault {
        operation: Some(Operation::Sync),
        after: 0,
        failure: Failure::Io,
        lasting: true,
    };
    disk.arm(no_sync);
    let log = open_with(&disk, small_config(), hints);
    assert_eq!((log.log_end_offset(), log.synced_offset()), (40, 40));
    assert_eq!(log.recovery_point(), 0);
    disk.disarm();

    disk.inner().crash(Crash::KeepSynced);
    let mut log = open(&disk, small_config());
    assert_eq!(read_all(&mut log), written);
    assert_eq!(log.latest_leader_epoch().expect("epochs"), Some(0));
    assert_eq!(log.recovery_point(), 40);
}
