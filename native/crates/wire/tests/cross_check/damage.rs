//! Requests cut at every byte and changed in every byte: an error or a sound request, never a panic.

use millrace_wire::ByteRange;
use millrace_wire::apis::fetch::FetchRequest;
use millrace_wire::apis::list_offsets::ListOffsetsRequest;
use millrace_wire::apis::produce::ProduceRequest;
use millrace_wire::apis::{fetch, list_offsets, produce};
use millrace_wire::header::RequestHeader;

use crate::random::Random;
use crate::requests::{frame, random_fetch, random_list_offsets, random_produce};
use crate::{FETCH_VERSIONS, LIST_OFFSETS_VERSIONS, PRODUCE_VERSIONS, list_offsets_layout};

fn within(range: Option<ByteRange>, frame: &[u8]) {
    if let Some(range) = range {
        assert!(range.end() <= frame.len(), "a range lies in its frame");
    }
}

/// True when the whole request reads.
fn reads(frame: &[u8], api_key: i16, version: i16, flexible: bool) -> bool {
    let Ok(header) = RequestHeader::parse(frame, flexible) else {
        return false;
    };
    match api_key {
        produce::API_KEY => {
            let Ok(request) = ProduceRequest::parse(frame, header.body_at, version) else {
                return false;
            };
            within(request.transactional_id, frame);
            let count = request
                .partitions(frame)
                .inspect(|item| within(item.partition.records, frame))
                .count();
            assert_eq!(count, request.partition_count());
        }
        fetch::API_KEY => {
            let Ok(request) = FetchRequest::parse(frame, header.body_at, version) else {
                return false;
            };
            within(Some(request.rack_id), frame);
            within(request.cluster_id, frame);
            assert_eq!(request.partitions(frame).count(), request.partition_count());
            assert_eq!(request.forgotten(frame).count(), request.forgotten_count());
        }
        list_offsets::API_KEY => {
            let Ok(request) = ListOffsetsRequest::parse(frame, header.body_at, version) else {
                return false;
            };
            assert_eq!(request.partitions(frame).count(), request.partition_count());
        }
        _ => unreachable!("only the hot APIs are tested here"),
    }
    true
}

/// A frame with a bit of everything, short enough to try all damages on it.
fn sample(api_key: i16, version: i16) -> (Vec<u8>, bool) {
    let make = |seed| {
        let mut random = Random::new(seed);
        match api_key {
            produce::API_KEY => {
                let flexible = produce::is_flexible(version);
                let body = random_produce(&mut random, version);
                (
                    frame(&mut random, api_key, version, flexible, &body, version).0,
                    flexible,
                )
            }
            fetch::API_KEY => {
                let flexible = fetch::is_flexible(version);
                let body = random_fetch(&mut random, version);
                (
                    frame(&mut random, api_key, version, flexible, &body, version).0,
                    flexible,
                )
            }
            _ => {
                let flexible = list_offsets::is_flexible(version);
                let body = random_list_offsets(&mut random, version);
                (
                    frame(
                        &mut random,
                        api_key,
                        version,
                        flexible,
                        &body,
                        list_offsets_layout(version),
                    )
                    .0,
                    flexible,
                )
            }
        }
    };
    (0..)
        .map(make)
        .find(|(frame, _)| (200..400).contains(&frame.len()))
        .expect("some seed makes such a frame")
}

fn samples() -> impl Iterator<Item = (i16, i16, Vec<u8>, bool)> {
    let produce = PRODUCE_VERSIONS.map(|version| (produce::API_KEY, version));
    let fetch = FETCH_VERSIONS.map(|version| (fetch::API_KEY, version));
    let list_offsets = LIST_OFFSETS_VERSIONS.map(|version| (list_offsets::API_KEY, version));
    produce
        .chain(fetch)
        .chain(list_offsets)
        .map(|(api_key, version)| {
            let (frame, flexible) = sample(api_key, version);
            (api_key, version, frame, flexible)
        })
}

#[test]
fn a_request_cut_anywhere_is_an_error() {
    for (api_key, version, frame, flexible) in samples() {
        assert!(reads(&frame, api_key, version, flexible));
        for len in 0..frame.len() {
            assert!(
                !reads(&frame[..len], api_key, version, flexible),
                "key {api_key} v{version} cut at {len}"
            );
        }
    }
}

#[test]
fn a_request_changed_in_any_byte_never_panics() {
    for (api_key, version, mut frame, flexible) in samples() {
        for at in 0..frame.len() {
            let original = frame[at];
            for value in 0..=u8::MAX {
                frame[at] = value;
                reads(&frame, api_key, version, flexible);
            }
            frame[at] = original;
        }
    }
}
