//! One script over everything a log does to its disk, with every single operation made to fail in turn. Whatever fails, nothing panics,
//! memory and disk agree, and what a sync vouched for is there after a power loss.

use std::path::Path;

use millrace_host::disk::faulty::{Failure, Fault, FaultyDisk, Operation};
use millrace_host::disk::memory::{Crash, MemoryDisk};

use crate::test_log::{DIR, batch, memory_disk, read_all, small_config};
use crate::{Log, OpenHints, Uuid};

type Faulty = FaultyDisk<MemoryDisk>;

/// What the script had been promised when it ended.
#[derive(Default)]
struct Promise {
    /// Batches that are in the log, in order, as far as it answered.
    appended: Vec<Vec<u8>>,
    synced_offset: i64,
    recovery_point: i64,
}

/// Appends until the log ends at `end_offset`, or an error.
fn append_until(log: &mut Log<Faulty>, end_offset: i64, epoch: i32, promise: &mut Promise) {
    while log.log_end_offset() < end_offset {
        let mut batches = [
            batch(&[log.log_end_offset()], 150),
            batch(&[log.log_end_offset()], 90),
        ];
        let [first, second] = &mut batches;
        if log.append(&mut [first, second], epoch, 0).is_err() {
            return;
        }
        promise.appended.extend(batches);
    }
}

/// The script. Goes on after an error where the log lets it.
fn run(disk: &Faulty) -> Promise {
    let mut promise = Promise::default();
    let hints = OpenHints {
        topic_id: Some(Uuid([1; 16])),
        ..OpenHints::default()
    };
    let Ok(mut log) = Log::open(disk.clone(), Path::new(DIR), small_config(), hints, 0) else {
        return promise;
    };
    append_until(&mut log, 30, 0, &mut promise);
    let _ = log.sync();
    append_until(&mut log, 60, 1, &mut promise);
    let _ = log.keep_producer_snapshot(log.log_end_offset());
    let _ = log.checkpoint();
    append_until(&mut log, 70, 1, &mut promise);
    let before = log.log_end_offset();
    if log.truncate(50, 0).is_ok() && before > 50 {
        promise.appended.truncate(50);
    } else if log.log_end_offset() < before {
        // The cut was made and something after it failed: the log is fenced, and shorter.
        promise.appended.truncate(log.log_end_offset() as usize);
    }
    append_until(&mut log, 75, 2, &mut promise);
    let _ = log.release_files();
    let _ = log.roll(0);
    let _ = log.sync();
    let _ = log.delete_records_before(20.min(log.log_end_offset()), 0);
    append_until(&mut log, 80, 2, &mut promise);
    let _ = log.offset_for_timestamp(40);
    promise.synced_offset = log.synced_offset();
    promise.recovery_point = log.recovery_point();
    if log.close(true).is_ok() {
        promise.synced_offset = log.synced_offset();
        promise.recovery_point = log.recovery_point();
    }
    promise
}

fn check(disk: &Faulty, promise: &Promise, what: &str) {
    disk.disarm();
    let hints = OpenHints {
        recovery_point: promise.recovery_point,
        ..OpenHints::default()
    };
    let mut log = Log::open(disk.clone(), Path::new(DIR), small_config(), hints, 0).expect(what);
    let start = log.log_start_offset() as usize;
    let end = log.log_end_offset() as usize;
    assert!(
        end >= promise.synced_offset as usize,
        "{what}: {end} of {}",
        promise.synced_offset
    );
    let kept = read_all(&mut log);
    let common = end.min(promise.appended.len());
    assert_eq!(
        kept[..common - start],
        promise.appended[start..common],
        "{what}"
    );
    // Batches come in pairs of one timestamp, so the last one is two below the end.
    for timestamp in (start as i64..common as i64 - 1).step_by(7) {
        let found = log.offset_for_timestamp(timestamp).expect(what);
        assert!(
            found.is_some_and(|found| found.timestamp >= timestamp),
            "{what}"
        );
    }
}

#[test]
fn every_operation_may_fail_once() {
    let count = {
        let disk = FaultyDisk::new(memory_disk());
        let promise = run(&disk);
        assert_eq!((promise.appended.len(), promise.synced_offset), (80, 80));
        check(&disk, &promise, "without a fault");
        disk.operations()
    };
    assert!(count > 200, "{count} operations");
    for after in 0..count {
        for failure in [
            Failure::Io,
            Failure::NoSpace,
            Failure::ShortWrite { bytes: 100 },
        ] {
            let disk = FaultyDisk::new(memory_disk());
            disk.arm(Fault {
                operation: None,
                after,
                failure,
                lasting: false,
            });
            let promise = run(&disk);
            disk.inner().crash(Crash::KeepSome { seed: after });
            check(&disk, &promise, &format!("{failure:?} after {after}"));
        }
    }
}

#[test]
fn the_disk_may_fail_for_good_at_any_time() {
    for operation in [
        None,
        Some(Operation::Write),
        Some(Operation::Sync),
        Some(Operation::Open),
    ] {
        for after in (0..250).step_by(3) {
            for failure in [Failure::Io, Failure::NoSpace] {
                let disk = FaultyDisk::new(memory_disk());
                disk.arm(Fault {
                    operation,
                    after,
                    failure,
                    lasting: true,
                });
                let promise = run(&disk);
                disk.inner().crash(Crash::KeepSynced);
                check(
                    &disk,
                    &promise,
                    &format!("{failure:?} of {operation:?} from {after} on"),
                );
            }
        }
    }
}
