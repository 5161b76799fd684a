//! Owns the job of compacting one log: the dirtiest that is due is chosen, cleaned, and its checkpoint written. Never decides what stays of a
//! batch (that is `millrace_log`), and never when to look again (the control plane).
//! Invariant: a log is cleaned by one job at a time; the checkpoint is written after what it speaks of is on disk.

use super::JobFigures;
use crate::broker::Broker;
use crate::error::BrokerError;
use crate::maintenance;
use crate::partition::{CleaningClaim, Effects, Partition};
use crate::shared::lock;
use millrace_host::{Instant, clock};
use millrace_log::{CompactionError, Dirtiness, Pace, ReadError};
use std::ops::ControlFlow;
use std::sync::Arc;

/// A log that is due.
struct Candidate {
    partition: Arc<Partition>,
    dirtiness: Dirtiness,
}

impl Broker {
    /// Whether it is worth running a job. Cheap; when in doubt yes.
    pub fn may_compact(&self) -> bool {
        maintenance::partitions(&self.shared)
            .iter()
            .any(|partition| !partition.is_uncleanable() && partition.may_be_dirty())
    }

    /// Cleans the dirtiest log, if one is due.
    pub(super) fn compact(&self) -> Result<JobFigures, BrokerError> {
        let partitions = maintenance::partitions(&self.shared);
        let choosing = lock(&self.cleaner.choosing);
        let Some(candidate) = self.choose(partitions)? else {
            return Ok(vec![("compacted", 0.0)]);
        };
        let claim = candidate.partition.claim_cleaning();
        drop(choosing);
        // Only choosing claims, so it was free.
        let Some(claim) = claim else {
            return Ok(vec![("compacted", 0.0)]);
        };
        self.clean(&candidate, claim)
    }

    /// As Kafka: of the logs that are due the one with the largest dirty part.
    fn choose(&self, partitions: Vec<Arc<Partition>>) -> Result<Option<Candidate>, BrokerError> {
        let now_ms = clock::wall_ms();
        let mut dirtiest: Option<Candidate> = None;
        let (mut ratio_max, mut overdue_ms_max) = (0.0_f64, 0);
        let (mut uncleanable, mut uncleanable_bytes) = (0, 0);
        for partition in partitions {
            // A cleaning under way keeps its log out of the choice.
            let Some(claim) = partition.claim_cleaning() else {
                if partition.is_uncleanable() {
                    uncleanable += 1;
                    uncleanable_bytes += cleanable_bytes(&partition, now_ms);
                }
                continue;
            };
            let (dirtiness, wanted_ratio) = match partition.dirtiness(now_ms) {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(error) => return Err(self.on_failure(&partition, error.into())),
            };
            drop(claim);
            if dirtiness.resets_checkpoint {
                self.write_checkpoint(&partition, dirtiness.first_dirty_offset)?;
            }
            ratio_max = ratio_max.max(dirtiness.ratio());
            overdue_ms_max = overdue_ms_max.max(dirtiness.overdue_ms);
            let is_dirtiest = dirtiest
                .as_ref()
                .is_none_or(|dirtiest| dirtiness.ratio() > dirtiest.dirtiness.ratio());
            if dirtiness.wants_cleaning(wanted_ratio) && is_dirtiest {
                dirtiest = Some(Candidate {
                    partition,
                    dirtiness,
                });
            }
        }
        self.cleaner
            .note_choice(ratio_max, overdue_ms_max, (uncleanable, uncleanable_bytes));
        Ok(dirtiest)
    }

    fn clean(
        &self,
        candidate: &Candidate,
        _claim: CleaningClaim<'_>,
    ) -> Result<JobFigures, BrokerError> {
        let Candidate {
            partition,
            dirtiness,
        } = candidate;
        let begun = Instant::now();
        let mut step = |bytes| {
            if partition.is_removed() || partition.log_dir.is_offline() {
                return ControlFlow::Break(());
            }
            self.cleaner.spend(bytes)
        };
        let mut effects = Effects::default();
        let cleaned = partition.compact(
            dirtiness,
            self.cleaner.limits(),
            &mut Pace(&mut step),
            &mut effects,
        );
        self.shared.apply(&mut effects);
        let cleaned = match cleaned {
            Ok(cleaned) => cleaned,
            // Whatever got in its way, the next look decides anew.
            Err(CompactionError::Aborted) => {
                return Ok(vec![("compacted", 0.0), ("aborted", 1.0)]);
            }
            Err(error) => return Err(self.on_failure(partition, error)),
        };
        self.write_checkpoint(partition, cleaned.first_dirty_offset)?;
        let took = Instant::now() - begun;
        self.cleaner.note_cleaned(&cleaned, took);
        let stats = &cleaned.stats;
        Ok(vec![
            ("compacted", 1.0),
            ("firstDirtyOffset", cleaned.first_dirty_offset as f64),
            ("bytesRead", stats.bytes_read as f64),
            ("bytesWritten", stats.bytes_written as f64),
            ("recordsRead", stats.records_read as f64),
            ("recordsWritten", stats.records_written as f64),
            ("keylessRecords", stats.keyless_records as f64),
            ("segmentsBefore", stats.segments_before as f64),
            ("segmentsAfter", stats.segments_after as f64),
        ])
    }

    fn write_checkpoint(&self, partition: &Partition, offset: i64) -> Result<(), BrokerError> {
        let written = partition.log_dir.set_cleaned_offset(
            &partition.topic_name,
            partition.index,
            offset,
            || !partition.is_removed(),
        );
        written.map_err(|error| self.on_failure(partition, CompactionError::Storage(error)))
    }

    /// What a failed cleaning means: damage takes the log out of the choice, a full disk is waited for, anything else ends the directory.
    fn on_failure(&self, partition: &Partition, error: CompactionError) -> BrokerError {
        let name = format!("{}-{}", partition.topic_name, partition.index);
        let message = format!("cannot compact {name}: {error}");
        match error {
            CompactionError::Aborted => BrokerError::new("ABORTED", message),
            CompactionError::Damaged(_) => {
                partition.mark_uncleanable();
                BrokerError::new("UNCLEANABLE", message)
            }
            CompactionError::Storage(error) if error.is_out_of_space() => {
                BrokerError::new("NO_SPACE", message)
            }
            CompactionError::Storage(_) => {
                self.shared
                    .upcalls
                    .log_dir_failed(partition.log_dir.index, &message);
                BrokerError::new("IO", message)
            }
        }
    }
}

fn cleanable_bytes(partition: &Partition, now_ms: i64) -> u64 {
    match partition.dirtiness(now_ms) {
        Ok(Some((dirtiness, _))) => dirtiness.cleanable_bytes,
        Ok(None) | Err(ReadError::Storage(_)) => 0,
        Err(ReadError::Corrupt { .. } | ReadError::OffsetOutOfRange { .. }) => 0,
    }
}
