//! What is done to a log and its model, and how often.

use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(super) enum Operation {
    Append {
        batches: Vec<(u8, u16)>,
    },
    /// A batch of one of a few producers; in a transaction if it asks for one or has one open.
    Produce {
        producer: u8,
        records: u8,
        is_transactional: bool,
    },
    /// The end of a producer's transaction, also where none is open.
    Mark {
        producer: u8,
        is_commit: bool,
    },
    ReadCommitted {
        at: u16,
        max_bytes: u16,
    },
    Roll,
    Read {
        at: u16,
        max_bytes: u16,
        bound: u16,
        min_one: bool,
    },
    FindTime {
        at: u16,
    },
    Truncate {
        at: u16,
    },
    DeleteRecords {
        at: u16,
    },
    Retain {
        ms: i64,
        bytes: u16,
        at: u16,
    },
    NewEpoch,
    Snapshot,
    Sync,
    Checkpoint {
        whole: bool,
    },
    Release,
    CloseAndReopen,
    KillAndReopen,
    Crash {
        seed: u64,
    },
}

pub(super) fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        12 => prop::collection::vec((1..4_u8, 0..400_u16), 1..6).prop_map(|batches| Operation::Append { batches }),
        6 => (0..4_u8, 1..4_u8, any::<bool>())
            .prop_map(|(producer, records, is_transactional)| Operation::Produce { producer, records, is_transactional }),
        4 => (0..4_u8, any::<bool>()).prop_map(|(producer, is_commit)| Operation::Mark { producer, is_commit }),
        4 => (any::<u16>(), 0..3_000_u16).prop_map(|(at, max_bytes)| Operation::ReadCommitted { at, max_bytes }),
        1 => Just(Operation::Roll),
        8 => (any::<u16>(), 0..3_000_u16, any::<u16>(), any::<bool>())
            .prop_map(|(at, max_bytes, bound, min_one)| Operation::Read { at, max_bytes, bound, min_one }),
        2 => any::<u16>().prop_map(|at| Operation::FindTime { at }),
        1 => any::<u16>().prop_map(|at| Operation::Truncate { at }),
        1 => any::<u16>().prop_map(|at| Operation::DeleteRecords { at }),
        1 => (-1..3_000_i64, any::<u16>(), any::<u16>()).prop_map(|(ms, bytes, at)| Operation::Retain { ms, bytes, at }),
        1 => Just(Operation::NewEpoch),
        1 => Just(Operation::Snapshot),
        3 => Just(Operation::Sync),
        2 => any::<bool>().prop_map(|whole| Operation::Checkpoint { whole }),
        1 => Just(Operation::Release),
        2 => Just(Operation::CloseAndReopen),
        1 => Just(Operation::KillAndReopen),
        2 => any::<u64>().prop_map(|seed| Operation::Crash { seed }),
    ]
}
