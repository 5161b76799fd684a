//! A short run of the wire crate's fuzz targets on changed requests, on the stable toolchain. MILLRACE_FUZZ_INPUTS sets how many
//! inputs each target gets, MILLRACE_FUZZ_SEED which; long runs with coverage are cargo-fuzz's, in native/fuzz.

#[path = "../../../fuzz/src/mutation.rs"]
mod mutation;
#[path = "../../../fuzz/src/wire_targets.rs"]
mod wire_targets;

use millrace_wire::Writer;
use millrace_wire::apis::{fetch, list_offsets, produce};

const INPUTS: u32 = 1_000_000;

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

/// Byte 0 picks the version, then a header and what `body` writes.
fn request(
    api_key: i16,
    version: i16,
    version_min: i16,
    flexible: bool,
    body: impl FnOnce(&mut Writer<'_>),
) -> Vec<u8> {
    let mut out = vec![(version - version_min) as u8];
    let mut header = Writer::new(&mut out, false);
    header.i16(api_key);
    header.i16(version);
    header.i32(77);
    header.nullable_string(Some("client"));
    let mut writer = Writer::new(&mut out, flexible);
    writer.no_tagged_fields();
    body(&mut writer);
    out
}

fn topic(writer: &mut Writer<'_>, by_id: bool) {
    if by_id {
        writer.uuid(&[7; 16]);
    } else {
        writer.string("a-topic");
    }
}

fn produce_seed(version: i16) -> Vec<u8> {
    request(
        produce::API_KEY,
        version,
        produce::VERSION_MIN,
        produce::is_flexible(version),
        |writer| {
            writer.nullable_string(Some("transaction"));
            writer.i16(-1);
            writer.i32(30_000);
            writer.array_count(2);
            for _ in 0..2 {
                topic(writer, version >= 13);
                writer.array_count(2);
                for (index, records) in [(0, Some(&[9; 70][..])), (1, None)] {
                    writer.i32(index);
                    writer.nullable_bytes(records);
                    writer.no_tagged_fields();
                }
                writer.no_tagged_fields();
            }
            writer.no_tagged_fields();
        },
    )
}

fn fetch_seed(version: i16) -> Vec<u8> {
    request(
        fetch::API_KEY,
        version,
        fetch::VERSION_MIN,
        fetch::is_flexible(version),
        |writer| {
            // Replica id (before v15), max wait, min bytes, max bytes.
            (if version < 15 { 0..4 } else { 1..4 }).for_each(|value| writer.i32(value));
            writer.i8(1);
            if version >= 7 {
                writer.i32(5);
                writer.i32(6);
            }
            writer.array_count(2);
            for _ in 0..2 {
                topic(writer, version >= 13);
                writer.array_count(1);
                writer.i32(3);
                if version >= 9 {
                    writer.i32(4);
                }
                writer.i64(1_000);
                if version >= 12 {
                    writer.i32(4);
                }
                if version >= 5 {
                    writer.i64(-1);
                }
                writer.i32(1 << 20);
                if version >= 17 {
                    writer.tagged_field_count(1);
                    writer.tagged_field(0, 16, |content| content.uuid(&[3; 16]));
                } else {
                    writer.no_tagged_fields();
                }
                writer.no_tagged_fields();
            }
            if version >= 7 {
                writer.array_count(1);
                topic(writer, version >= 13);
                writer.array_count(2);
                writer.i32(8);
                writer.i32(9);
                writer.no_tagged_fields();
            }
            if version >= 11 {
                writer.string("rack");
            }
            if version >= 15 {
                writer.tagged_field_count(2);
                writer.tagged_field(0, 8, |content| content.nullable_string(Some("cluster")));
                writer.tagged_field(1, 13, |content| {
                    content.i32(2);
                    content.i64(3);
                    content.no_tagged_fields();
                });
            } else {
                writer.no_tagged_fields();
            }
        },
    )
}

fn list_offsets_seed(version: i16) -> Vec<u8> {
    let flexible = list_offsets::is_flexible(version);
    request(
        list_offsets::API_KEY,
        version,
        list_offsets::VERSION_MIN,
        flexible,
        |writer| {
            writer.i32(-1);
            if version >= 2 {
                writer.i8(0);
            }
            writer.array_count(2);
            for _ in 0..2 {
                topic(writer, false);
                writer.array_count(2);
                for index in 0..2 {
                    writer.i32(index);
                    if version >= 4 {
                        writer.i32(1);
                    }
                    writer.i64(list_offsets::EARLIEST_TIMESTAMP);
                    writer.no_tagged_fields();
                }
                writer.no_tagged_fields();
            }
            if version >= 10 {
                writer.i32(1_000);
            }
            writer.no_tagged_fields();
        },
    )
}

#[test]
fn request_headers_survive() {
    let frames: Vec<Vec<u8>> = (3..=13)
        .map(|version| {
            let frame = &produce_seed(version)[1..];
            [&(frame.len() as i32).to_be_bytes()[..], frame].concat()
        })
        .collect();
    run(&frames, wire_targets::request_header);
    let without_size: Vec<Vec<u8>> = frames.iter().map(|frame| frame[4..].to_vec()).collect();
    run(&without_size, wire_targets::request_header);
}

#[test]
fn produce_requests_survive() {
    let seeds: Vec<Vec<u8>> = (produce::VERSION_MIN..=produce::VERSION_MAX)
        .map(produce_seed)
        .collect();
    for seed in &seeds {
        let (version, frame) = (produce::VERSION_MIN + i16::from(seed[0]), &seed[1..]);
        let header =
            millrace_wire::header::RequestHeader::parse(frame, produce::is_flexible(version))
                .unwrap();
        let parsed = produce::ProduceRequest::parse(frame, header.body_at, version).unwrap();
        assert_eq!(parsed.partition_count(), 4, "a seed is a sound request");
    }
    run(&seeds, wire_targets::produce_request);
}

#[test]
fn fetch_requests_survive() {
    let seeds: Vec<Vec<u8>> = (fetch::VERSION_MIN..=fetch::VERSION_MAX)
        .map(fetch_seed)
        .collect();
    for seed in &seeds {
        let (version, frame) = (fetch::VERSION_MIN + i16::from(seed[0]), &seed[1..]);
        let header =
            millrace_wire::header::RequestHeader::parse(frame, fetch::is_flexible(version))
                .unwrap();
        let parsed = fetch::FetchRequest::parse(frame, header.body_at, version).unwrap();
        assert_eq!(parsed.partition_count(), 2, "a seed is a sound request");
    }
    run(&seeds, wire_targets::fetch_request);
}

#[test]
fn list_offsets_requests_survive() {
    let seeds: Vec<Vec<u8>> = (list_offsets::VERSION_MIN..=list_offsets::VERSION_MAX)
        .map(list_offsets_seed)
        .collect();
    for seed in &seeds {
        let (version, frame) = (list_offsets::VERSION_MIN + i16::from(seed[0]), &seed[1..]);
        let header =
            millrace_wire::header::RequestHeader::parse(frame, list_offsets::is_flexible(version))
                .unwrap();
        let parsed =
            list_offsets::ListOffsetsRequest::parse(frame, header.body_at, version).unwrap();
        assert_eq!(parsed.partition_count(), 4, "a seed is a sound request");
    }
    run(&seeds, wire_targets::list_offsets_request);
}
