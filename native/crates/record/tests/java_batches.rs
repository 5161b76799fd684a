//! Batches that Kafka's Java client (kafka-clients 4.3.1) wrote, byte for byte: one of three records for each codec, and each kind
//! of control batch.

use millrace_record::control::{
    ControlRecord, LeaderChange, Voter, VoterEndpoint, VoterKey, control_batch,
    end_transaction_batch,
};
use millrace_record::{
    BatchBuilder, BatchError, BatchHeader, BatchIter, Compression, ProduceLimits, TimestampType,
    compression, records, records_with_limit, validate_produced, validate_stored, verify_crc,
};

const PLAIN: &str = "00000000000000000000008bffffffff0247847c0e0010000000020000018bcfe568000000018bcfe569f40000000000000fa000037ffffffe000000032e000000066b65790a76616c7565040468310278046832017200e807020164746865207365636f6e642076616c756520746865207365636f6e642076616c756520746865207365636f6e642076616c7565000e00cf0f04000100";
const GZIP: &str = "00000000000000000000007dffffffff02bdc9ffe30011000000020000018bcfe568000000018bcfe569f40000000000000fa000037ffffffe000000031f8b08000000000000ffd363606060cb4eade42a4bcc294d6561c93064aa60c930622c6278c1cec498529291aa509c9a9c9f97a20056a0405080818fe13c3f0b0323030052a8f59f5a000000";
const SNAPPY: &str = "000000000000000000000083ffffffff02e17554710012000000020000018bcfe568000000018bcfe569f40000000000000fa000037ffffffe0000000382534e415050590000000001000000010000003e5aa82e000000066b65790a76616c7565040468310278046832017200e807020164746865207365636f6e6420760121002082110020000e00cf0f04000100";
const LZ4: &str = "00000000000000000000007dffffffff026daeccee0013000000020000018bcfe568000000018bcfe569f40000000000000fa000037ffffffe0000000304224d186040823d000000f11b2e000000066b65790a76616c7565040468310278046832017200e807020164746865207365636f6e642021001f2011000e90000e00cf0f0400010000000000";
const ZSTD: &str = "00000000000000000000007bffffffff02721b17fb0014000000020000018bcfe568000000018bcfe569f40000000000000fa000037ffffffe0000000328b52ffd0058f4010044032e000000066b65790a76616c7565040468310278046832017200e807020164746865207365636f6e642020000e00cf0f040001000200348710115419010000";
const COMMIT: &str = "000000000000005a00000042000000050267bf99af0030000000000000018bcfe568000000018bcfe568000000000000000fa00003ffffffff000000012000000008000000010c00000000000c00";
const ABORT: &str = "0000000000000000000000420000000502fa9264490030000000000000018bcfe568000000018bcfe568000000000000000fa00003ffffffff000000012000000008000000000c0000ffffffff00";
const LEADER_CHANGE: &str = "0000000000000007000000540000000502107190c90020000000000000018bcfe568000000018bcfe56800ffffffffffffffffffffffffffff000000014400000008000000023000000000000103000000010000000002000200000002000000";
const SNAPSHOT_HEADER: &str = "0000000000000000000000470000000502a552c3de0020000000000000018bcfe568000000018bcfe56800ffffffffffffffffffffffffffff000000012a000000080000000316000000000000000000630000";
const SNAPSHOT_FOOTER: &str = "00000000000000000000003f00000005028f6608e60020000000000000018bcfe568000000018bcfe56800ffffffffffffffffffffffffffff000000011a00000008000000040600000000";
const KRAFT_VERSION: &str = "0000000000000000000000410000000502a89c55860020000000000000018bcfe568000000018bcfe56800ffffffffffffffffffffffffffff000000011e00000008000000050a000000010000";
const VOTERS: &str = "000000000000000000000074000000050274894fc00020000000000000018bcfe568000000018bcfe56800ffffffffffffffffffffffffffff00000001820100000008000000066e0000020000000100000000000000030000000000000004020b434f4e54524f4c4c45520a6c6f63616c686f7374eabd000000000100000000";

const TIMESTAMP: i64 = 1_700_000_000_000;
const SECOND_VALUE: &[u8] = b"the second value the second value the second value";

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("hex"))
        .collect()
}

fn all_codecs() -> [(Vec<u8>, Option<Compression>); 5] {
    [
        (bytes(PLAIN), None),
        (bytes(GZIP), Some(Compression::Gzip)),
        (bytes(SNAPPY), Some(Compression::Snappy)),
        (bytes(LZ4), Some(Compression::Lz4)),
        (bytes(ZSTD), Some(Compression::Zstd)),
    ]
}

fn limits() -> ProduceLimits {
    ProduceLimits {
        max_message_bytes: 1_048_588,
        segment_bytes: 1 << 30,
        produce_version: 13,
        now_ms: TIMESTAMP,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: 3_600_000,
    }
}

#[test]
fn a_java_batch_of_every_codec_is_valid_and_reads_the_same() {
    for (batch, codec) in all_codecs() {
        let header = validate_produced(&batch, &limits()).expect("Java writes valid batches");
        assert_eq!(header.compression(), codec);
        assert!(header.is_transactional() && !header.is_control() && !header.is_log_append_time());
        assert_eq!((header.producer_id, header.producer_epoch), (4_000, 3));
        // Two below the largest sequence, three records: the last one wraps to 0.
        assert_eq!(
            (header.base_sequence, header.last_sequence()),
            (i32::MAX - 1, 0)
        );
        assert_eq!(
            (header.base_timestamp, header.max_timestamp),
            (TIMESTAMP, TIMESTAMP + 500)
        );

        let records = records(&batch).unwrap();
        let read: Vec<_> = records.iter().map(Result::unwrap).collect();
        assert_eq!(
            read.iter().map(|record| record.offset).collect::<Vec<_>>(),
            [0, 1, 2]
        );
        assert_eq!(
            read.iter()
                .map(|record| record.sequence)
                .collect::<Vec<_>>(),
            [i32::MAX - 1, i32::MAX, 0]
        );
        let timestamps: Vec<_> = read
            .iter()
            .map(|record| record.timestamp - TIMESTAMP)
            .collect();
        assert_eq!(timestamps, [0, 500, -1_000]);
        assert_eq!(
            (read[0].key, read[0].value),
            (Some(&b"key"[..]), Some(&b"value"[..]))
        );
        assert_eq!((read[1].key, read[1].value), (None, Some(SECOND_VALUE)));
        assert_eq!((read[2].key, read[2].value), (Some(&b""[..]), None));
        let headers: Vec<_> = read[0]
            .headers
            .iter()
            .map(|header| (header.key, header.value))
            .collect();
        assert_eq!(headers, [(&b"h1"[..], Some(&b"x"[..])), (b"h2", None)]);
    }
}

#[test]
fn our_plain_batch_equals_javas() {
    let mut builder = BatchBuilder::new();
    builder.producer(4_000, 3, i32::MAX - 1).transactional();
    builder.append(
        TIMESTAMP,
        Some(b"key"),
        Some(b"value"),
        &[("h1", Some(b"x")), ("h2", None)],
    );
    builder.append(TIMESTAMP + 500, None, Some(SECOND_VALUE), &[]);
    builder.append(TIMESTAMP - 1_000, Some(b""), None, &[]);
    assert_eq!(builder.build(), bytes(PLAIN));
}

fn only_control_record(batch: &[u8]) -> ControlRecord {
    assert!(validate_stored(batch).expect("valid").is_control());
    let records = records(batch).expect("records open");
    let record = records
        .iter()
        .next()
        .expect("one record")
        .expect("a record");
    ControlRecord::parse(
        record.key.expect("a control key"),
        record.value.expect("a control value"),
    )
    .expect("a control record")
}

#[test]
fn transaction_markers_equal_javas() {
    let mut commit = end_transaction_batch(4_000, 3, true, 12, TIMESTAMP);
    millrace_record::stamp_base_offset(&mut commit, 90);
    millrace_record::stamp_leader_epoch(&mut commit, 5);
    assert_eq!(commit, bytes(COMMIT));
    assert_eq!(
        only_control_record(&commit),
        ControlRecord::Commit {
            coordinator_epoch: 12
        }
    );

    let mut abort = end_transaction_batch(4_000, 3, false, -1, TIMESTAMP);
    millrace_record::stamp_leader_epoch(&mut abort, 5);
    assert_eq!(abort, bytes(ABORT));
    assert_eq!(
        only_control_record(&abort),
        ControlRecord::Abort {
            coordinator_epoch: -1
        }
    );
}

#[test]
fn kraft_control_batches_equal_javas() {
    let key = |id| VoterKey {
        id,
        directory_id: [0; 16],
    };
    let leader_change = LeaderChange {
        version: 0,
        leader_id: 1,
        voters: vec![key(1), key(2)],
        granting_voters: vec![key(2)],
    };
    let directory_id = bytes("00000000000000030000000000000004")
        .try_into()
        .expect("sixteen bytes");
    let endpoint = VoterEndpoint {
        name: "CONTROLLER".into(),
        host: "localhost".into(),
        port: 60_093,
    };
    let voter = Voter {
        id: 1,
        directory_id,
        endpoints: vec![endpoint],
        kraft_version_min: 0,
        kraft_version_max: 1,
    };
    for (base_offset, record, java) in [
        (7, ControlRecord::LeaderChange(leader_change), LEADER_CHANGE),
        (
            0,
            ControlRecord::SnapshotHeader {
                last_contained_log_timestamp: 99,
            },
            SNAPSHOT_HEADER,
        ),
        (0, ControlRecord::SnapshotFooter, SNAPSHOT_FOOTER),
        (
            0,
            ControlRecord::KraftVersion { kraft_version: 1 },
            KRAFT_VERSION,
        ),
        (
            0,
            ControlRecord::Voters {
                voters: vec![voter],
            },
            VOTERS,
        ),
    ] {
        let ours = control_batch(base_offset, 5, TIMESTAMP, std::slice::from_ref(&record));
        assert_eq!(ours, bytes(java), "{record:?}");
        assert_eq!(only_control_record(&ours), record);
    }
}

#[test]
fn a_batch_cut_anywhere_is_refused() {
    for (batch, _) in all_codecs() {
        for len in 0..batch.len() {
            let cut = &batch[..len];
            assert!(
                matches!(
                    validate_produced(cut, &limits()),
                    Err(BatchError::Incomplete { .. })
                ),
                "cut at {len}"
            );
            assert!(!verify_crc(cut));
            assert!(records(cut).is_err());
            assert!(BatchIter::new(cut).all(|item| item.is_err()));
        }
    }
}

#[test]
fn a_batch_changed_in_any_byte_is_refused_unless_only_the_leader_epoch_differs() {
    for (batch, _) in all_codecs() {
        let mut changed = batch.clone();
        for at in 0..batch.len() {
            for value in 0..=u8::MAX {
                changed[at] = value;
                let accepted = validate_produced(&changed, &limits()).is_ok();
                assert_eq!(
                    accepted,
                    value == batch[at] || (12..16).contains(&at),
                    "byte {at} is {value}"
                );
            }
            changed[at] = batch[at];
        }
    }
}

#[test]
fn records_changed_in_any_byte_never_panic_nor_pass_the_limit() {
    const LIMIT_BYTES: usize = 4_096;
    for (batch, _) in all_codecs() {
        let mut changed = batch.clone();
        for at in 0..batch.len() {
            // Every value of the plain batch; for the codecs, which cost more, those that flip one bit.
            for bit in 0..8 {
                changed[at] = batch[at] ^ (1 << bit);
                read_everything(&changed, LIMIT_BYTES);
            }
            changed[at] = batch[at];
        }
    }
}

fn read_everything(batch: &[u8], limit_bytes: usize) {
    let Ok(records) = records_with_limit(batch, limit_bytes) else {
        return;
    };
    for record in &records {
        let Ok(record) = record else { return };
        assert_eq!(record.headers.iter().count(), record.headers.len());
        let _ = ControlRecord::parse(
            record.key.unwrap_or_default(),
            record.value.unwrap_or_default(),
        );
    }
    if let Ok(header) = BatchHeader::parse(batch)
        && let Some(codec) = header.compression()
    {
        let mut out = Vec::new();
        let _ = compression::decompress(codec, &batch[61..], limit_bytes, &mut out);
        assert!(out.len() <= limit_bytes + 1);
    }
}
