//! Owns finding the aborted transactions of a log by its markers. Reads headers, and the records of control batches only.

use std::collections::HashMap;
use std::sync::Arc;

use millrace_host::disk::{Disk, DiskFile};
use millrace_record::control::ControlType;
use millrace_record::{BatchError, BatchHeader, records};

use super::transactions::AbortedTransaction;
use crate::error::{Attempt, ReadError};
use crate::log::Log;
use crate::names::LOG_SUFFIX;

impl<D: Disk> Log<D> {
    /// The aborted transactions of the log, by first offset.
    pub(super) fn scan_aborted_transactions(
        &mut self,
    ) -> Result<Vec<AbortedTransaction>, ReadError> {
        let mut open: HashMap<i64, i64> = HashMap::new();
        let mut aborted = Vec::new();
        for index in 0..self.segments.len() {
            let mut markers = Vec::new();
            self.segments[index].scan(&self.files, 0, |located| {
                let header = &located.header;
                if header.is_control() && header.has_producer_id() && header.record_count > 0 {
                    markers.push((*located, open.remove(&header.producer_id)));
                } else if header.is_transactional() {
                    open.entry(header.producer_id).or_insert(header.base_offset);
                }
                true
            })?;
            for (located, first_offset) in markers {
                let Some(first_offset) = first_offset else {
                    continue;
                };
                let path = self
                    .files
                    .path(self.segments[index].base_offset, LOG_SUFFIX);
                let file = Arc::clone(self.segments[index].file(&self.files)?);
                let mut batch = vec![0; located.header.size_bytes()];
                file.read_exact_at(&mut batch, u64::from(located.position))
                    .attempt("read", &path)?;
                if matches!(control_type(&batch), Ok(Some(ControlType::Abort))) {
                    aborted.push(AbortedTransaction {
                        producer_id: located.header.producer_id,
                        first_offset,
                        last_offset: located.header.last_offset(),
                        last_stable_offset: located.header.next_offset(),
                    });
                }
            }
        }
        aborted.sort_by_key(|transaction| transaction.first_offset);
        Ok(aborted)
    }
}

/// The type of a control batch; None for one without records or of an unknown type.
pub(super) fn control_type(batch: &[u8]) -> Result<Option<ControlType>, BatchError> {
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
