use super::*;
use crate::{BatchBuilder, Compression, NO_SEQUENCE, records, validate_stored};

fn original(codec: Option<Compression>) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder
        .base_offset(1_000)
        .leader_epoch(4)
        .compression(codec)
        .producer(77, 3, 50);
    for index in 0..5_i64 {
        let key = [b'k', index as u8];
        builder.append(
            9_000 - index * 10,
            Some(&key),
            (index != 2).then_some(b"value"),
            &[("h", Some(b"1")), ("n", None)],
        );
    }
    builder.build()
}

fn keep(batch: &[u8], wanted: &[usize], delete_horizon_ms: Option<i64>) -> Vec<u8> {
    let opened = records(batch).expect("records");
    let mut retained = RetainedRecords::new(opened.header(), delete_horizon_ms);
    for (index, record) in opened.iter().enumerate() {
        if wanted.contains(&index) {
            retained.push(&record.expect("record"));
        }
    }
    let mut out = vec![0xaa; 3];
    retained.write(&mut out);
    out.split_off(3)
}

#[test]
fn records_that_stay_keep_everything_and_the_batch_keeps_its_range() {
    for codec in [None].into_iter().chain(Compression::ALL.map(Some)) {
        let batch = original(codec);
        let kept = keep(&batch, &[1, 2, 4], None);
        let header = validate_stored(&kept).expect("sound");
        let before = BatchHeader::parse(&batch).expect("header");
        assert_eq!(
            (header.base_offset, header.last_offset()),
            (before.base_offset, before.last_offset())
        );
        assert_eq!(
            (header.base_sequence, header.last_sequence()),
            (before.base_sequence, before.last_sequence())
        );
        assert_eq!(
            (header.producer_id, header.producer_epoch),
            (before.producer_id, before.producer_epoch)
        );
        assert_eq!(header.partition_leader_epoch, before.partition_leader_epoch);
        assert_eq!(header.compression(), codec);
        assert_eq!(header.record_count, 3);
        assert_eq!(
            (header.base_timestamp, header.max_timestamp),
            (8_990, 8_990)
        );
        assert_eq!(header.delete_horizon_ms(), None);
        let (old, new) = (records(&batch).expect("old"), records(&kept).expect("new"));
        let old: Vec<_> = old.iter().map(|record| record.expect("record")).collect();
        let new: Vec<_> = new.iter().map(|record| record.expect("record")).collect();
        assert_eq!(new, [old[1], old[2], old[4]]);
    }
}

#[test]
fn a_delete_horizon_takes_the_place_of_the_base_timestamp() {
    let batch = original(None);
    let kept = keep(&batch, &[2, 3], Some(1_234_567));
    let header = validate_stored(&kept).expect("sound");
    assert_eq!(header.delete_horizon_ms(), Some(1_234_567));
    assert_eq!(
        (header.base_timestamp, header.max_timestamp),
        (1_234_567, 8_980)
    );
    let stamps: Vec<i64> = records(&kept)
        .expect("records")
        .iter()
        .map(|record| record.expect("record").timestamp)
        .collect();
    assert_eq!(stamps, [8_980, 8_970]);
    // Rewritten once more it keeps the horizon it is given.
    let again = keep(&kept, &[1], Some(1_234_567));
    assert_eq!(
        validate_stored(&again).expect("sound").delete_horizon_ms(),
        Some(1_234_567)
    );
    assert_eq!(
        records(&again)
            .expect("records")
            .iter()
            .next()
            .expect("one")
            .expect("record")
            .timestamp,
        8_970
    );
}

#[test]
fn log_append_time_is_kept() {
    let mut builder = BatchBuilder::new();
    builder.log_append_time(5_000);
    builder.append(1, Some(b"a"), Some(b"1"), &[]);
    builder.append(2, Some(b"b"), Some(b"2"), &[]);
    let kept = keep(&builder.build(), &[1], None);
    let header = validate_stored(&kept).expect("sound");
    assert!(header.is_log_append_time());
    assert_eq!(header.max_timestamp, 5_000);
}

#[test]
fn an_empty_batch_still_says_what_its_producer_did_last() {
    for codec in [None, Some(Compression::Zstd)] {
        let batch = original(codec);
        let before = BatchHeader::parse(&batch).expect("header");
        let mut out = Vec::new();
        write_empty_batch(&before, &mut out);
        let header = validate_stored(&out).expect("sound");
        assert_eq!(out.len(), HEADER_BYTES);
        assert_eq!((header.record_count, header.codec_id()), (0, 0));
        assert_eq!((header.base_offset, header.last_offset()), (1_000, 1_004));
        assert_eq!((header.base_sequence, header.last_sequence()), (50, 54));
        assert_eq!(
            (header.base_timestamp, header.max_timestamp),
            (NO_TIMESTAMP, before.max_timestamp)
        );
        assert_eq!(records(&out).expect("records").iter().count(), 0);
    }
    let marker = crate::control::end_transaction_batch(9, 1, false, 3, 77);
    let mut out = Vec::new();
    write_empty_batch(&BatchHeader::parse(&marker).expect("header"), &mut out);
    let header = validate_stored(&out).expect("sound");
    assert!(header.is_control() && header.is_transactional());
    assert_eq!(header.base_sequence, NO_SEQUENCE);
}
