use std::path::Path;

use millrace_host::disk::Disk;
use millrace_host::disk::faulty::{Failure, Fault, FaultyDisk};
use millrace_host::disk::memory::MemoryDisk;

use crate::error::OpenError;
use crate::test_log::{
    DIR, append_one, batch, clean_hints, file_names, fill, memory_disk, open, open_with, read_all,
    read_file, small_config, write_file,
};
use crate::{Log, LogConfig, OpenHints};

const FIRST_LOG: &str = "00000000000000000000.log";
const FIRST_INDEX: &str = "00000000000000000000.index";
const FIRST_TIME_INDEX: &str = "00000000000000000000.timeindex";

/// Everything in one segment.
fn one_segment() -> LogConfig {
    LogConfig {
        segment_bytes: 1_000_000,
        segment_index_bytes: 100_000,
        ..small_config()
    }
}

/// A closed log of one segment with `batches` batches, and its batches.
fn closed_log(disk: &MemoryDisk, batches: usize) -> Vec<Vec<u8>> {
    let mut log = open(disk, one_segment());
    fill(&mut log, batches, 100);
    let all = read_all(&mut log);
    log.close(true).expect("close");
    all
}

fn unclean(disk: &MemoryDisk) -> Log<MemoryDisk> {
    open_with(disk, one_segment(), OpenHints::default())
}

#[test]
fn torn_tail_is_cut_at_the_last_whole_batch() {
    let disk = memory_disk();
    let all = closed_log(&disk, 12);
    let whole = read_file(&disk, FIRST_LOG);
    let last = all.last().expect("batches").len();
    for cut in 1..=last {
        write_file(&disk, FIRST_LOG, &whole[..whole.len() - cut]);
        let mut log = unclean(&disk);
        assert_eq!(log.log_end_offset(), 11, "cut {cut}");
        // A batch begins with zeros: one cut off that early looks like space set aside.
        let report = log.open_report();
        let cut_off = report.truncated_bytes + report.unused_bytes;
        assert_eq!(cut_off as usize, last - cut);
        assert_eq!(read_all(&mut log), all[..11]);
        assert_eq!(append_one(&mut log, batch(&[1], 10)), 11);
    }
}

#[test]
fn any_flipped_bit_behind_the_recovery_point_ends_the_log_before_it() {
    let disk = memory_disk();
    let all = closed_log(&disk, 6);
    let whole = read_file(&disk, FIRST_LOG);
    let one = all[0].len();
    for bit in 0..whole.len() * 8 {
        // Base offset and leader epoch lie outside the checksum: there only a break of the offset order shows.
        if (bit / 8) % one < 8 || (12..16).contains(&((bit / 8) % one)) {
            continue;
        }
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        write_file(&disk, FIRST_LOG, &damaged);
        let mut log = unclean(&disk);
        let kept = bit / 8 / one;
        assert_eq!(read_all(&mut log), all[..kept], "bit {bit}");
        assert_eq!(log.log_end_offset(), kept as i64);
    }
}

#[test]
fn garbage_and_zeros_behind_the_end_are_cut_off() {
    let disk = memory_disk();
    let all = closed_log(&disk, 5);
    let whole = read_file(&disk, FIRST_LOG);
    for tail in [
        vec![0; 3_000],
        vec![0xff; 100],
        vec![7; 61],
        vec![0; 1],
        b"not a batch at all, but long enough to look like a header of sixty one bytes".to_vec(),
    ] {
        write_file(&disk, FIRST_LOG, &[whole.clone(), tail].concat());
        let mut log = unclean(&disk);
        assert_eq!(read_all(&mut log), all);
        assert_eq!(read_file(&disk, FIRST_LOG), whole);
    }
}

#[test]
fn space_set_aside_in_advance_is_no_damage() {
    let disk = memory_disk();
    let all = closed_log(&disk, 60);
    let whole = read_file(&disk, FIRST_LOG);
    for zeros in [1, 60, 5_000] {
        let mut longer = whole.clone();
        longer.resize(whole.len() + zeros, 0);
        for hints in [clean_hints(), OpenHints::default()] {
            write_file(&disk, FIRST_LOG, &longer);
            let mut log = open_with(&disk, one_segment(), hints);
            assert_eq!(read_all(&mut log), all);
            assert_eq!(log.open_report().truncated_bytes, 0);
            assert_eq!(log.open_report().unused_bytes, zeros as u64);
            assert_eq!(read_file(&disk, FIRST_LOG), whole);
        }
    }
}

#[test]
fn a_segment_that_ends_in_zeros_does_not_cost_those_behind_it() {
    let small = LogConfig {
        segment_bytes: 700,
        ..one_segment()
    };
    let disk = memory_disk();
    let mut log = open_with(&disk, small.clone(), OpenHints::default());
    for _ in 0..12 {
        let mut next = batch(&[1, 2], 100);
        log.append(&mut [&mut next], 0, 0).expect("append");
    }
    let all = read_all(&mut log);
    assert!(log.segment_count() > 2);
    log.close(true).expect("close");
    let mut longer = read_file(&disk, FIRST_LOG);
    longer.resize(longer.len() + 900, 0);
    write_file(&disk, FIRST_LOG, &longer);
    let mut log = open_with(&disk, small.clone(), OpenHints::default());
    assert_eq!(read_all(&mut log), all);
    assert_eq!(log.open_report().dropped_segments, 0);
    log.close(true).expect("close");
    // One that ends in anything else does.
    longer.push(1);
    write_file(&disk, FIRST_LOG, &longer);
    let log = open_with(&disk, small, OpenHints::default());
    assert!(log.open_report().dropped_segments > 0);
}

#[test]
fn missing_short_or_wrong_indexes_are_rebuilt_clean_or_not() {
    let disk = memory_disk();
    let all = closed_log(&disk, 60);
    let (index, time_index) = (
        read_file(&disk, FIRST_INDEX),
        read_file(&disk, FIRST_TIME_INDEX),
    );
    let mut shifted = index.clone();
    shifted.rotate_left(3);
    let reversed: Vec<u8> = index.chunks(8).rev().flatten().copied().collect();
    let bad_indexes = [
        vec![],
        vec![0; 13],
        vec![0; index.len()],
        vec![0xff; index.len()],
        shifted,
        reversed,
        index[8..].to_vec(),
        index[..16].to_vec(),
    ];
    let bad_time_indexes = [vec![], vec![1; 5], vec![0xff; 24], vec![0x7f; 24]];
    for hints in [
        clean_hints(),
        OpenHints::default(),
        OpenHints {
            recovery_point: 30,
            ..OpenHints::default()
        },
    ] {
        for damage in 0..bad_indexes.len() + bad_time_indexes.len() + 2 {
            write_file(
                &disk,
                FIRST_INDEX,
                bad_indexes.get(damage).unwrap_or(&index),
            );
            let time_damage = damage.checked_sub(bad_indexes.len());
            write_file(
                &disk,
                FIRST_TIME_INDEX,
                time_damage
                    .and_then(|damage| bad_time_indexes.get(damage))
                    .unwrap_or(&time_index),
            );
            if damage == bad_indexes.len() + bad_time_indexes.len() {
                disk.remove_file(&crate::test_log::file_path(FIRST_INDEX))
                    .expect("remove");
            }
            if damage == bad_indexes.len() + bad_time_indexes.len() + 1 {
                disk.remove_file(&crate::test_log::file_path(FIRST_TIME_INDEX))
                    .expect("remove");
            }
            let mut log = open_with(&disk, one_segment(), hints);
            assert_eq!(log.log_end_offset(), 60, "damage {damage}");
            for offset in [0, 1, 17, 31, 45, 59] {
                let slice = log
                    .read(offset, 1, i64::MAX, true)
                    .expect("read")
                    .expect("data");
                assert_eq!(
                    slice.to_vec().expect("read"),
                    all[offset as usize],
                    "damage {damage}"
                );
            }
            let found = log
                .offset_for_timestamp(455)
                .expect("lookup")
                .map(|found| found.offset);
            assert_eq!(found, Some(46), "damage {damage}");
            assert_eq!(
                log.offset_of_max_timestamp()
                    .expect("lookup")
                    .map(|found| found.offset),
                Some(59)
            );
            log.close(true).expect("close");
        }
    }
}

#[test]
fn only_bytes_behind_the_recovery_point_are_read() {
    let disk = memory_disk();
    closed_log(&disk, 200);
    let size = read_file(&disk, FIRST_LOG).len() as u64;
    for (recovery_point, expected) in [
        (0, size),
        (100, size / 2),
        (199, size / 200),
        (200, 0),
        (500, 0),
    ] {
        let log = open_with(
            &disk,
            one_segment(),
            OpenHints {
                recovery_point,
                ..OpenHints::default()
            },
        );
        assert_eq!(
            log.open_report().scanned_bytes,
            expected,
            "{recovery_point}"
        );
        assert_eq!(log.log_end_offset(), 200);
    }
}

#[test]
fn a_hole_that_the_cleaner_left_is_no_gap_after_the_policy_changed() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    fill(&mut log, 80, 150);
    let all = read_all(&mut log);
    log.close(true).expect("close");
    let names: Vec<String> = file_names(&disk)
        .into_iter()
        .filter(|name| name.ends_with(".log"))
        .collect();
    let base_offset = |name: &str| name[..20].parse::<i64>().expect("digits");
    let (second, third) = (base_offset(&names[1]), base_offset(&names[2]));
    disk.remove_file(&crate::test_log::file_path(&names[1]))
        .expect("remove");
    let hints = |cleaned_offset| OpenHints {
        cleaned_offset,
        ..OpenHints::default()
    };
    let kept = [&all[..second as usize], &all[third as usize..]].concat();
    assert_eq!(
        read_all(&mut open_with(&disk, small_config(), hints(third))),
        kept
    );
    // Beyond what was cleaned nothing explains a gap.
    let mut log = open_with(&disk, small_config(), hints(third - 1));
    assert_eq!(read_all(&mut log), all[..second as usize]);
}

#[test]
fn segments_behind_damage_or_a_gap_do_not_come_back() {
    for damage in ["flip", "short", "gone"] {
        let disk = memory_disk();
        let mut log = open(&disk, small_config());
        fill(&mut log, 80, 150);
        let all = read_all(&mut log);
        log.close(true).expect("close");
        let names: Vec<String> = file_names(&disk)
            .into_iter()
            .filter(|name| name.ends_with(".log"))
            .collect();
        let second = &names[1];
        let mut bytes = read_file(&disk, second);
        let one = all[0].len();
        let expected = match damage {
            "flip" => {
                bytes[one + 100] ^= 1;
                write_file(&disk, second, &bytes);
                second[..20].parse::<usize>().expect("digits") + 1
            }
            "short" => {
                write_file(&disk, second, &bytes[..one * 2]);
                second[..20].parse::<usize>().expect("digits") + 2
            }
            _ => {
                disk.remove_file(&crate::test_log::file_path(second))
                    .expect("remove");
                second[..20].parse::<usize>().expect("digits")
            }
        };
        let mut log = open(&disk, small_config());
        assert_eq!(read_all(&mut log), all[..expected], "{damage}");
        assert_eq!(
            log.open_report().dropped_segments as usize,
            names.len() - 2,
            "{damage}"
        );
        let live = file_names(&disk)
            .iter()
            .filter(|name| name.ends_with(".log"))
            .count();
        assert_eq!(live, log.segment_count());
        // The dropped ones wait under another name, and are gone after the delay or the next start.
        assert!(
            file_names(&disk)
                .iter()
                .any(|name| name.ends_with(".log.deleted"))
        );
        assert!(log.next_deletion_ms().is_some());
        for path in log.take_due_deletions(i64::MAX) {
            disk.remove_file(&path).expect("remove");
        }
        assert!(
            !file_names(&disk)
                .iter()
                .any(|name| name.ends_with(".deleted"))
        );
    }
}

#[test]
fn leftovers_and_orphans_are_cleaned_up() {
    let disk = memory_disk();
    let all = closed_log(&disk, 5);
    for name in [
        "00000000000000000100.log.deleted",
        "00000000000000000000.log.cleaned",
        "00000000000000000000.index.cleaned",
        "00000000000000000777.index",
        "00000000000000000777.timeindex",
        "00000000000000000777.txnindex",
        "leader-epoch-checkpoint.tmp",
    ] {
        write_file(&disk, name, b"leftover");
    }
    write_file(&disk, "somebody-elses.file", b"kept");
    let mut log = unclean(&disk);
    assert_eq!(read_all(&mut log), all);
    assert_eq!(log.open_report().cleaned_files, 7);
    let names = file_names(&disk);
    assert_eq!(
        names,
        [
            FIRST_INDEX,
            FIRST_LOG,
            FIRST_TIME_INDEX,
            "leader-epoch-checkpoint",
            "somebody-elses.file"
        ]
    );
}

#[test]
fn finished_compaction_replaces_its_segments() {
    let disk = memory_disk();
    let config = LogConfig {
        compacted: true,
        ..small_config()
    };
    let mut log = open(&disk, config.clone());
    fill(&mut log, 80, 150);
    let all = read_all(&mut log);
    let bases: Vec<i64> = log
        .segments
        .iter()
        .map(|segment| segment.base_offset)
        .collect();
    log.close(true).expect("close");
    // Segments 0 and 1 compacted into one that keeps the first and the last batch.
    let last_replaced = bases[2] as usize - 1;
    write_file(
        &disk,
        "00000000000000000000.log.swap",
        &[all[0].clone(), all[last_replaced].clone()].concat(),
    );
    write_file(&disk, "00000000000000000000.index.swap", b"");
    write_file(&disk, "00000000000000000000.timeindex.swap", b"");
    let mut log = open_with(&disk, config, clean_hints());
    let mut expected = vec![all[0].clone(), all[last_replaced].clone()];
    expected.extend_from_slice(&all[last_replaced + 1..]);
    assert_eq!(read_all(&mut log), expected);
    assert!(!file_names(&disk).iter().any(|name| name.ends_with(".swap")));
}

#[test]
fn old_record_formats_are_refused_not_cut_off() {
    let disk = memory_disk();
    drop(open(&disk, small_config()));
    let mut old = vec![0; 60];
    old[8..12].copy_from_slice(&48_i32.to_be_bytes());
    old[16] = 1;
    let crc = super::old_format::crc32(&old[16..]);
    old[12..16].copy_from_slice(&crc.to_be_bytes());
    write_file(&disk, FIRST_LOG, &old);
    let error = Log::open(
        disk.clone(),
        Path::new(DIR),
        small_config(),
        OpenHints::default(),
        0,
    )
    .err()
    .expect("refused");
    assert!(matches!(error, OpenError::Inconsistent { .. }));
    assert_eq!(read_file(&disk, FIRST_LOG), old);
}

#[test]
fn batch_larger_than_the_recovery_window_is_checked_whole() {
    let disk = memory_disk();
    let mut log = open(&disk, one_segment());
    for value_bytes in [10, 5_000, 20_000, 10, 3_000] {
        append_one(&mut log, batch(&[1], value_bytes));
    }
    let all = read_all(&mut log);
    drop(log);
    let mut log = unclean(&disk);
    assert_eq!(read_all(&mut log), all);
}

#[test]
fn every_failing_operation_while_opening_leaves_the_data_alone() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    fill(&mut log, 40, 150);
    let all = read_all(&mut log);
    log.sync().expect("sync");
    drop(log);
    let whole: Vec<(String, Vec<u8>)> = file_names(&disk)
        .into_iter()
        .filter(|name| name.ends_with(".log"))
        .map(|name| (name.clone(), read_file(&disk, &name)))
        .collect();
    for after in 0..400 {
        for failure in [Failure::Io, Failure::NoSpace] {
            let faulty = FaultyDisk::new(disk.clone());
            faulty.arm(Fault {
                operation: None,
                after,
                failure,
                lasting: false,
            });
            let result = Log::open(
                faulty.clone(),
                Path::new(DIR),
                small_config(),
                OpenHints::default(),
                0,
            );
            if let Ok(mut log) = result {
                assert_eq!(log.log_end_offset(), 40);
                faulty.disarm();
                assert_eq!(read_all(&mut log), all, "after {after}");
            }
            for (name, bytes) in &whole {
                assert_eq!(&read_file(&disk, name), bytes, "after {after}");
            }
        }
    }
    assert_eq!(read_all(&mut open(&disk, small_config())), all);
}

#[test]
fn crc_of_the_old_formats_is_the_common_one() {
    assert_eq!(super::old_format::crc32(b"123456789"), 0xcbf4_3926);
}
