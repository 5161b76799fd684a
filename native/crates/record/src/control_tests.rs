//! Control records through write and parse; the bytes themselves are compared with Java's in tests/java_batches.rs.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn voter_key(version: i16) -> impl Strategy<Value = VoterKey> {
    (any::<i32>(), any::<[u8; 16]>()).prop_map(move |(id, directory_id)| VoterKey {
        id,
        directory_id: if version == 0 { [0; 16] } else { directory_id },
    })
}

fn leader_change() -> impl Strategy<Value = ControlRecord> {
    (0..2i16).prop_flat_map(|version| {
        (
            any::<i32>(),
            vec(voter_key(version), 0..4),
            vec(voter_key(version), 0..4),
        )
            .prop_map(move |(leader_id, voters, granting_voters)| {
                ControlRecord::LeaderChange(LeaderChange {
                    version,
                    leader_id,
                    voters,
                    granting_voters,
                })
            })
    })
}

fn voter() -> impl Strategy<Value = Voter> {
    let endpoint = (".{0,9}", ".{0,200}", any::<u16>())
        .prop_map(|(name, host, port)| VoterEndpoint { name, host, port });
    (
        any::<i32>(),
        any::<[u8; 16]>(),
        vec(endpoint, 0..3),
        any::<(i16, i16)>(),
    )
        .prop_map(
            |(id, directory_id, endpoints, (kraft_version_min, kraft_version_max))| Voter {
                id,
                directory_id,
                endpoints,
                kraft_version_min,
                kraft_version_max,
            },
        )
}

fn control_record() -> impl Strategy<Value = ControlRecord> {
    prop_oneof![
        any::<i32>().prop_map(|coordinator_epoch| ControlRecord::Abort { coordinator_epoch }),
        any::<i32>().prop_map(|coordinator_epoch| ControlRecord::Commit { coordinator_epoch }),
        leader_change(),
        any::<i64>().prop_map(
            |last_contained_log_timestamp| ControlRecord::SnapshotHeader {
                last_contained_log_timestamp
            }
        ),
        Just(ControlRecord::SnapshotFooter),
        any::<i16>().prop_map(|kraft_version| ControlRecord::KraftVersion { kraft_version }),
        vec(voter(), 0..4).prop_map(|voters| ControlRecord::Voters { voters }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_parsed_and_no_cut_of_it_is(record in control_record()) {
        let (key, value) = record.write();
        prop_assert_eq!(ControlRecord::parse(&key, &value), Ok(record));
        for len in 0..value.len() {
            prop_assert_eq!(ControlRecord::parse(&key, &value[..len]), Err(BatchError::MalformedControlRecord));
        }
    }

    #[test]
    fn noise_never_panics(kind in 0..8i16, value in vec(any::<u8>(), 0..100)) {
        let key = [&[0, 0][..], &kind.to_be_bytes()].concat();
        let _ = ControlRecord::parse(&key, &value);
    }
}

#[test]
fn a_type_of_a_later_kafka_is_unknown_and_a_short_key_malformed() {
    assert_eq!(
        ControlRecord::parse(&[0, 0, 0, 7], b"whatever"),
        Ok(ControlRecord::Unknown)
    );
    assert_eq!(
        ControlRecord::parse(&[0, 0, 0], b""),
        Err(BatchError::MalformedControlRecord)
    );
    assert_eq!(
        ControlRecord::parse(&[0xff, 0xff, 0, 1], &[0; 6]),
        Err(BatchError::MalformedControlRecord)
    );
}
