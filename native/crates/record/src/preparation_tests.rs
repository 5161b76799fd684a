use super::*;
use crate::{BatchBuilder, DECOMPRESSED_BYTES_MAX, records, validate_stored};

fn preparation(compression: TopicCompression) -> Preparation {
    Preparation {
        limits: ProduceLimits {
            max_message_bytes: 1 << 20,
            segment_bytes: 1 << 30,
            produce_version: 12,
            now_ms: 10_000,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: i64::MAX,
        },
        compression,
        needs_keys: false,
        decompressed_bytes_max: DECOMPRESSED_BYTES_MAX,
        record_errors_max: 10,
    }
}

fn to(codec: Compression) -> TopicCompression {
    TopicCompression::Codec { codec, level: None }
}

/// Three records of a transactional producer, with keys, nulls and headers.
fn batch(codec: Option<Compression>) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder
        .compression(codec)
        .producer(77, 3, 40)
        .transactional()
        .leader_epoch(5);
    builder.append(1_000, Some(b"k"), Some(&[b'v'; 300]), &[("h", Some(b"1"))]);
    builder.append(1_200, None, None, &[("h", None), ("", Some(b""))]);
    builder.append(1_100, Some(b""), Some(b""), &[]);
    builder.build()
}

#[test]
fn every_codec_becomes_every_other_with_the_same_records_and_header() {
    let all = [
        None,
        Some(Compression::Gzip),
        Some(Compression::Snappy),
        Some(Compression::Lz4),
        Some(Compression::Zstd),
    ];
    for from in all {
        let source = batch(from);
        for target in all {
            let compression = target.map_or(TopicCompression::Uncompressed, to);
            let prepared = prepare(&source, &preparation(compression)).expect("sound");
            if from == target {
                assert_eq!(prepared, None, "the codec is right already");
                continue;
            }
            let prepared = prepared.expect("written anew");
            let header = validate_stored(&prepared).expect("whole, with the right checksum");
            let before = BatchHeader::parse(&source).expect("a batch");
            assert_eq!(header.compression(), target);
            let expected = BatchHeader {
                batch_length: header.batch_length,
                crc: header.crc,
                attributes: header.attributes,
                ..before
            };
            assert_eq!(header, expected);
            assert_eq!(
                header.attributes & !CODEC_MASK,
                before.attributes & !CODEC_MASK
            );
            let (left, right) = (
                records(&source).expect("old"),
                records(&prepared).expect("new"),
            );
            assert!(left.iter().eq(right.iter()));
        }
        assert_eq!(
            prepare(&source, &preparation(TopicCompression::Producer)),
            Ok(None)
        );
    }
}

#[test]
fn levels_are_taken_and_differ() {
    let noise: Vec<u8> = (0..60_000_u32)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 25) as u8 % 23)
        .collect();
    let mut builder = BatchBuilder::new();
    builder.append(1, None, Some(&noise), &[]);
    let source = builder.build();
    let size = |codec, level| {
        let compression = TopicCompression::Codec {
            codec,
            level: Some(level),
        };
        let prepared = prepare(&source, &preparation(compression)).expect("sound");
        prepared.expect("written anew").len()
    };
    assert!(size(Compression::Gzip, 9) < size(Compression::Gzip, 1));
    assert!(size(Compression::Zstd, 19) < size(Compression::Zstd, -5));
}

#[test]
fn bad_records_are_named() {
    let source = batch(Some(Compression::Zstd));
    let mut wanted = preparation(TopicCompression::Producer);
    wanted.needs_keys = true;
    let error = prepare(&source, &wanted).expect_err("a record has no key");
    assert_eq!(error.error, BatchError::KeyMissing { record_index: 1 });
    assert_eq!(error.error.kafka_code(), 87);
    assert_eq!(error.records.len(), 1);
    // Only the record in the middle is too young: the header's base timestamp does not show it.
    let mut wanted = preparation(TopicCompression::Producer);
    wanted.limits.timestamp_before_max_ms = 8_850;
    let error = prepare(&source, &wanted).expect_err("two records are too old");
    assert_eq!(error.error.kafka_code(), 32);
    let indexes: Vec<i32> = error.records.iter().map(|(index, _)| *index).collect();
    assert_eq!(indexes, [0, 2]);
    wanted.record_errors_max = 1;
    assert_eq!(prepare(&source, &wanted).expect_err("bad").records.len(), 1);
    // The broker's own time makes the producer's no matter.
    wanted.limits.timestamp_type = TimestampType::LogAppendTime;
    assert_eq!(prepare(&source, &wanted), Ok(None));
}

#[test]
fn what_grows_beyond_a_limit_is_refused() {
    let mut builder = BatchBuilder::new();
    builder
        .compression(Compression::Gzip)
        .append(1, None, Some(&[0; 10_000]), &[]);
    let source = builder.build();
    let mut wanted = preparation(TopicCompression::Uncompressed);
    wanted.limits.max_message_bytes = 9_000;
    let error = prepare(&source, &wanted).expect_err("too large");
    assert_eq!(error.error.kafka_code(), 10);
    wanted.limits.max_message_bytes = 20_000;
    wanted.limits.segment_bytes = 9_000;
    let error = prepare(&source, &wanted).expect_err("too large");
    assert_eq!(error.error.kafka_code(), 18);
    wanted.decompressed_bytes_max = 5_000;
    let error = prepare(&source, &wanted).expect_err("a bomb");
    assert_eq!(error.error.kafka_code(), 10);
}

#[test]
fn offsets_inside_are_consecutive_and_nonsense_is_an_error() {
    let mut builder = BatchBuilder::new();
    builder
        .compression(Compression::Lz4)
        .append_at(0, 1, None, Some(b"a"), &[])
        .append_at(2, 1, None, Some(b"b"), &[]);
    let error = prepare(&builder.build(), &preparation(to(Compression::Gzip))).expect_err("a hole");
    assert_eq!(
        error.error,
        BatchError::OffsetsNotConsecutive { record_index: 1 }
    );
    let mut source = batch(Some(Compression::Zstd));
    let end = source.len();
    source[end - 10] ^= 0x55;
    assert!(prepare(&source, &preparation(to(Compression::Gzip))).is_err());
}
