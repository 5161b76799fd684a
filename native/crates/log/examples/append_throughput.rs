//! What a log costs on top of the writes it makes: `Log::append` beside a bare pwrite loop of the same bytes, in alternating rounds.
//!
//! `cargo run --release -p millrace-log --example append_throughput -- [directory] [batch bytes] [MiB per round] [rounds]`
//! A round writes into a fresh directory and removes it, outside the measured time. CPU seconds are this thread's; the ratio is of medians.

use std::path::{Path, PathBuf};

use millrace_host::disk::posix::PosixDisk;
use millrace_host::disk::{Disk, DiskFile, OpenMode};
use millrace_host::{Instant, clock};
use millrace_log::{Log, LogConfig, OpenHints};
use millrace_record::BatchBuilder;

const RECORD_BYTES: usize = 1_024;

struct Round {
    wall_seconds: f64,
    cpu_seconds: f64,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments
        .next()
        .map_or_else(std::env::temp_dir, PathBuf::from)
        .join("append-throughput");
    let mut number = |default: usize| {
        arguments
            .next()
            .map_or(default, |text| text.parse().expect("a number"))
    };
    let (batch_bytes, round_mib, rounds) = (number(256 * 1024), number(1024), number(7));
    let batch = batch_of(batch_bytes);
    let count = (round_mib << 20) / batch.len();
    println!(
        "{} batches of {} bytes a round, {rounds} rounds, {}",
        count,
        batch.len(),
        directory.display()
    );

    let (mut bare, mut log) = (Vec::new(), Vec::new());
    for _ in 0..=rounds {
        bare.push(measured(&directory, |path| write_bare(path, &batch, count)));
        log.push(measured(&directory, |path| append(path, &batch, count)));
    }
    // The first round warms the page cache and the branch predictors.
    let gigabytes = (count * batch.len()) as f64 / 1e9;
    let bare = report("bare pwrite", &bare[1..], gigabytes, count);
    let log = report("Log::append", &log[1..], gigabytes, count);
    println!(
        "log / bare, wall {:.3}, cpu {:.3}",
        log.wall_seconds / bare.wall_seconds,
        log.cpu_seconds / bare.cpu_seconds
    );
}

fn batch_of(bytes: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    let value = vec![b'v'; RECORD_BYTES.min(bytes)];
    builder.append(1_700_000_000_000, None, Some(&value), &[]);
    while builder.uncompressed_bytes() + value.len() <= bytes {
        builder.append(1_700_000_000_000, None, Some(&value), &[]);
    }
    builder.build()
}

fn measured(directory: &Path, work: impl FnOnce(&Path)) -> Round {
    let _ = PosixDisk.remove_dir_all(directory);
    PosixDisk.create_dir_all(directory).expect("create");
    let (wall, cpu) = (Instant::now(), clock::thread_cpu_nanos());
    work(directory);
    let wall_seconds = (Instant::now() - wall).as_secs_f64();
    let cpu_seconds = (clock::thread_cpu_nanos() - cpu) as f64 / 1e9;
    PosixDisk.remove_dir_all(directory).expect("remove");
    Round {
        wall_seconds,
        cpu_seconds,
    }
}

fn write_bare(directory: &Path, batch: &[u8], count: usize) {
    let file = PosixDisk
        .open(&directory.join("bare"), OpenMode::Create)
        .expect("open");
    for index in 0..count {
        file.write_all_at(batch, (index * batch.len()) as u64)
            .expect("write");
    }
}

fn append(directory: &Path, batch: &[u8], count: usize) {
    let config = LogConfig::default();
    let mut log = Log::open(
        PosixDisk,
        &directory.join("topic-0"),
        config,
        OpenHints::default(),
        0,
    )
    .expect("open");
    let mut batch = batch.to_vec();
    for _ in 0..count {
        log.append(&mut [&mut batch], 0, 0).expect("append");
    }
}

fn report(name: &str, rounds: &[Round], gigabytes: f64, count: usize) -> Round {
    let sorted = |of: fn(&Round) -> f64| -> Vec<f64> {
        let mut values: Vec<f64> = rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let (wall, cpu) = (
        sorted(|round| round.wall_seconds),
        sorted(|round| round.cpu_seconds),
    );
    let median = Round {
        wall_seconds: wall[wall.len() / 2],
        cpu_seconds: cpu[cpu.len() / 2],
    };
    println!(
        "{name}: {:.2} GB/s (min {:.2}, max {:.2}), {:.3} cpu-s/GB, {:.0} ns an append",
        gigabytes / median.wall_seconds,
        gigabytes / wall[wall.len() - 1],
        gigabytes / wall[0],
        median.cpu_seconds / gigabytes,
        median.cpu_seconds * 1e9 / count as f64,
    );
    median
}
