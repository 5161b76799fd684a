use millrace_host::disk::Disk;
use millrace_host::disk::memory::MemoryDisk;

use super::*;
use crate::test_log::{
    append_one, clean_hints, file_names, file_path, fill, marker, memory_disk, open, open_with,
    producer_batch, read_file, small_config, write_file,
};
use crate::txn_index::{encode_entries, parse_entries};
use crate::{LogConfig, OpenHints};

const END: i64 = i64::MAX;

fn aborted(log: &mut Log<MemoryDisk>, from: i64, to: i64) -> Vec<(i64, i64, i64)> {
    let found = log.aborted_transactions(from, to).expect("index");
    found
        .iter()
        .map(|entry| (entry.producer_id, entry.first_offset, entry.last_offset))
        .collect()
}

fn txn_index_names(disk: &MemoryDisk) -> Vec<String> {
    let mut names = file_names(disk);
    names.retain(|name| name.ends_with(TXN_INDEX_SUFFIX));
    names
}

/// Ten rounds, each with an aborted and a committed transaction and plain batches between them, over many segments.
fn write_rounds(log: &mut Log<MemoryDisk>) -> Vec<(i64, i64, i64)> {
    let mut expected = Vec::new();
    for round in 0..20 {
        let first = append_one(log, producer_batch(1, round * 4, 2, true));
        append_one(log, producer_batch(2, round * 2, 2, true));
        fill(log, 5, 100);
        append_one(log, producer_batch(1, round * 4 + 2, 2, true));
        expected.push((1, first, append_one(log, marker(1, false))));
        append_one(log, marker(2, true));
    }
    assert!(log.segment_count() > 5);
    expected
}

fn scans(log: &Log<MemoryDisk>) -> Vec<u32> {
    log.segments.iter().map(|segment| segment.scans).collect()
}

#[test]
fn aborted_transactions_are_those_that_touch_the_range() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    let expected = write_rounds(&mut log);
    assert_eq!(aborted(&mut log, 0, END), expected);
    for &(_, first, last) in &expected {
        for (from, to) in [
            (0, first),
            (last + 1, END),
            (first, last + 1),
            (last, last + 1),
        ] {
            let touching = |entry: &&(i64, i64, i64)| entry.2 >= from && entry.1 < to;
            let touched: Vec<_> = expected.iter().filter(touching).copied().collect();
            assert_eq!(aborted(&mut log, from, to), touched, "{from}..{to}");
        }
    }
    assert!(
        scans(&log).iter().all(|scans| *scans == 0),
        "known since it was written"
    );
    log.close(true).expect("close");
    let mut log = open_with(&disk, small_config(), clean_hints());
    assert_eq!(aborted(&mut log, 0, END), expected);
}

#[test]
fn a_transaction_over_many_segments_is_found_from_its_first_record() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    let first = append_one(&mut log, producer_batch(1, 0, 1, true));
    fill(&mut log, 100, 100);
    assert_eq!(log.first_unstable_offset().expect("state"), Some(first));
    let last = append_one(&mut log, marker(1, false));
    assert_eq!(log.first_unstable_offset().expect("state"), None);
    assert_eq!(aborted(&mut log, 0, 1), [(1, first, last)]);
    let names = txn_index_names(&disk);
    assert_eq!(
        names.len(),
        1,
        "only the segment of the marker has an index"
    );
    let entries = parse_entries(&read_file(&disk, &names[0])).expect("sound");
    assert_eq!(entries[0].last_stable_offset, last + 1);
    log.close(true).expect("close");
    let mut log = open_with(&disk, small_config(), clean_hints());
    assert_eq!(aborted(&mut log, 0, 1), [(1, first, last)]);
}

#[test]
fn a_log_without_transactions_reads_nothing_to_know_it() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    for sequence in 0..100 {
        append_one(&mut log, producer_batch(1, sequence, 1, false));
    }
    log.close(true).expect("close");
    let mut log = open_with(&disk, small_config(), clean_hints());
    assert_eq!(aborted(&mut log, 0, END), []);
    assert!(scans(&log).iter().all(|scans| *scans == 0));
    assert_eq!(txn_index_names(&disk), [] as [String; 0]);
}

#[test]
fn one_wrong_index_makes_its_own_segment_be_read_and_no_other() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    let expected = write_rounds(&mut log);
    log.close(true).expect("close");
    let names = txn_index_names(&disk);
    let damaged = &names[names.len() / 2];
    let sound = read_file(&disk, damaged);
    let mut wrong_first = parse_entries(&sound).expect("sound");
    wrong_first[0].first_offset -= 1;
    let mut wrong_stable = parse_entries(&sound).expect("sound");
    wrong_stable[0].last_stable_offset += 1_000;
    let mut flipped = sound.clone();
    flipped[1] ^= 1;
    let damages = [
        None,
        Some(Vec::new()),
        Some(sound[..sound.len() - 1].to_vec()),
        Some([sound.clone(), sound.clone()].concat()),
        Some(encode_entries(&wrong_first)),
        Some(encode_entries(&wrong_stable)),
        Some(flipped),
        Some(vec![0; 1_000_000]),
    ];
    for damage in damages {
        match &damage {
            Some(bytes) => write_file(&disk, damaged, bytes),
            None => disk.remove_file(&file_path(damaged)).expect("remove"),
        }
        let mut log = open_with(&disk, small_config(), clean_hints());
        let index = log
            .segments
            .iter()
            .position(|segment| damaged.starts_with(&format!("{:020}", segment.base_offset)))
            .expect("the segment of the index");
        let (from, to) = (
            log.segments[index].base_offset,
            log.segments[index + 1].base_offset,
        );
        let touching = |entry: &&(i64, i64, i64)| entry.2 >= from && entry.1 < to;
        let touched: Vec<_> = expected.iter().filter(touching).copied().collect();
        assert_eq!(aborted(&mut log, from, to), touched);
        let read: Vec<usize> = (0..log.segments.len())
            .filter(|&other| log.segments[other].scans > 0)
            .collect();
        assert!(
            read == [index] || read == [index, index + 1],
            "{read:?}: the segment itself, and the next only where a transaction of it is decided"
        );
        assert_eq!(read_file(&disk, damaged), sound, "and it is right again");
        assert_eq!(aborted(&mut log, 0, END), expected);
        assert!(
            scans(&log).iter().all(|scans| *scans <= 1),
            "each is read once at most"
        );
    }
}

#[test]
fn recovery_leaves_every_index_as_the_batches_say() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    let expected = write_rounds(&mut log);
    log.sync().expect("sync");
    drop(log);
    let names = txn_index_names(&disk);
    let before: Vec<Vec<u8>> = names.iter().map(|name| read_file(&disk, name)).collect();
    for name in &names {
        disk.remove_file(&file_path(name)).expect("remove");
    }
    let mut log = open_with(&disk, small_config(), OpenHints::default());
    assert_eq!(txn_index_names(&disk), names);
    let after: Vec<Vec<u8>> = names.iter().map(|name| read_file(&disk, name)).collect();
    assert_eq!(after, before);
    assert_eq!(aborted(&mut log, 0, END), expected);
}

#[test]
fn truncation_cuts_the_index_with_its_segment() {
    let disk = memory_disk();
    let mut log = open(
        &disk,
        LogConfig {
            segment_bytes: 1_000_000,
            ..small_config()
        },
    );
    let first = append_one(&mut log, producer_batch(1, 0, 1, true));
    let last = append_one(&mut log, marker(1, false));
    let second = append_one(&mut log, producer_batch(1, 1, 1, true));
    append_one(&mut log, marker(1, false));
    log.truncate(second + 1, 0).expect("truncate");
    assert_eq!(aborted(&mut log, 0, END), [(1, first, last)]);
    assert_eq!(log.first_unstable_offset().expect("state"), Some(second));
    let names = txn_index_names(&disk);
    assert_eq!(read_file(&disk, &names[0]).len(), 34);
    // Committed this time: nothing of the first try may come back.
    append_one(&mut log, marker(1, true));
    log.close(true).expect("close");
    let mut log = open_with(&disk, small_config(), clean_hints());
    assert_eq!(aborted(&mut log, 0, END), [(1, first, last)]);
    log.truncate(0, 0).expect("truncate");
    assert_eq!(txn_index_names(&disk), [] as [String; 0]);
}

#[test]
fn what_began_before_the_oldest_segment_is_kept_as_the_index_says() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    let first = append_one(&mut log, producer_batch(1, 0, 1, true));
    fill(&mut log, 60, 100);
    append_one(&mut log, producer_batch(1, 1, 1, true));
    let last = append_one(&mut log, marker(1, false));
    fill(&mut log, 10, 100);
    let start = log.log_end_offset() - 12;
    log.delete_records_before(start, 0).expect("delete");
    assert!(log.segments[0].base_offset > first);
    log.close(true).expect("close");
    for name in file_names(&disk) {
        if name.ends_with(".snapshot") {
            disk.remove_file(&file_path(&name)).expect("remove");
        }
    }
    let hints = OpenHints {
        log_start_offset: start,
        ..clean_hints()
    };
    let mut log = open_with(&disk, small_config(), hints);
    let found = aborted(&mut log, start, END);
    assert_eq!(found.len(), 1);
    assert!(found[0].1 <= last && found[0].2 == last);
}
