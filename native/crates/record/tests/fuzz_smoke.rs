//! A short run of the record crate's fuzz targets on changed batches, on the stable toolchain. MILLRACE_FUZZ_INPUTS sets how many
//! inputs each target gets, MILLRACE_FUZZ_SEED which; long runs with coverage are cargo-fuzz's, in native/fuzz.

#[path = "../../../fuzz/src/mutation.rs"]
mod mutation;
#[path = "../../../fuzz/src/record_targets.rs"]
mod record_targets;

use millrace_record::control::{
    ControlRecord, LeaderChange, Voter, VoterEndpoint, VoterKey, end_transaction_batch,
};
use millrace_record::{BatchBuilder, Compression, HEADER_BYTES};

const INPUTS: u32 = 60_000;

fn from_environment<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

fn run(seeds: &[Vec<u8>], target: fn(&[u8])) {
    let inputs = from_environment("MILLRACE_FUZZ_INPUTS", INPUTS);
    mutation::run(
        from_environment("MILLRACE_FUZZ_SEED", 1),
        inputs,
        seeds,
        target,
    );
}

fn batch(codec: Option<Compression>) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.compression(codec).producer(4_000, 1, 10);
    builder.append(
        1_700_000_000_000,
        Some(b"key"),
        Some(b"value value value value"),
        &[("a", Some(b"1")), ("b", None)],
    );
    builder.append(1_700_000_000_001, None, Some(&[7; 300]), &[]);
    builder.append(1_700_000_000_002, Some(b""), None, &[]);
    builder.build()
}

fn codecs() -> impl Iterator<Item = Option<Compression>> {
    (0..5).map(Compression::from_id)
}

fn batches() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = codecs().map(batch).collect();
    seeds.push(end_transaction_batch(4_000, 1, true, 3, 1_700_000_000_000));
    seeds.push([batch(None), batch(Some(Compression::Lz4))].concat());
    seeds.push(BatchBuilder::new().build());
    seeds
}

fn sections() -> Vec<Vec<u8>> {
    codecs()
        .map(|codec| {
            let id = codec.map_or(0, Compression::id);
            [&[id, 3], &batch(codec)[HEADER_BYTES..]].concat()
        })
        .collect()
}

fn streams(codec: Compression) -> Vec<Vec<u8>> {
    let noise: Vec<u8> = (0..3_000u32)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 25) as u8)
        .collect();
    [&b""[..], b"short", &[b'a'; 2_000], &noise]
        .iter()
        .map(|src| {
            let mut out = Vec::new();
            millrace_record::compression::compress(codec, None, src, &mut out);
            out
        })
        .collect()
}

#[test]
fn batch_header_survives() {
    run(&batches(), record_targets::batch_header);
}

#[test]
fn batch_records_survive() {
    run(&batches(), record_targets::batch_records);
}

#[test]
fn record_sections_survive() {
    run(&sections(), record_targets::record_section);
}

#[test]
fn gzip_survives() {
    run(&streams(Compression::Gzip), record_targets::decompress_gzip);
}

#[test]
fn snappy_survives() {
    run(
        &streams(Compression::Snappy),
        record_targets::decompress_snappy,
    );
}

#[test]
fn lz4_survives() {
    run(&streams(Compression::Lz4), record_targets::decompress_lz4);
}

#[test]
fn zstd_survives() {
    run(&streams(Compression::Zstd), record_targets::decompress_zstd);
}

#[test]
fn control_records_survive() {
    let key = |id| VoterKey {
        id,
        directory_id: [id as u8; 16],
    };
    let endpoint = VoterEndpoint {
        name: "CONTROLLER".into(),
        host: "localhost".into(),
        port: 9_093,
    };
    let voter = Voter {
        id: 1,
        directory_id: [1; 16],
        endpoints: vec![endpoint],
        kraft_version_min: 0,
        kraft_version_max: 1,
    };
    let records = [
        (
            1,
            ControlRecord::Commit {
                coordinator_epoch: 5,
            },
        ),
        (
            2,
            ControlRecord::LeaderChange(LeaderChange {
                version: 1,
                leader_id: 1,
                voters: vec![key(1), key(2)],
                granting_voters: vec![key(2)],
            }),
        ),
        (
            3,
            ControlRecord::SnapshotHeader {
                last_contained_log_timestamp: 9,
            },
        ),
        (4, ControlRecord::SnapshotFooter),
        (5, ControlRecord::KraftVersion { kraft_version: 1 }),
        (
            6,
            ControlRecord::Voters {
                voters: vec![voter],
            },
        ),
    ];
    let seeds: Vec<Vec<u8>> = records
        .iter()
        .map(|(id, record)| [&[*id], &record.write().1[..]].concat())
        .collect();
    run(&seeds, record_targets::control_record);
}
