//! Owns which batches of a log belong to aborted transactions, and which markers still have something to say, while the log is walked in
//! order. Never reads the log. Kafka's rules: the data of an aborted transaction goes at once; a marker goes only after its data, in a later
//! cleaning, and then only behind its delete horizon.

use std::collections::{HashMap, HashSet, VecDeque};

use millrace_record::control::ControlType;
use millrace_record::{BatchError, BatchHeader, records};

use crate::txn_index::AbortedTransaction;

struct OngoingAbort {
    transaction: AbortedTransaction,
    /// A batch of it is still in the log.
    has_data: bool,
}

/// What a batch is to the transactions around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Data nobody may read, or a marker whose data is gone.
    Discardable,
    Needed,
}

pub(crate) struct TransactionWalk {
    /// By first offset, those not begun yet.
    aborted: VecDeque<AbortedTransaction>,
    ongoing_aborts: HashMap<i64, OngoingAbort>,
    /// Producers with data of a transaction that is not aborted.
    ongoing_commits: HashSet<i64>,
}

impl TransactionWalk {
    /// A walk over the batches from `begin_offset` on.
    pub(crate) fn new(aborted: &[AbortedTransaction], begin_offset: i64) -> TransactionWalk {
        // One that ended before would claim its producer's later transactions.
        let mut aborted: Vec<_> = aborted
            .iter()
            .copied()
            .filter(|transaction| transaction.last_offset >= begin_offset)
            .collect();
        aborted.sort_by_key(|transaction| transaction.first_offset);
        TransactionWalk {
            aborted: aborted.into(),
            ongoing_aborts: HashMap::new(),
            ongoing_commits: HashSet::new(),
        }
    }

    /// A batch of records.
    pub(crate) fn on_data(&mut self, header: &BatchHeader) -> Standing {
        self.begin_up_to(header.last_offset());
        if !header.is_transactional() {
            return Standing::Needed;
        }
        match self.ongoing_aborts.get_mut(&header.producer_id) {
            Some(abort) => {
                abort.has_data = true;
                Standing::Discardable
            }
            None => {
                self.ongoing_commits.insert(header.producer_id);
                Standing::Needed
            }
        }
    }

    /// A control batch with its type: None for one without records, or of a type nobody knows. The second value is the aborted transaction
    /// that it ended, if its data is still there: it stays in the transaction index.
    pub(crate) fn on_control(
        &mut self,
        header: &BatchHeader,
        control: Option<ControlType>,
    ) -> (Standing, Option<AbortedTransaction>) {
        self.begin_up_to(header.last_offset());
        if header.record_count == 0 {
            // Emptied by an earlier cleaning.
            return (Standing::Discardable, None);
        }
        match control {
            Some(ControlType::Abort) => match self.ongoing_aborts.remove(&header.producer_id) {
                Some(abort) if abort.has_data => (Standing::Needed, Some(abort.transaction)),
                Some(_) | None => (Standing::Discardable, None),
            },
            Some(ControlType::Commit) => match self.ongoing_commits.remove(&header.producer_id) {
                true => (Standing::Needed, None),
                false => (Standing::Discardable, None),
            },
            Some(
                ControlType::LeaderChange
                | ControlType::SnapshotHeader
                | ControlType::SnapshotFooter
                | ControlType::KraftVersion
                | ControlType::Voters,
            )
            | None => (Standing::Needed, None),
        }
    }

    /// Where the oldest aborted transaction begins that has not ended yet.
    pub(crate) fn first_ongoing_abort(&self) -> Option<i64> {
        let ongoing = self.ongoing_aborts.values();
        ongoing.map(|abort| abort.transaction.first_offset).min()
    }

    fn begin_up_to(&mut self, offset: i64) {
        while let Some(transaction) = self
            .aborted
            .pop_front_if(|transaction| transaction.first_offset <= offset)
        {
            self.ongoing_aborts
                .entry(transaction.producer_id)
                .or_insert(OngoingAbort {
                    transaction,
                    has_data: false,
                });
        }
    }
}

/// The type of a control batch; None for one without records or of an unknown type.
pub(crate) fn control_type(batch: &[u8]) -> Result<Option<ControlType>, BatchError> {
    assert!(
        BatchHeader::parse(batch)?.is_control(),
        "only control batches have a type"
    );
    match records(batch)?.iter().next() {
        None => Ok(None),
        Some(record) => {
            let key = record?.key.ok_or(BatchError::MalformedControlRecord)?;
            ControlType::of_key(key)
        }
    }
}

#[cfg(test)]
mod tests {
    use millrace_record::BatchBuilder;
    use millrace_record::control::end_transaction_batch;

    use super::*;

    fn data(producer_id: i64, base_offset: i64) -> BatchHeader {
        let mut builder = BatchBuilder::new();
        builder
            .base_offset(base_offset)
            .producer(producer_id, 0, 0)
            .transactional();
        builder.append(0, Some(b"k"), Some(b"v"), &[]);
        BatchHeader::parse(&builder.build()).expect("header")
    }

    fn marker(producer_id: i64, offset: i64, commit: bool) -> BatchHeader {
        let mut header = BatchHeader::parse(&end_transaction_batch(producer_id, 0, commit, 0, 0))
            .expect("header");
        header.base_offset = offset;
        header
    }

    fn aborted(producer_id: i64, first_offset: i64, last_offset: i64) -> AbortedTransaction {
        AbortedTransaction {
            producer_id,
            first_offset,
            last_offset,
            last_stable_offset: last_offset + 1,
        }
    }

    #[test]
    fn aborted_data_goes_and_its_marker_stays_while_there_was_data() {
        let list = [aborted(1, 0, 4)];
        let mut walk = TransactionWalk::new(&list, 0);
        assert_eq!(walk.on_data(&data(1, 0)), Standing::Discardable);
        assert_eq!(walk.on_data(&data(2, 1)), Standing::Needed);
        assert_eq!(
            walk.on_control(&marker(1, 4, false), Some(ControlType::Abort)),
            (Standing::Needed, Some(list[0]))
        );
        assert_eq!(
            walk.on_control(&marker(2, 5, true), Some(ControlType::Commit)),
            (Standing::Needed, None)
        );
        // The same producer's next transaction is another matter.
        assert_eq!(walk.on_data(&data(1, 6)), Standing::Needed);
    }

    #[test]
    fn markers_without_data_may_go() {
        let list = [aborted(1, 0, 4)];
        let mut walk = TransactionWalk::new(&list, 0);
        assert_eq!(
            walk.on_control(&marker(1, 4, false), Some(ControlType::Abort)),
            (Standing::Discardable, None)
        );
        assert_eq!(
            walk.on_control(&marker(2, 5, true), Some(ControlType::Commit)),
            (Standing::Discardable, None)
        );
        assert_eq!(
            walk.on_control(&marker(3, 6, true), None),
            (Standing::Needed, None)
        );
        let mut emptied = marker(3, 7, true);
        emptied.record_count = 0;
        assert_eq!(
            walk.on_control(&emptied, None),
            (Standing::Discardable, None)
        );
    }

    #[test]
    fn a_walk_that_begins_behind_a_transaction_knows_nothing_of_it() {
        let list = [aborted(1, 0, 4)];
        let mut walk = TransactionWalk::new(&list, 5);
        assert_eq!(walk.on_data(&data(1, 6)), Standing::Needed);
    }

    #[test]
    fn plain_batches_belong_to_no_transaction() {
        let list = [aborted(1, 0, 4)];
        let mut walk = TransactionWalk::new(&list, 0);
        let mut plain = data(1, 2);
        plain.attributes = 0;
        assert_eq!(walk.on_data(&plain), Standing::Needed);
    }
}
