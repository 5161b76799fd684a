//! What a builder wrote is what a reader gets, through every codec; what nobody wrote is an error.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::checksum::write_crc;
use crate::header::{ATTRIBUTES_AT, RECORD_COUNT_AT};
use crate::{BatchBuilder, Compression};

/// Everything one record can be.
#[derive(Clone, Debug)]
struct Written {
    offset_step: i32,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

fn written() -> impl Strategy<Value = Written> {
    let bytes = || option::of(vec(any::<u8>(), 0..200));
    let headers = vec((".{0,10}", bytes()), 0..4);
    (1..5i32, any::<i64>(), bytes(), bytes(), headers).prop_map(
        |(offset_step, timestamp, key, value, headers)| Written {
            offset_step,
            timestamp,
            key,
            value,
            headers,
        },
    )
}

fn codec() -> impl Strategy<Value = Option<Compression>> {
    (0..5u8).prop_map(Compression::from_id)
}

proptest! {
    #[test]
    fn what_is_written_is_read(list in vec(written(), 1..20), codec in codec(), base_offset in 0..i64::MAX / 2) {
        let mut builder = BatchBuilder::new();
        builder.base_offset(base_offset).compression(codec);
        let mut offset_delta = -1;
        for record in &list {
            offset_delta += record.offset_step;
            let headers: Vec<_> = record.headers.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            builder.append_at(offset_delta, record.timestamp, key, value, &headers);
        }
        let batch = builder.build();
        let header = crate::validate_stored(&batch).unwrap();
        prop_assert_eq!(header.last_offset(), base_offset + i64::from(offset_delta));
        prop_assert_eq!(header.max_timestamp, list.iter().map(|record| record.timestamp).max().unwrap());

        let records = records(&batch).unwrap();
        let mut offset = base_offset - 1;
        let mut read = records.iter();
        for expected in &list {
            offset += i64::from(expected.offset_step);
            let record = read.next().unwrap().unwrap();
            prop_assert_eq!((record.offset, record.timestamp), (offset, expected.timestamp));
            prop_assert_eq!((record.key, record.value), (expected.key.as_deref(), expected.value.as_deref()));
            let headers: Vec<_> = record.headers.iter().map(|header| (header.key, header.value)).collect();
            let expected: Vec<_> =
                expected.headers.iter().map(|(key, value)| (key.as_bytes(), value.as_deref())).collect();
            prop_assert_eq!(headers, expected);
        }
        prop_assert!(read.next().is_none());
    }

    #[test]
    fn noise_behind_a_header_never_panics(body in vec(any::<u8>(), 0..300), count in -2..9i32, codec in 0..8i16) {
        let mut batch = BatchBuilder::new().build();
        batch.extend_from_slice(&body);
        let length = (batch.len() - 12) as i32;
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        batch[ATTRIBUTES_AT..ATTRIBUTES_AT + 2].copy_from_slice(&codec.to_be_bytes());
        batch[RECORD_COUNT_AT..RECORD_COUNT_AT + 4].copy_from_slice(&count.to_be_bytes());
        write_crc(&mut batch);
        if let Ok(records) = records_with_limit(&batch, 1 << 16) {
            let read = records.iter().filter(|record| record.is_ok()).count();
            prop_assert!(read as i32 <= count);
        }
    }
}

fn two_records() -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder
        .append(1, Some(b"a"), Some(b"b"), &[("h", None)])
        .append(2, None, None, &[]);
    builder.build()
}

fn with_count(count: i32) -> Vec<u8> {
    let mut batch = two_records();
    batch[RECORD_COUNT_AT..RECORD_COUNT_AT + 4].copy_from_slice(&count.to_be_bytes());
    batch
}

#[test]
fn a_wrong_record_count_is_told() {
    assert_eq!(
        records(&with_count(-1)).unwrap_err(),
        BatchError::NegativeRecordCount { record_count: -1 }
    );
    let fewer: Vec<_> = records(&with_count(1))
        .unwrap()
        .iter()
        .map(|record| record.map(|_| ()))
        .collect();
    assert_eq!(
        fewer,
        [
            Ok(()),
            Err(BatchError::BytesAfterLastRecord { extra_bytes: 7 })
        ]
    );
    let more: Vec<_> = records(&with_count(i32::MAX))
        .unwrap()
        .iter()
        .map(|record| record.map(|_| ()))
        .collect();
    assert_eq!(
        more,
        [
            Ok(()),
            Ok(()),
            Err(BatchError::MalformedRecord { record_index: 2 })
        ]
    );
}

#[test]
fn a_batch_emptied_by_compaction_has_no_records() {
    for codec in [None, Some(Compression::Gzip)] {
        let batch = BatchBuilder::new().compression(codec).build();
        assert_eq!(records(&batch).unwrap().iter().count(), 0);
    }
}

#[test]
fn bytes_behind_the_batch_are_not_read() {
    let mut batch = two_records();
    batch.extend_from_slice(&[0xff; 100]);
    assert_eq!(
        records(&batch)
            .unwrap()
            .iter()
            .filter(Result::is_ok)
            .count(),
        2
    );
}

#[test]
fn a_decompression_bomb_stops_at_the_limit() {
    let zeros = vec![0u8; 4 << 20];
    for codec in Compression::ALL {
        let mut builder = BatchBuilder::new();
        builder
            .compression(codec)
            .append(1, None, Some(&zeros), &[]);
        let batch = builder.build();
        let error = records_with_limit(&batch, 1 << 20).unwrap_err();
        assert_eq!(
            error,
            BatchError::DecompressedTooLarge {
                limit_bytes: 1 << 20
            }
        );
        assert_eq!(error.kafka_code(), 10);
        assert_eq!(records(&batch).unwrap().iter().count(), 1);
    }
}
