//! Owns which transactions of a log are open, and what a marker makes of one. Never reads the log.
//! Invariant: a producer has at most one open transaction, and the first offsets of open ones differ.
//!
//! none → open at a producer's first transactional batch; open → completed at its marker. A marker without an open transaction (an empty
//! one, or one whose data is gone) completes nothing.

use std::collections::BTreeSet;

use hashbrown::HashMap;

/// A transaction that a marker decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompletedTransaction {
    pub producer_id: i64,
    pub first_offset: i64,
    /// The marker's.
    pub last_offset: i64,
    pub is_aborted: bool,
    /// The first offset of the oldest transaction still open, or the offset behind the marker.
    pub last_stable_offset: i64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct OpenTransactions {
    /// By producer id.
    first_offsets: HashMap<i64, i64>,
    /// First offset and producer id.
    by_offset: BTreeSet<(i64, i64)>,
}

impl OpenTransactions {
    pub(crate) fn begin(&mut self, producer_id: i64, first_offset: i64) {
        if !self.first_offsets.contains_key(&producer_id) {
            self.first_offsets.insert(producer_id, first_offset);
            self.by_offset.insert((first_offset, producer_id));
        }
    }

    pub(crate) fn complete(
        &mut self,
        producer_id: i64,
        marker_offset: i64,
        is_aborted: bool,
    ) -> Option<CompletedTransaction> {
        let first_offset = self.first_offsets.remove(&producer_id)?;
        self.by_offset.remove(&(first_offset, producer_id));
        Some(CompletedTransaction {
            producer_id,
            first_offset,
            last_offset: marker_offset,
            is_aborted,
            last_stable_offset: self.first_offset().unwrap_or(marker_offset + 1),
        })
    }

    /// Where the oldest open transaction begins.
    pub(crate) fn first_offset(&self) -> Option<i64> {
        self.by_offset.first().map(|(offset, _)| *offset)
    }

    /// Producers with an open transaction, the oldest transaction first.
    pub(crate) fn producer_ids(&self) -> impl Iterator<Item = i64> + '_ {
        self.by_offset.iter().map(|(_, producer_id)| *producer_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_open_transaction_bounds_what_is_stable() {
        let mut open = OpenTransactions::default();
        open.begin(7, 10);
        open.begin(8, 12);
        open.begin(7, 14);
        assert_eq!(open.first_offset(), Some(10));
        let first = open.complete(7, 20, true).expect("open");
        assert_eq!((first.first_offset, first.last_offset), (10, 20));
        assert_eq!(first.last_stable_offset, 12);
        let second = open.complete(8, 21, false).expect("open");
        assert_eq!((second.last_stable_offset, second.is_aborted), (22, false));
        assert_eq!(open.complete(8, 22, true), None);
        assert_eq!(open.first_offset(), None);
    }
}
