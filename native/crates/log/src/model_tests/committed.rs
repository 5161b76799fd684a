//! Producers and transactions of the model: what a reader of committed records sees, against what became of each batch.

use millrace_record::control::transaction_marker;
use millrace_record::{BatchBuilder, BatchHeader, BatchIter};

use super::{Model, World};

impl<D: World> Model<D> {
    pub(super) fn produce(&mut self, producer_id: i64, records: u8, is_transactional: bool) {
        let mut builder = BatchBuilder::new();
        builder.producer(producer_id, 0, self.next_sequence(producer_id));
        if is_transactional || self.open_since(producer_id).is_some() {
            builder.transactional();
        }
        self.now_ms += 7;
        for _ in 0..records {
            builder.append(self.now_ms, None, Some(&[b'p'; 60]), &[]);
        }
        self.append_bytes(vec![builder.build()]);
    }

    fn next_sequence(&self, producer_id: i64) -> i32 {
        let last = self
            .batches
            .iter()
            .map(|(header, _)| header)
            .rfind(|header| header.producer_id == producer_id && !header.is_control());
        last.map_or(0, |header| header.last_sequence() + 1)
    }

    /// Where the producer's open transaction began.
    fn open_since(&self, producer_id: i64) -> Option<i64> {
        let mut since = None;
        let of_producer = self.batches.iter().map(|(header, _)| header);
        for header in of_producer.filter(|header| header.producer_id == producer_id) {
            if header.is_control() {
                since = None;
            } else if header.is_transactional() && since.is_none() {
                since = Some(header.base_offset);
            }
        }
        since
    }

    /// What became of the batch: None while its transaction is open.
    fn is_committed(&self, index: usize) -> Option<bool> {
        let header = &self.batches[index].0;
        if header.is_control() || !header.is_transactional() {
            return Some(!header.is_control());
        }
        self.batches[index..]
            .iter()
            .find(|(later, _)| later.is_control() && later.producer_id == header.producer_id)
            .map(|(_, bytes)| transaction_marker(bytes).expect("a marker").is_commit)
    }

    /// Reads as a consumer of committed records does, and sees exactly the committed ones. Answers where the next read goes on.
    pub(super) fn read_committed(&mut self, offset: i64, max_bytes: u32) -> Option<i64> {
        let unstable = self.log.first_unstable_offset().expect("producers");
        let stable_end = unstable.unwrap_or(self.log_end_offset);
        let slice = self
            .log
            .read(offset, max_bytes, stable_end, true)
            .expect("read")?;
        let aborted = self
            .log
            .aborted_transactions(offset, slice.next_offset_hint)
            .expect("aborted");
        let first = self
            .batches
            .partition_point(|(header, _)| header.last_offset() < offset);
        let (mut waiting, mut skipped) = (aborted, Vec::new());
        waiting.sort_unstable_by_key(|entry| entry.first_offset);
        let bytes = slice.to_vec().expect("read");
        for (index, item) in (first..).zip(BatchIter::new(&bytes)) {
            let (header, batch) = item.expect("whole batches");
            while waiting
                .first()
                .is_some_and(|entry| entry.first_offset <= header.last_offset())
            {
                skipped.push(waiting.remove(0).producer_id);
            }
            let is_skipped = header.is_transactional() && skipped.contains(&header.producer_id);
            if header.is_control() {
                if !transaction_marker(batch).expect("a marker").is_commit {
                    skipped.retain(|producer_id| *producer_id != header.producer_id);
                }
            } else if header.base_offset >= self.log_start_max {
                let expected = self.is_committed(index);
                assert_eq!(
                    expected,
                    Some(!is_skipped),
                    "batch {index} at {}",
                    header.base_offset
                );
            }
        }
        Some(slice.next_offset_hint)
    }

    /// Sequences and open transactions are what the batches say, as far as those are still there.
    pub(super) fn compare_producers(&mut self) {
        let entries: Vec<_> = self.log.producers().expect("producers").entries().collect();
        // A start that an unclean stop moved back brings back records whose producer was forgotten with them.
        let start = self.log_start_max;
        for producer_id in 0..4 {
            let of_producer = |header: &&BatchHeader| {
                header.producer_id == producer_id
                    && !header.is_control()
                    && header.base_offset >= start
            };
            let last = self
                .batches
                .iter()
                .map(|(header, _)| header)
                .rfind(of_producer);
            let entry = entries
                .iter()
                .find(|entry| entry.producer_id == producer_id);
            if let Some(last) = last {
                let entry = entry.expect("a producer whose batches are there is known");
                assert_eq!(
                    (entry.last_offset, entry.last_sequence),
                    (last.last_offset(), last.last_sequence())
                );
            }
            let since = self.open_since(producer_id);
            let known_since = entry
                .map(|entry| entry.current_txn_first_offset)
                .filter(|offset| *offset >= 0);
            match (since, known_since) {
                (Some(since), Some(known)) => assert!(
                    known == since || (since < self.log_start_max && known > since),
                    "open since {since}, not {known}"
                ),
                (Some(since), None) => assert!(since < self.log_start_max),
                (None, known) => assert_eq!(known, None),
            }
        }
    }
}
