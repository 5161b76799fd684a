//! A short run of the log crate's fuzz targets on changed files, on the stable toolchain. MILLRACE_FUZZ_INPUTS sets how many inputs
//! each target gets, MILLRACE_FUZZ_SEED which; long runs with coverage are cargo-fuzz's, in native/fuzz.

#[path = "../../../fuzz/src/log_targets.rs"]
mod log_targets;
#[path = "../../../fuzz/src/mutation.rs"]
mod mutation;

use millrace_log::{ProducerSnapshotEntry, encode_producer_snapshot};
use millrace_record::crc32c;

fn from_environment<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

fn run(inputs: u32, seeds: &[Vec<u8>], target: fn(&[u8])) {
    let inputs = from_environment("MILLRACE_FUZZ_INPUTS", inputs);
    mutation::run(
        from_environment("MILLRACE_FUZZ_SEED", 1),
        inputs,
        seeds,
        target,
    );
}

fn segments() -> Vec<Vec<u8>> {
    let whole: Vec<u8> = (0..12).flat_map(log_targets::batch).collect();
    // With a header that lies about its offsets, and the checksum that goes with it.
    let mut lying = whole.clone();
    lying[23..27].copy_from_slice(&(-5_i32).to_be_bytes());
    let one = log_targets::batch(0).len();
    let crc = crc32c(&lying[21..one]);
    lying[17..21].copy_from_slice(&crc.to_be_bytes());
    let mut far = whole.clone();
    far[one..one + 8].copy_from_slice(&i64::MAX.to_be_bytes());
    vec![
        whole.clone(),
        whole[..400].to_vec(),
        lying,
        far,
        vec![0; 300],
        Vec::new(),
    ]
}

#[test]
fn segment_recovery_survives() {
    run(8_000, &segments(), log_targets::segment_recovery);
}

#[test]
fn segment_after_clean_shutdown_survives() {
    run(
        5_000,
        &segments(),
        log_targets::segment_after_clean_shutdown,
    );
}

#[test]
fn index_files_survive() {
    let mut offsets = Vec::new();
    let mut times = Vec::new();
    let one = log_targets::batch(0).len() as u32;
    for offset in (2..40_u32).step_by(2) {
        offsets.extend(offset.to_be_bytes());
        offsets.extend((offset * one).to_be_bytes());
    }
    for offset in (2..26_u32).step_by(2) {
        times.extend((i64::from(offset) * 10).to_be_bytes());
        times.extend(offset.to_be_bytes());
    }
    let both = |a: &[u8], b: &[u8]| [a, b].concat();
    let seeds = [
        both(&offsets[..144], &times),
        both(&times, &offsets),
        both(&offsets, &offsets),
        vec![0; 200],
        vec![0xff; 96],
        Vec::new(),
    ];
    run(2_000, &seeds, log_targets::index_files);
}

#[test]
fn checkpoints_survive() {
    let seeds = [
        &b"0\n2\n0 0\n3 1042\n"[..],
        b"0\n2\ntopic-a 0 1042\ntopic-b 3 17\n",
        b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\n",
        b"#\nversion=1\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\nnode.id=1\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAQ\nother=\\x\n",
        b"{\"version\":0,\"brokerEpoch\":42}",
        b"",
    ]
    .map(<[u8]>::to_vec);
    run(60_000, &seeds, log_targets::checkpoints);
}

#[test]
fn producer_snapshots_survive() {
    let entry = ProducerSnapshotEntry {
        producer_id: 4_000,
        producer_epoch: 1,
        last_sequence: 9,
        last_offset: 100,
        offset_delta: 9,
        timestamp: 1_700_000_000_000,
        coordinator_epoch: -1,
        current_txn_first_offset: -1,
    };
    let seeds = [
        encode_producer_snapshot(&[]),
        encode_producer_snapshot(&[entry; 3]),
    ];
    run(60_000, &seeds, log_targets::producer_snapshot);
}
