//! What one changed bit, a cut, a range of zeros or an old file can do to a partition: for each, the directory is verified, then opened cleanly
//! and after a crash, and everything is read. `MILLRACE_ALL_FLIPS=1` flips every bit (run it with `--release`); without it a spread of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use millrace_host::disk::memory::MemoryDisk;
use millrace_host::disk::{Disk, DiskFile, OpenMode};
use millrace_record::control::end_transaction_batch;
use millrace_record::{BatchBuilder, BatchHeader, BatchIter, Compression, validate_stored};

use super::{Severity, VerifyOptions, VerifyReport, verify_directory_files, verify_partition};
use crate::offset_checkpoint::{parse_offset_checkpoint, write_offset_checkpoint};
use crate::test_log::{DIR, read_all};
use crate::verify::PartitionEnds;
use crate::{Log, LogConfig, OffsetCheckpoint, OpenHints};

const SEGMENT_BYTES: u32 = 64 * 1024;
const CLOSED_LOG: &str = "00000000000000000000.log";

type Files = Vec<(String, Vec<u8>)>;

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: SEGMENT_BYTES,
        index_interval_bytes: 2048,
        ..LogConfig::default()
    }
}

/// A full segment and the beginning of the next, with every codec, three leader epochs, a producer with sequences and one with transactions.
fn filled() -> (Files, Vec<Vec<u8>>) {
    let disk = MemoryDisk::new();
    let mut log = opened(&disk, OpenHints::default()).expect("open");
    let mut sequence = 0;
    let mut round = 0;
    let mut beyond = 0;
    while beyond < 12 {
        let mut builder = BatchBuilder::new();
        let codecs = [
            None,
            Some(Compression::Gzip),
            Some(Compression::Snappy),
            Some(Compression::Lz4),
            Some(Compression::Zstd),
        ];
        builder.compression(codecs[round % codecs.len()]);
        match round % 3 {
            0 => _ = builder.producer(7, 0, sequence),
            1 => _ = builder.producer(9, 2, sequence).transactional(),
            _ => {}
        }
        for record in 0..(round % 7) as u64 + 1 {
            let noise: Vec<u8> = (0..120 + round as u64 % 90)
                .map(|byte| {
                    (byte
                        .wrapping_mul(record + 3)
                        .wrapping_mul(round as u64 + 11)
                        >> 3) as u8
                })
                .collect();
            let timestamp = 1_700_000_000_000 + round as i64 * 20 - (round as i64 % 4) * 50;
            builder.append(
                timestamp + record as i64,
                Some(&noise[..9]),
                Some(&noise),
                &[],
            );
        }
        sequence += (round % 7) as i32 + 1;
        let epoch = (log.log_end_offset() / 120).min(2) as i32;
        append_at(&mut log, builder.build(), epoch);
        if round % 8 == 7 {
            append_at(
                &mut log,
                end_transaction_batch(9, 2, round % 16 == 7, 0, 5),
                epoch,
            );
        }
        round += 1;
        beyond += usize::from(log.segment_count() == 2);
    }
    let batches = read_all(&mut log);
    log.close(true).expect("close");
    let entries = disk.list(Path::new(DIR)).expect("list");
    let files: Files = entries
        .into_iter()
        .map(|entry| {
            let bytes = disk.read_file(&Path::new(DIR).join(&entry.name));
            (entry.name, bytes.expect("read"))
        })
        .collect();
    (files, batches)
}

fn append_at(log: &mut Log<MemoryDisk>, mut batch: Vec<u8>, epoch: i32) {
    log.append(&mut [&mut batch], epoch, 0).expect("append");
}

fn opened(disk: &MemoryDisk, hints: OpenHints) -> Result<Log<MemoryDisk>, crate::OpenError> {
    Log::open(disk.clone(), Path::new(DIR), config(), hints, 0)
}

fn laid_out(files: &Files) -> MemoryDisk {
    let disk = MemoryDisk::new();
    disk.create_dir_all(Path::new(DIR)).expect("create");
    for (name, bytes) in files {
        let path = Path::new(DIR).join(name);
        let file = disk.open(&path, OpenMode::Truncate).expect("open");
        file.write_all_at(bytes, 0).expect("write");
    }
    disk
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    changed: u64,
    detected: u64,
    /// Passed verification and was read as what was not written.
    served_wrong: u64,
    crashed: u64,
}

impl Totals {
    /// Verifies the directory, then reads it after a clean stop and after a crash.
    fn count(&mut self, files: &Files, batches: &[Vec<u8>]) {
        self.changed += 1;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let report = verified(files);
            let serves_other = [true, false].map(|clean_shutdown| {
                let hints = OpenHints {
                    clean_shutdown,
                    ..OpenHints::default()
                };
                serves_other_than(files, hints, batches)
            });
            (
                report.worst() > Severity::Note,
                serves_other.contains(&true),
            )
        }));
        match outcome {
            Err(_) => self.crashed += 1,
            Ok((true, _)) => self.detected += 1,
            Ok((false, serves_other)) => self.served_wrong += u64::from(serves_other),
        }
    }
}

fn verified(files: &Files) -> VerifyReport {
    let disk = laid_out(files);
    verify_partition(&disk, Path::new(DIR), VerifyOptions::default()).expect("a memory disk reads")
}

/// Whether anything that is read is not at its place what was written. An error on the way serves nothing wrong.
fn serves_other_than(files: &Files, hints: OpenHints, batches: &[Vec<u8>]) -> bool {
    let disk = laid_out(files);
    let Ok(mut log) = opened(&disk, hints) else {
        return false;
    };
    let mut offset = log.log_start_offset();
    while offset < log.log_end_offset() {
        let Ok(Some(slice)) = log.read(offset, 1 << 20, i64::MAX, true) else {
            return false;
        };
        let bytes = slice.to_vec().expect("read");
        for item in BatchIter::new(&bytes) {
            let Ok((header, batch)) = item else {
                return false;
            };
            let written = batches.iter().find(|each| {
                BatchHeader::parse(each).expect("a batch").base_offset == header.base_offset
            });
            // Every client checks the checksum: a batch that fails it is not taken for a right one.
            if validate_stored(batch).is_ok() && written.is_none_or(|written| written != batch) {
                return true;
            }
        }
        if slice.next_offset_hint <= offset {
            return false;
        }
        offset = slice.next_offset_hint;
    }
    false
}

/// All bits, or a spread of about `sample` of them.
fn bits_of(bytes: &[u8], sample: usize) -> impl Iterator<Item = usize> {
    let bits = bytes.len() * 8;
    let all = std::env::var_os("MILLRACE_ALL_FLIPS").is_some() || bits <= sample;
    // Odd, so that every position within a byte comes up.
    let step = if all { 1 } else { (bits / sample) | 1 };
    (0..bits).step_by(step)
}

fn flip_all(name: &str, files: &Files, batches: &[Vec<u8>], sample: usize) -> Totals {
    let index = files
        .iter()
        .position(|(each, _)| each == name)
        .expect("the file exists");
    let mut totals = Totals::default();
    let mut damaged = files.clone();
    for bit in bits_of(&files[index].1, sample) {
        damaged[index].1[bit / 8] ^= 1 << (bit % 8);
        totals.count(&damaged, batches);
        damaged[index].1[bit / 8] ^= 1 << (bit % 8);
    }
    println!(
        "{name}: {} bits flipped, {} detected, {} served wrong, {} crashed",
        totals.changed, totals.detected, totals.served_wrong, totals.crashed
    );
    totals
}

#[test]
fn an_untouched_directory_has_no_findings() {
    let (files, _) = filled();
    assert_eq!(verified(&files).findings, []);
    for suffix in [".txnindex", ".snapshot", ".timeindex"] {
        assert!(
            files.iter().any(|(name, _)| name.ends_with(suffix)),
            "{suffix}"
        );
    }
    let closed = files
        .iter()
        .find(|(name, _)| name == CLOSED_LOG)
        .expect("exists");
    assert!(closed.1.len() > SEGMENT_BYTES as usize - 2_000);
}

#[test]
fn no_flipped_bit_of_a_partition_passes_verification() {
    let (files, batches) = filled();
    for (name, _) in &files {
        // The id of the topic is in no other file of the partition.
        if name == "partition.metadata" {
            continue;
        }
        let totals = flip_all(name, &files, &batches, 700);
        assert_eq!(totals.detected, totals.changed, "{name}");
        assert_eq!((totals.served_wrong, totals.crashed), (0, 0), "{name}");
    }
}

#[test]
fn a_cut_closed_file_passes_verification_only_if_it_is_read_rightly() {
    let (files, batches) = filled();
    let mut totals = Totals::default();
    for index in 0..files.len() {
        let whole = files[index].1.clone();
        let mut damaged = files.clone();
        for cut in (1..=whole.len()).step_by((whole.len() / 120) | 1) {
            damaged[index].1.truncate(whole.len() - cut);
            totals.count(&damaged, &batches);
            damaged[index].1.clone_from(&whole);
        }
    }
    println!("cut: {totals:?}");
    assert_eq!((totals.served_wrong, totals.crashed), (0, 0));
    assert!(totals.detected > totals.changed / 2);
}

#[test]
fn zeros_in_place_of_data_pass_verification_only_if_it_is_read_rightly() {
    let (files, batches) = filled();
    let mut totals = Totals::default();
    for index in 0..files.len() {
        let len = files[index].1.len();
        let mut damaged = files.clone();
        for start in (0..len).step_by(512.min(len / 3 + 1)) {
            let end = (start + 512).min(len);
            damaged[index].1[start..end].fill(0);
            totals.count(&damaged, &batches);
            let whole = files[index].1[start..end].to_vec();
            damaged[index].1[start..end].copy_from_slice(&whole);
        }
    }
    println!("zeros: {totals:?}");
    assert_eq!((totals.served_wrong, totals.crashed), (0, 0));
    assert!(totals.detected > totals.changed / 2);
}

#[test]
fn files_of_an_earlier_time_pass_verification_only_if_they_are_read_rightly() {
    let (files, batches) = filled();
    let mut totals = Totals::default();
    for older in [1, 5, 20, 60] {
        let earlier = filled_up_to(older);
        for index in 0..files.len() {
            let Some((_, bytes)) = earlier.iter().find(|(name, _)| *name == files[index].0) else {
                continue;
            };
            let mut stale = files.clone();
            stale[index].1.clone_from(bytes);
            totals.count(&stale, &batches);
        }
    }
    println!("stale: {totals:?}");
    assert!(totals.changed > 10);
    assert_eq!((totals.served_wrong, totals.crashed), (0, 0));
}

/// The same directory as `filled` has, after its first rounds.
fn filled_up_to(rounds: usize) -> Files {
    let (files, batches) = filled();
    let disk = MemoryDisk::new();
    let mut log = opened(&disk, OpenHints::default()).expect("open");
    for batch in &batches[..rounds] {
        let epoch = BatchHeader::parse(batch)
            .expect("a batch")
            .partition_leader_epoch;
        append_at(&mut log, batch.clone(), epoch);
    }
    log.close(true).expect("close");
    files
        .into_iter()
        .filter_map(|(name, _)| {
            let bytes = disk.read_file(&Path::new(DIR).join(&name)).ok()?;
            Some((name, bytes))
        })
        .collect()
}

#[test]
fn a_flipped_bit_of_a_checkpoint_is_detected_or_serves_what_was_written() {
    let (files, batches) = filled();
    let end_offset = verified(&files).end_offset;
    let ends = [PartitionEnds {
        topic: "topic".to_owned(),
        partition: 0,
        start_offset: 0,
        end_offset,
    }];
    let dir = Path::new("/data");
    let mut totals = Totals::default();
    for checkpoint in [
        OffsetCheckpoint::RecoveryPoint,
        OffsetCheckpoint::LogStart,
        OffsetCheckpoint::Replication,
    ] {
        let offset = if checkpoint == OffsetCheckpoint::LogStart {
            0
        } else {
            end_offset
        };
        let text = write_offset_checkpoint([("topic", 0, offset)].into_iter()).into_bytes();
        for bit in 0..text.len() * 8 {
            totals.changed += 1;
            let mut damaged = text.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let disk = laid_out(&files);
            let path = dir.join(checkpoint.file_name());
            let file = disk.open(&path, OpenMode::Truncate).expect("open");
            file.write_all_at(&damaged, 0).expect("write");
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                let report = verify_directory_files(&disk, dir, &ends).expect("reads");
                let rows = parse_offset_checkpoint(&damaged).unwrap_or_default();
                let row = rows
                    .iter()
                    .find(|row| row.topic == "topic" && row.partition == 0);
                let found = row.map_or(0, |row| row.offset);
                let hints = OpenHints {
                    cleaned_offset: 0,
                    is_on_disk: false,
                    clean_shutdown: false,
                    recovery_point: if checkpoint == OffsetCheckpoint::RecoveryPoint {
                        found
                    } else {
                        0
                    },
                    log_start_offset: if checkpoint == OffsetCheckpoint::LogStart {
                        found
                    } else {
                        0
                    },
                    topic_id: None,
                };
                let serves_other = serves_other_than(&files, hints, &batches);
                (report.worst() > Severity::Note, serves_other)
            }));
            match outcome {
                Err(_) => totals.crashed += 1,
                Ok((true, _)) => totals.detected += 1,
                Ok((false, serves_other)) => totals.served_wrong += u64::from(serves_other),
            }
        }
    }
    println!("checkpoints: {totals:?}");
    assert_eq!((totals.served_wrong, totals.crashed), (0, 0));
    assert!(totals.detected > totals.changed / 2);
}
