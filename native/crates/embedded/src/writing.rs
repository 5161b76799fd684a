//! Owns the way of sealed batches into the log: the queue of what was handed over, and the thread that writes it.
//! Never blocks a reader for longer than one write. Invariant: batches are written in the order in which they were handed over; after one could
//! not be written, those that were handed over meanwhile are dropped with it, and `failures` says so.

use std::collections::VecDeque;
use std::sync::{MutexGuard, PoisonError};

use millrace_host::arena::Slot;
use millrace_host::clock;
use millrace_record::{BatchWriter, HEADER_BYTES, RecordsSummary, seal};

use crate::error::StoreError;
use crate::packed::{PackedRecords, packed_record_count};
use crate::store::{Store, lock};

/// Slots written by one call, so that the first are free again while the others are written.
const BATCHES_PER_WRITE: usize = 4;
const LEADER_EPOCH: i32 = 0;

/// A slot whose first `bytes` hold records behind room for a header.
#[derive(Clone, Copy, Debug)]
pub struct SealedSlot {
    pub slot: usize,
    pub bytes: usize,
    pub records: RecordsSummary,
}

/// What goes with every batch that is handed over.
#[derive(Clone, Copy, Debug)]
pub struct Handover {
    pub base_offset: i64,
    pub wants_sync: bool,
    /// The count of failures its writer knows of: with an older one the batch is dropped.
    pub failures: u32,
}

enum Bytes {
    Slot { slot: Slot, bytes: usize },
    Owned(Vec<u8>),
}

impl Bytes {
    fn batch_mut(&mut self) -> &mut [u8] {
        match self {
            Bytes::Slot { slot, bytes } => &mut slot.bytes_mut()[..*bytes],
            Bytes::Owned(bytes) => bytes,
        }
    }
}

struct Waiting {
    bytes: Bytes,
    handover: Handover,
    /// None once the header is written.
    unsealed: Option<RecordsSummary>,
}

#[derive(Default)]
pub(crate) struct Queue {
    waiting: VecDeque<Waiting>,
    /// Batches taken off the queue and not yet written.
    in_hand: usize,
    /// A sync is wanted of what is in hand.
    wants_sync: bool,
    is_stopping: bool,
}

impl Store {
    /// Hands over a slot; returns the next one to fill, waiting until it is free.
    pub fn hand_over(&self, sealed: SealedSlot, handover: Handover) -> Result<usize, StoreError> {
        let slots = self.arena.slots();
        if sealed.bytes <= HEADER_BYTES
            || sealed.bytes > self.arena.slot_bytes()
            || sealed.records.record_count <= 0
        {
            return Err(StoreError::new(
                "INVALID_ARGUMENT",
                "a sealed slot holds records",
            ));
        }
        let slot = self
            .arena
            .take(sealed.slot)
            .ok_or_else(|| StoreError::new("INVALID_ARGUMENT", "the slot is not the filler's"))?;
        let bytes = Bytes::Slot {
            slot,
            bytes: sealed.bytes,
        };
        self.enqueue(bytes, sealed.records, handover)?;
        let next = (sealed.slot + 1) % slots;
        self.wait_for_slot(next)?;
        Ok(next)
    }

    /// Hands over a batch that does not fit into a slot: records behind room for a header.
    pub fn hand_over_owned(
        &self,
        batch: Vec<u8>,
        records: RecordsSummary,
        handover: Handover,
    ) -> Result<(), StoreError> {
        if batch.len() <= HEADER_BYTES || records.record_count <= 0 {
            return Err(StoreError::new("INVALID_ARGUMENT", "a batch holds records"));
        }
        self.check_size(batch.len())?;
        self.enqueue(Bytes::Owned(batch), records, handover)
    }

    /// Copies packed records into slots from `slot` on, all with one timestamp, and hands the slots over. Returns the number of records and the
    /// next slot to fill. Checked as a whole before anything is taken.
    pub fn hand_over_packed(
        &self,
        packed: &[u8],
        timestamp: i64,
        slot: usize,
        mut handover: Handover,
    ) -> Result<(u32, usize), StoreError> {
        let count = packed_record_count(packed)?;
        for (key, value) in PackedRecords::new(packed) {
            self.check_size(BatchWriter::bytes_alone(key, value))?;
        }
        let mut records = PackedRecords::new(packed);
        let mut next = slot;
        while !records.is_empty() {
            self.wait_for_slot(next)?;
            let mut held = self.arena.take(next).ok_or_else(|| {
                StoreError::new("INVALID_ARGUMENT", "the slot is not the filler's")
            })?;
            let mut writer = BatchWriter::new(held.bytes_mut(), timestamp);
            while let Some(((key, value), rest)) = records.peek() {
                if !writer.push(key, value) {
                    break;
                }
                records.advance(rest);
            }
            let (bytes, summary) = writer.finish();
            if summary.record_count == 0 {
                drop(held);
                let ((key, value), rest) = records.peek().expect("counted before");
                let mut batch = vec![0; BatchWriter::bytes_alone(key, value)];
                let mut writer = BatchWriter::new(&mut batch, timestamp);
                assert!(writer.push(key, value), "it has the room it needs");
                let (bytes, summary) = writer.finish();
                batch.truncate(bytes);
                records.advance(rest);
                self.enqueue(Bytes::Owned(batch), summary, handover)?;
                handover.base_offset += 1;
                continue;
            }
            self.enqueue(Bytes::Slot { slot: held, bytes }, summary, handover)?;
            handover.base_offset += i64::from(summary.record_count);
            next = (next + 1) % self.arena.slots();
        }
        self.wait_for_slot(next)?;
        Ok((count, next))
    }

    /// Asks for a sync of everything handed over so far.
    pub fn request_sync(&self) {
        let mut queue = self.lock_queue();
        if let Some(last) = queue.waiting.back_mut() {
            last.handover.wants_sync = true;
        } else if queue.in_hand > 0 {
            queue.wants_sync = true;
        } else {
            drop(queue);
            self.want_sync();
        }
    }

    fn check_size(&self, batch_bytes: usize) -> Result<(), StoreError> {
        let segment_bytes = self.options.log.segment_bytes as usize;
        if batch_bytes > segment_bytes {
            return Err(StoreError::new(
                "RECORD_TOO_LARGE",
                format!(
                    "a record of {batch_bytes} bytes does not fit into a segment of {segment_bytes}"
                ),
            ));
        }
        Ok(())
    }

    /// Waits until everything handed over is written, or has failed.
    pub fn flush(&self) -> Result<(), StoreError> {
        let mut queue = self.lock_queue();
        while !(queue.waiting.is_empty() && queue.in_hand == 0) {
            queue = self.wait_for_progress(queue);
        }
        Ok(())
    }

    fn enqueue(
        &self,
        mut bytes: Bytes,
        records: RecordsSummary,
        handover: Handover,
    ) -> Result<(), StoreError> {
        let mut queue = self.lock_queue();
        if queue.is_stopping {
            return Err(StoreError::closed());
        }
        let mut unsealed = Some(records);
        if !queue.waiting.is_empty() {
            // The writer is behind: the checksum is computed here, where the bytes are still in the cache.
            drop(queue);
            seal(bytes.batch_mut(), handover.base_offset, records);
            unsealed = None;
            queue = self.lock_queue();
        }
        queue.waiting.push_back(Waiting {
            bytes,
            handover,
            unsealed,
        });
        let is_first = queue.waiting.len() == 1 && queue.in_hand == 0;
        drop(queue);
        if is_first {
            self.arrived.notify_one();
        }
        Ok(())
    }

    fn wait_for_slot(&self, slot: usize) -> Result<(), StoreError> {
        if !self.arena.is_taken(slot) {
            return Ok(());
        }
        let mut queue = self.lock_queue();
        while self.arena.is_taken(slot) {
            queue = self.wait_for_progress(queue);
        }
        Ok(())
    }

    fn wait_for_progress<'q>(&self, queue: MutexGuard<'q, Queue>) -> MutexGuard<'q, Queue> {
        self.progressed
            .wait(queue)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    /// No more is taken; the thread ends when what waits is written.
    pub(crate) fn stop_writing(&self) {
        self.lock_queue().is_stopping = true;
        self.arrived.notify_all();
    }

    /// The writing thread.
    pub(crate) fn write_until_stopped(&self) {
        while let Some(batches) = self.take_batches() {
            self.write(batches);
            let mut queue = self.lock_queue();
            queue.in_hand = 0;
            let wants_sync = std::mem::take(&mut queue.wants_sync);
            drop(queue);
            self.progressed.notify_all();
            if wants_sync {
                self.want_sync();
            }
        }
    }

    fn take_batches(&self) -> Option<Vec<Waiting>> {
        let mut queue = self.lock_queue();
        while queue.waiting.is_empty() {
            if queue.is_stopping {
                return None;
            }
            queue = self
                .arrived
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let count = queue.waiting.len().min(BATCHES_PER_WRITE);
        queue.in_hand = count;
        Some(queue.waiting.drain(..count).collect())
    }

    fn write(&self, mut batches: Vec<Waiting>) {
        let failures = self.progress().failures;
        batches.retain(|waiting| waiting.handover.failures == failures);
        if batches.is_empty() {
            return;
        }
        for waiting in &mut batches {
            if let Some(records) = waiting.unsealed.take() {
                seal(
                    waiting.bytes.batch_mut(),
                    waiting.handover.base_offset,
                    records,
                );
            }
        }
        let wants_sync = batches.iter().any(|waiting| waiting.handover.wants_sync);
        let mut slices: Vec<&mut [u8]> = batches
            .iter_mut()
            .map(|waiting| waiting.bytes.batch_mut())
            .collect();
        let mut log = lock(&self.log);
        let expected = log.log_end_offset();
        let appended = log.append(&mut slices, LEADER_EPOCH, clock::wall_ms());
        let end_offset = log.log_end_offset();
        drop(log);
        match appended {
            Ok(info) => {
                assert!(
                    info.base_offset == expected && batches[0].handover.base_offset == expected,
                    "the filler counts offsets as the log does"
                );
                // The slots are free before their filler is told.
                drop(batches);
                self.change_progress(|progress| progress.written_offset = end_offset);
                if wants_sync {
                    self.want_sync();
                }
                if info.rolled {
                    self.want_tidying();
                }
            }
            Err(error) => {
                drop(batches);
                self.fail(error.into());
            }
        }
    }
}
