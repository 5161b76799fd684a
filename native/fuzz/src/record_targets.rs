//! Owns the targets of the record crate. What every answer must hold: ranges within the input, output within its limit, a batch that
//! passes validation still passes after it was stamped.

use millrace_record::control::ControlRecord;
use millrace_record::{
    BatchHeader, BatchIter, Compression, HEADER_BYTES, Preparation, ProduceLimits, TimestampType,
    TopicCompression, compression, crc32c, offset_for_timestamp, offset_of_max_timestamp, prepare,
    records_with_limit, stamp_base_offset, stamp_leader_epoch, stamp_log_append_time,
    validate_produced, validate_stored, verify_crc,
};

const DECOMPRESSED_BYTES_MAX: usize = 1 << 20;

/// Header, validation, stamping and the walk over several batches: of the bytes as they are, and with base offset, length, magic and
/// checksum made right, which no search would find.
pub fn batch_header(data: &[u8]) {
    check_header(data);
    if data.len() >= HEADER_BYTES {
        let mut batch = data.to_vec();
        let batch_length = i32::try_from(batch.len() - 12).expect("inputs are small");
        batch[..8].fill(0);
        batch[8..12].copy_from_slice(&batch_length.to_be_bytes());
        batch[16] = 2;
        let crc = crc32c(&batch[21..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
        assert!(verify_crc(&batch));
        check_header(&batch);
    }
}

fn check_header(data: &[u8]) {
    let limits = ProduceLimits {
        max_message_bytes: 1 << 20,
        segment_bytes: 1 << 30,
        produce_version: 13,
        now_ms: 1_700_000_000_000,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: 3_600_000,
    };
    if let Ok(header) = BatchHeader::parse(data) {
        assert!(header.size_bytes() >= HEADER_BYTES);
        let (_, _, _) = (
            header.last_offset(),
            header.last_sequence(),
            header.next_offset(),
        );
        assert_eq!(header.codec_id() == 0, header.codec() == Ok(None));
    }
    let walked: usize = BatchIter::new(data)
        .filter_map(Result::ok)
        .map(|(_, batch)| batch.len())
        .sum();
    assert!(walked <= data.len());
    match validate_produced(data, &limits) {
        Err(error) => assert!(
            matches!(error.kafka_code(), 2 | 10 | 18 | 32 | 76 | 87),
            "{error}"
        ),
        Ok(header) => {
            assert!(
                header.size_bytes() == data.len()
                    && header.record_count > 0
                    && !header.is_control()
            );
            check_stamps(data);
        }
    }
}

fn check_stamps(data: &[u8]) {
    let mut batch = data.to_vec();
    stamp_base_offset(&mut batch, i64::MAX);
    stamp_leader_epoch(&mut batch, i32::MIN);
    assert!(
        verify_crc(&batch),
        "offset and epoch are outside the checksum"
    );
    stamp_log_append_time(&mut batch, 7);
    let header = validate_stored(&batch).expect("a stamped batch is valid");
    assert!(header.is_log_append_time() && header.max_timestamp == 7);
}

/// Records of a whole batch, whatever its codec and checksum.
pub fn batch_records(data: &[u8]) {
    if let Ok(records) = records_with_limit(data, DECOMPRESSED_BYTES_MAX) {
        let count = records.header().record_count;
        let mut read = 0;
        for record in &records {
            let Ok(record) = record else { break };
            read += 1;
            assert_eq!(record.headers.iter().count(), record.headers.len());
        }
        assert!(read <= count);
        prepare_in_every_codec(data);
        let _ = offset_for_timestamp(data, 0, 0);
        let _ = offset_of_max_timestamp(data);
    }
}

/// Whatever the records are, what is written anew is sound and holds as many.
fn prepare_in_every_codec(batch: &[u8]) {
    let codecs = [None].into_iter().chain(Compression::ALL.map(Some));
    for codec in codecs {
        let preparation = Preparation {
            limits: ProduceLimits {
                max_message_bytes: 1 << 20,
                segment_bytes: 1 << 20,
                produce_version: 12,
                now_ms: 0,
                timestamp_type: TimestampType::LogAppendTime,
                timestamp_before_max_ms: i64::MAX,
                timestamp_after_max_ms: i64::MAX,
            },
            compression: codec.map_or(TopicCompression::Uncompressed, |codec| {
                TopicCompression::Codec { codec, level: None }
            }),
            needs_keys: false,
            decompressed_bytes_max: DECOMPRESSED_BYTES_MAX,
            record_errors_max: 3,
        };
        if let Ok(Some(prepared)) = prepare(batch, &preparation) {
            let header = validate_stored(&prepared).expect("written sound");
            let records = records_with_limit(&prepared, DECOMPRESSED_BYTES_MAX);
            let count = records
                .expect("readable")
                .iter()
                .filter(Result::is_ok)
                .count();
            assert_eq!(count, header.record_count as usize);
        }
    }
}

/// Records behind a sound header: byte 0 picks the codec, byte 1 the count, the rest is the record section.
pub fn record_section(data: &[u8]) {
    let [codec, count, section @ ..] = data else {
        return;
    };
    let mut batch = vec![0; HEADER_BYTES];
    batch.extend_from_slice(section);
    let batch_length = i32::try_from(batch.len() - 12).expect("inputs are small");
    batch[8..12].copy_from_slice(&batch_length.to_be_bytes());
    batch[16] = 2;
    batch[22] = codec % 5;
    batch[57..61].copy_from_slice(&i32::from(*count).to_be_bytes());
    batch_records(&batch);
}

pub fn decompress_gzip(data: &[u8]) {
    decompress(Compression::Gzip, data);
}

pub fn decompress_snappy(data: &[u8]) {
    decompress(Compression::Snappy, data);
}

pub fn decompress_lz4(data: &[u8]) {
    decompress(Compression::Lz4, data);
}

pub fn decompress_zstd(data: &[u8]) {
    decompress(Compression::Zstd, data);
}

fn decompress(codec: Compression, data: &[u8]) {
    let mut plain = Vec::new();
    if compression::decompress(codec, data, DECOMPRESSED_BYTES_MAX, &mut plain).is_err() {
        return;
    }
    assert!(plain.len() <= DECOMPRESSED_BYTES_MAX);
    let (mut packed, mut again) = (Vec::new(), Vec::new());
    compression::compress(codec, None, &plain, &mut packed);
    compression::decompress(codec, &packed, plain.len(), &mut again).expect("our own stream");
    assert!(plain == again, "what was compressed comes back");
}

/// A control record: byte 0 picks the type.
pub fn control_record(data: &[u8]) {
    let [control_type, value @ ..] = data else {
        return;
    };
    let Ok(record) = ControlRecord::parse(&[0, 0, 0, control_type % 8], value) else {
        return;
    };
    if record == ControlRecord::Unknown {
        return;
    }
    if let ControlRecord::LeaderChange(change) = &record
        && change.version > 1
    {
        return; // a later version is read as far as it is known, and not written again
    }
    let (key, value) = record.write();
    assert_eq!(ControlRecord::parse(&key, &value), Ok(record));
}
