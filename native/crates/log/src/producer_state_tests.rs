use millrace_host::disk::Disk;
use millrace_host::disk::memory::MemoryDisk;

use super::*;
use crate::test_log::{
    append_one, clean_hints, file_names, file_path, fill, marker, memory_disk, open, open_with,
    producer_batch, read_file, small_config, write_file,
};
use crate::{Admission, OpenHints, ProducerAppend, ProducerError, ProducerSnapshotEntry};

fn snapshot_names(disk: &MemoryDisk) -> Vec<String> {
    let mut names = file_names(disk);
    names.retain(|name| name.ends_with(SNAPSHOT_SUFFIX));
    names
}

fn entries(log: &mut Log<MemoryDisk>) -> Vec<ProducerSnapshotEntry> {
    let mut entries: Vec<_> = log.producers().expect("producers").entries().collect();
    entries.sort_unstable_by_key(|entry| entry.producer_id);
    entries
}

/// Two plain producers, one with a decided and one with an open transaction, over several segments.
fn write_producers(log: &mut Log<MemoryDisk>) {
    append_one(log, producer_batch(4, 0, 1, true));
    for sequence in 0..40 {
        append_one(log, producer_batch(1, sequence, 1, false));
        append_one(log, producer_batch(2, sequence * 3, 3, false));
    }
    append_one(log, producer_batch(3, 0, 2, true));
    append_one(log, marker(3, true));
    append_one(log, producer_batch(1, 40, 1, false));
    assert!(log.segment_count() > 3);
}

#[test]
fn a_snapshot_is_written_where_a_segment_begins_and_at_the_end_of_a_clean_life() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    write_producers(&mut log);
    let bases: Vec<i64> = log
        .segments
        .iter()
        .map(|segment| segment.base_offset)
        .collect();
    let before = entries(&mut log);
    log.close(true).expect("close");
    let mut expected: Vec<String> = bases[1..]
        .iter()
        .map(|base| format!("{base:020}.snapshot"))
        .collect();
    expected.push(format!("{:020}.snapshot", log.log_end_offset()));
    assert_eq!(snapshot_names(&disk), expected);
    let last = parse_producer_snapshot(&read_file(&disk, expected.last().expect("one")))
        .expect("a sound snapshot");
    assert_eq!(last.len(), 4);

    let mut log = open_with(&disk, small_config(), clean_hints());
    assert_eq!(entries(&mut log), before);
    assert_eq!(log.first_unstable_offset().expect("state"), Some(0));
    assert!(log.segments.iter().all(|segment| segment.scans == 0));
    // The next life's last snapshot takes the place of this one's, as Kafka prunes.
    append_one(&mut log, producer_batch(1, 41, 1, false));
    log.close(true).expect("close");
    let log = open_with(&disk, small_config(), clean_hints());
    expected.pop();
    expected.push(format!("{:020}.snapshot", log.log_end_offset()));
    assert_eq!(snapshot_names(&disk), expected);
}

#[test]
fn a_wrong_or_missing_snapshot_is_made_good_by_the_log() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    write_producers(&mut log);
    let expected = entries(&mut log);
    log.close(true).expect("close");
    let names = snapshot_names(&disk);
    let newest = names.last().expect("one");
    let sound = read_file(&disk, newest);
    let future = format!("{:020}.snapshot", log.log_end_offset() + 5);
    type Damage = fn(&MemoryDisk, &str, &[u8]);
    let damages: [Damage; 4] = [
        |disk, name, _| disk.remove_file(&file_path(name)).expect("remove"),
        |disk, name, sound| write_file(disk, name, &sound[..sound.len() - 1]),
        |disk, name, sound| {
            let mut flipped = sound.to_vec();
            flipped[20] ^= 1;
            write_file(disk, name, &flipped);
        },
        |disk, name, _| write_file(disk, name, &[0; 56]),
    ];
    for damage in damages {
        damage(&disk, newest, &sound);
        write_file(&disk, &future, &encode_producer_snapshot(&[]));
        let mut log = open_with(&disk, small_config(), clean_hints());
        assert_eq!(entries(&mut log), expected);
        assert!(!snapshot_names(&disk).contains(&future));
        write_file(&disk, newest, &sound);
    }
    for name in &names {
        disk.remove_file(&file_path(name)).expect("remove");
    }
    let mut log = open_with(&disk, small_config(), clean_hints());
    assert_eq!(entries(&mut log), expected);
}

#[test]
fn a_snapshot_behind_the_recovery_point_is_not_believed() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    write_producers(&mut log);
    let expected = entries(&mut log);
    let recovery_point = log.segments[2].base_offset;
    log.close(true).expect("close");
    // What a truncation removed and a power loss brought back: sound, and of another history.
    let stale = snapshot_names(&disk).pop().expect("one");
    write_file(&disk, &stale, &encode_producer_snapshot(&[]));
    let hints = OpenHints {
        recovery_point,
        ..OpenHints::default()
    };
    let mut log = open_with(&disk, small_config(), hints);
    assert_eq!(entries(&mut log), expected);
}

#[test]
fn truncation_takes_back_what_it_cut() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    write_producers(&mut log);
    let end_offset = log.log_end_offset();
    // The marker and what followed it.
    log.truncate(end_offset - 2, 0).expect("truncate");
    let open_ones = entries(&mut log)
        .iter()
        .filter(|entry| entry.current_txn_first_offset >= 0)
        .count();
    assert_eq!(open_ones, 2);
    log.truncate(0, 0).expect("truncate");
    assert_eq!(entries(&mut log), []);
    assert_eq!(snapshot_names(&disk), [] as [String; 0]);
}

#[test]
fn a_step_that_is_not_appended_is_forgotten_and_duplicates_are_found_after_reopening() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    let batch = producer_batch(9, 0, 2, false);
    let header = BatchHeader::parse(&batch).expect("a batch");
    let producers = log.producers().expect("producers");
    producers.begin();
    let append = ProducerAppend::from(&header);
    assert_eq!(producers.admit(&append, 0), Ok(Admission::Append));
    producers.begin();
    assert!(producers.is_empty());
    append_one(&mut log, batch);
    fill(&mut log, 3, 10);
    log.close(true).expect("close");
    let mut log = open_with(&disk, small_config(), clean_hints());
    let again = ProducerAppend {
        base_offset: 5,
        last_offset: 6,
        ..append
    };
    let producers = log.producers().expect("producers");
    let duplicate = producers.admit(&again, 0);
    assert_eq!(
        duplicate,
        Ok(Admission::Duplicate {
            base_offset: 0,
            last_offset: 1,
            timestamp: 1_000
        })
    );
    let gap = ProducerAppend {
        base_sequence: 7,
        last_sequence: 8,
        ..again
    };
    assert_eq!(
        producers.admit(&gap, 0),
        Err(ProducerError::OutOfOrder { last_sequence: 1 })
    );
}
