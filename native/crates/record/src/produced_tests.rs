//! Every reason a producer's batch is refused, in the order they are looked at, with Kafka's code.

use super::*;
use crate::checksum::write_crc;
use crate::header::*;
use crate::{BatchBuilder, stamp_base_offset, stamp_leader_epoch, stamp_log_append_time};

const NOW_MS: i64 = 1_000_000;

fn limits() -> ProduceLimits {
    ProduceLimits {
        max_message_bytes: 1_000,
        segment_bytes: 10_000,
        produce_version: 13,
        now_ms: NOW_MS,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: 5_000,
        timestamp_after_max_ms: 500,
    }
}

fn builder() -> BatchBuilder {
    let mut builder = BatchBuilder::new();
    builder
        .append(NOW_MS, Some(b"key"), Some(b"value"), &[])
        .append(NOW_MS + 1, None, None, &[]);
    builder
}

fn with<const N: usize>(at: usize, value: [u8; N]) -> Vec<u8> {
    let mut batch = builder().build();
    batch[at..at + N].copy_from_slice(&value);
    write_crc(&mut batch);
    batch
}

fn refused(batch: &[u8], limits: &ProduceLimits) -> (BatchError, i16) {
    let error = validate_produced(batch, limits).expect_err("must be refused");
    (error, error.kafka_code())
}

#[test]
fn a_plain_batch_is_accepted_whatever_its_leader_epoch() {
    let mut batch = builder().build();
    stamp_leader_epoch(&mut batch, 99);
    let header = validate_produced(&batch, &limits()).unwrap();
    assert_eq!((header.record_count, header.last_offset_delta), (2, 1));
}

#[test]
fn no_batch_is_invalid_record() {
    assert_eq!(refused(&[], &limits()).1, 87);
    assert_eq!(refused(&builder().build()[..40], &limits()).1, 87);
}

#[test]
fn old_magic_is_invalid_record_and_unknown_magic_is_corrupt() {
    for (magic, code) in [(0u8, 87), (1, 87), (3, 2), (0xff, 2)] {
        assert_eq!(refused(&with(MAGIC_AT, [magic]), &limits()).1, code);
        // Even where too few bytes came for a v2 header.
        assert_eq!(refused(&with(MAGIC_AT, [magic])[..30], &limits()).1, code);
    }
}

#[test]
fn a_length_below_the_header_is_corrupt() {
    for length in [i32::MIN, -1, 0, 13, 48] {
        assert_eq!(
            refused(&with(LENGTH_AT, length.to_be_bytes()), &limits()).1,
            2
        );
    }
}

#[test]
fn two_batches_in_one_partition_are_invalid_record() {
    let twice = [builder().build(), builder().build()].concat();
    let (error, code) = refused(&twice, &limits());
    assert!(matches!(error, BatchError::MoreThanOneBatch { .. }));
    assert_eq!(code, 87);
}

#[test]
fn a_base_offset_is_invalid_record() {
    let mut batch = builder().build();
    stamp_base_offset(&mut batch, 1);
    assert_eq!(
        refused(&batch, &limits()),
        (BatchError::BaseOffsetNotZero { base_offset: 1 }, 87)
    );
}

#[test]
fn a_batch_over_max_message_bytes_is_too_large_even_when_its_checksum_is_wrong() {
    let mut batch = builder().build();
    let exact = ProduceLimits {
        max_message_bytes: batch.len(),
        ..limits()
    };
    assert!(validate_produced(&batch, &exact).is_ok());
    let below = ProduceLimits {
        max_message_bytes: batch.len() - 1,
        ..limits()
    };
    *batch.last_mut().unwrap() ^= 1;
    assert_eq!(refused(&batch, &below).1, 10);
    assert_eq!(refused(&batch, &exact).1, 2);
}

#[test]
fn a_batch_over_segment_bytes_is_a_list_too_large() {
    let batch = builder().build();
    let small = ProduceLimits {
        segment_bytes: batch.len() - 1,
        ..limits()
    };
    assert_eq!(refused(&batch, &small).1, 18);
}

#[test]
fn count_and_offsets_must_agree_and_be_positive() {
    for count in [-1, 0, 1, 3, i32::MAX] {
        assert_eq!(
            refused(&with(RECORD_COUNT_AT, i32::to_be_bytes(count)), &limits()).1,
            87
        );
    }
    for delta in [-1, 0, 2, i32::MAX, i32::MIN] {
        assert_eq!(
            refused(
                &with(LAST_OFFSET_DELTA_AT, i32::to_be_bytes(delta)),
                &limits()
            )
            .1,
            87
        );
    }
    // 2^31 - 1 + 1 must not wrap around to a match.
    let mut batch = with(LAST_OFFSET_DELTA_AT, i32::MAX.to_be_bytes());
    batch[RECORD_COUNT_AT..RECORD_COUNT_AT + 4].copy_from_slice(&i32::MIN.to_be_bytes());
    write_crc(&mut batch);
    assert_eq!(refused(&batch, &limits()).1, 87);
}

#[test]
fn control_batches_are_invalid_record() {
    assert_eq!(
        refused(&builder().control().build(), &limits()),
        (BatchError::ControlBatch, 87)
    );
}

#[test]
fn a_producer_id_needs_a_sequence() {
    assert!(validate_produced(&builder().producer(5, 0, 0).build(), &limits()).is_ok());
    assert_eq!(
        refused(&builder().producer(5, 0, -1).build(), &limits()).1,
        87
    );
    assert!(validate_produced(&builder().producer(-1, -1, -1).build(), &limits()).is_ok());
}

#[test]
fn zstd_needs_produce_version_7_and_unknown_codecs_are_refused() {
    let zstd = builder().compression(Compression::Zstd).build();
    assert!(
        validate_produced(
            &zstd,
            &ProduceLimits {
                produce_version: 7,
                ..limits()
            }
        )
        .is_ok()
    );
    assert_eq!(
        refused(
            &zstd,
            &ProduceLimits {
                produce_version: 6,
                ..limits()
            }
        )
        .1,
        76
    );
    for codec in 5..8i16 {
        assert_eq!(
            refused(&with(ATTRIBUTES_AT, codec.to_be_bytes()), &limits()).1,
            76
        );
    }
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4] {
        let batch = builder().compression(codec).build();
        assert!(
            validate_produced(
                &batch,
                &ProduceLimits {
                    produce_version: 3,
                    ..limits()
                }
            )
            .is_ok()
        );
    }
}

#[test]
fn timestamps_outside_the_window_are_invalid_timestamp() {
    let at = |first: i64, second: i64| {
        let mut builder = BatchBuilder::new();
        builder
            .append(first, None, None, &[])
            .append(second, None, None, &[]);
        let header = validate_produced(&builder.build(), &limits()).expect("sound otherwise");
        let open_past = ProduceLimits {
            timestamp_before_max_ms: i64::MAX,
            ..limits()
        };
        // A limit to the past makes the records be looked at in any case.
        assert!(limits().wants_record_times(&header));
        let in_range = [header.base_timestamp, header.max_timestamp]
            .iter()
            .all(|timestamp| (0..=NOW_MS + 500).contains(timestamp) || *timestamp == NO_TIMESTAMP);
        assert_eq!(open_past.wants_record_times(&header), !in_range);
        let times = [header.base_timestamp, header.max_timestamp];
        times
            .iter()
            .try_for_each(|timestamp| limits().check_timestamp(*timestamp))
            .map_err(|error| error.kafka_code())
    };
    assert_eq!(at(NOW_MS - 5_000, NOW_MS + 500), Ok(()));
    assert_eq!(at(NOW_MS - 5_001, NOW_MS), Err(32));
    assert_eq!(at(NOW_MS, NOW_MS + 501), Err(32));
    assert_eq!(at(i64::MIN, NOW_MS), Err(32));
    assert_eq!(at(NOW_MS, i64::MAX), Err(32));
    assert_eq!(at(NO_TIMESTAMP, NO_TIMESTAMP), Ok(()));
}

#[test]
fn log_append_time_topics_take_any_timestamp_and_nobody_may_claim_log_append_time() {
    let append_time = ProduceLimits {
        timestamp_type: TimestampType::LogAppendTime,
        ..limits()
    };
    let mut builder = BatchBuilder::new();
    let batch = builder.append(i64::MIN, None, None, &[]).build();
    assert!(validate_produced(&batch, &append_time).is_ok());
    let mut claimed = super::tests::builder().build();
    stamp_log_append_time(&mut claimed, NOW_MS);
    for limits in [append_time, limits()] {
        assert_eq!(
            refused(&claimed, &limits),
            (BatchError::LogAppendTimeFromProducer, 32)
        );
    }
}

#[test]
fn a_stored_batch_may_be_what_no_producer_may_send() {
    let mut batch = builder().control().base_offset(7).build();
    assert!(validate_stored(&batch).is_ok());
    *batch.last_mut().unwrap() ^= 1;
    assert_eq!(validate_stored(&batch).unwrap_err().kafka_code(), 2);
}
