//! What happens to a cleaning when something else happens to the log or the disk.

use std::collections::HashMap;
use std::ops::ControlFlow;

use millrace_host::disk::memory::MemoryDisk;
use millrace_host::disk::{Disk, DiskFile, OpenMode};

use super::keyed_log::*;
use super::*;
use crate::Log;
use crate::test_log::*;

/// Begins a cleaning of everything and writes its first group, which is not yet put in place.
fn cleaned_group(log: &mut Log<MemoryDisk>) -> (Compaction<MemoryDisk>, Replacement<MemoryDisk>) {
    log.sync().expect("sync");
    let stable = log.log_end_offset();
    let found = log.dirtiness(None, stable, 0).expect("readable");
    let mut compaction = log
        .begin_compaction(&found, HashMap::new(), limits(), 0)
        .expect("begin");
    let mut go_on = |_| ControlFlow::Continue(());
    compaction.index(&mut Pace(&mut go_on)).expect("indexed");
    let replacement = compaction
        .clean_next(&mut Pace(&mut go_on))
        .expect("written")
        .expect("one");
    (compaction, replacement)
}

#[test]
fn damage_is_reported_and_nothing_is_touched() {
    let disk = memory_disk();
    let mut log = filled(&disk, 10);
    log.roll(0).expect("roll");
    log.sync().expect("sync");
    let before = file_names(&disk);
    let victim = "00000000000000000000.log";
    let mut bytes = read_file(&disk, victim);
    bytes[100] ^= 1;
    write_file(&disk, victim, &bytes);
    let outcome = clean(&mut log, None, &HashMap::new(), limits(), 5_000);
    assert!(matches!(
        outcome,
        Err(CompactionError::Damaged(ReadError::Corrupt {
            segment_base_offset: 0,
            ..
        }))
    ));
    assert_eq!(file_names(&disk), before);
    assert_eq!(read_file(&disk, victim), bytes);
}

#[test]
fn a_truncation_meanwhile_ends_the_cleaning() {
    let disk = memory_disk();
    let mut log = filled(&disk, 10);
    let (_compaction, replacement) = cleaned_group(&mut log);
    log.truncate(5, 0).expect("truncate");
    let names = keyed_records(&mut log);
    assert!(matches!(
        log.replace_segments(replacement, 0),
        Err(CompactionError::Aborted)
    ));
    assert_eq!(keyed_records(&mut log), names);
    assert!(
        !file_names(&disk)
            .iter()
            .any(|name| name.ends_with(".cleaned"))
    );
    append_one(&mut log, keyed_batch(&[("a", Some("on"))], 10));
}

#[test]
fn deleted_segments_end_the_cleaning_of_their_group() {
    let disk = memory_disk();
    let mut log = filled(&disk, 200);
    let (_compaction, replacement) = cleaned_group(&mut log);
    let second = log.segments[1].base_offset;
    log.delete_records_before(second, 0).expect("delete");
    assert!(matches!(
        log.replace_segments(replacement, 0),
        Err(CompactionError::Aborted)
    ));
    assert_eq!(log.log_start_offset(), second);
}

#[test]
fn readers_with_an_open_slice_go_on_reading() {
    let disk = memory_disk();
    let mut log = filled(&disk, 10);
    let slice = log
        .read(0, 500, i64::MAX, true)
        .expect("read")
        .expect("data");
    let before = slice.to_vec().expect("read");
    log.roll(0).expect("roll");
    clean_all(&mut log, 5_000);
    for path in log.take_due_deletions(i64::MAX) {
        disk.remove_file(&path).expect("remove");
    }
    assert_eq!(slice.to_vec().expect("read"), before);
    // The remembered end of that read is not a boundary of the new segment.
    let next = log
        .read(slice.next_offset_hint, 500, i64::MAX, true)
        .expect("read")
        .expect("data");
    headers(&next.to_vec().expect("read"));
}

#[test]
fn leftovers_of_an_earlier_cleaning_are_swept() {
    let disk = memory_disk();
    let mut log = filled(&disk, 10);
    log.roll(0).expect("roll");
    write_file(&disk, "00000000000000000003.log.cleaned", b"junk");
    let before = keyed_records(&mut log);
    clean_all(&mut log, 5_000);
    assert_compaction_of(&before, &keyed_records(&mut log));
    assert!(
        !file_names(&disk)
            .iter()
            .any(|name| name.ends_with(".cleaned"))
    );
}

#[test]
fn a_full_disk_leaves_the_log_and_no_rubbish() {
    use millrace_host::disk::faulty::{Failure, Fault, FaultyDisk, Operation};
    let disk = FaultyDisk::new(memory_disk());
    let mut log = open(&disk, config());
    write(&mut log, 200, 10);
    log.roll(0).expect("roll");
    let before = keyed_records(&mut log);
    for after in 0..3 {
        disk.arm(Fault {
            operation: Some(Operation::Write),
            after,
            failure: Failure::NoSpace,
            lasting: true,
        });
        let outcome = clean(&mut log, None, &HashMap::new(), limits(), 5_000);
        assert!(matches!(outcome, Err(CompactionError::Storage(error)) if error.is_out_of_space()));
        disk.disarm();
        assert_compaction_of(&before, &keyed_records(&mut log));
        assert!(
            !file_names(&disk)
                .iter()
                .any(|name| name.ends_with(".cleaned"))
        );
    }
    assert!(!log.is_fenced());
    clean_all(&mut log, 5_000);
    assert_compaction_of(&before, &keyed_records(&mut log));
    let file = disk
        .open(&file_path("probe"), OpenMode::Create)
        .expect("open");
    file.write_all_at(b"x", 0).expect("there is space again");
}
