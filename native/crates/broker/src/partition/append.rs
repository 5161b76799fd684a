//! Owns appending to a partition: what the producers' history allows, one write, and everyone who has to hear of it.
//! Invariant: an append is taken back whole, or its offsets, its producers and its marks move together.

use super::{Effects, Open, Partition, State, Storage};
use crate::apis::produce::{PartResult, ProducePart};
use millrace_host::Instant;
use millrace_log::{Admission, AppendError, AppendInfo, ProducerAppend, ProducerError};
use millrace_record::{BatchHeader, TimestampType};
use millrace_replica::{Acks, Appended, SyncNeed};
use millrace_wire::error_codes;
use std::sync::Arc;

/// One batch of a turn, on its way into the log.
pub struct StagedBatch<'a> {
    pub bytes: &'a mut [u8],
    pub header: BatchHeader,
    pub part: ProducePart,
    pub acks: Acks,
}

impl Partition {
    /// Appends the batches one turn brought for this partition, as far as their producers may; one write for all of them.
    pub fn append_produced(
        &self,
        batches: &mut Vec<StagedBatch<'_>>,
        now_ms: i64,
        effects: &mut Effects,
    ) {
        let mut state = self.lock();
        let state = &mut *state;
        let leader_hint = state.leader_hint();
        if let Err(error_code) = state.check_leads(self.node_id) {
            for batch in batches.iter() {
                let leader =
                    (error_code == error_codes::NOT_LEADER_OR_FOLLOWER).then_some(leader_hint);
                effects.results.push((
                    batch.part,
                    PartResult {
                        leader,
                        ..PartResult::error(error_code)
                    },
                    true,
                ));
            }
            return;
        }
        let Storage::Open(open) = &mut state.storage else {
            unreachable!("only an open partition leads")
        };
        open.uses += 1;
        let start_offset = open.leader.log_end_offset();
        let verdicts = self.admit(open, batches, now_ms);
        let mut slices: Vec<&mut [u8]> = Vec::with_capacity(batches.len());
        let (mut appended_bytes, mut has_acks_all) = (0, false);
        for (batch, verdict) in batches.iter_mut().zip(&verdicts) {
            if *verdict == Verdict::Append {
                appended_bytes += batch.bytes.len() as i64;
                has_acks_all |= batch.acks == Acks::All;
                slices.push(&mut *batch.bytes);
            }
        }
        let appended = if slices.is_empty() {
            Ok(None)
        } else {
            open.log
                .append(&mut slices, open.leader.term().leader_epoch, now_ms)
                .map(Some)
        };
        let (info, failure) = match appended {
            Ok(info) => (info, None),
            Err(error) => (None, Some(error)),
        };
        if let Some(info) = &info {
            assert!(
                info.base_offset == start_offset,
                "an append begins where the log ended"
            );
            effects.sync_need = open.on_append(info, appended_bytes, has_acks_all);
            effects.appended_batches += slices.len() as u64;
        }
        let failure_code = failure.as_ref().map(AppendError::kafka_code);
        let log_append_time_ms = info.as_ref().map_or(-1, |info| info.log_append_time_ms);
        let log_start_offset = open.leader.log_start_offset();
        let mut next_offset = start_offset;
        for (batch, verdict) in batches.iter().zip(&verdicts) {
            let (base_offset, end_offset, time_ms) = match *verdict {
                Verdict::Refuse(error_code) => {
                    // As Kafka: what the producers' history refuses was on its way into the log, and the answer says where that starts.
                    let is_appending = error_code != error_codes::NOT_ENOUGH_REPLICAS;
                    let result = PartResult {
                        log_start_offset: if is_appending { log_start_offset } else { -1 },
                        ..PartResult::error(error_code)
                    };
                    effects.results.push((batch.part, result, true));
                    continue;
                }
                Verdict::Append => {
                    let base_offset = next_offset;
                    next_offset += i64::from(batch.header.last_offset_delta) + 1;
                    (base_offset, next_offset, log_append_time_ms)
                }
                Verdict::Duplicate {
                    base_offset,
                    last_offset,
                    timestamp,
                } => {
                    effects.duplicates += 1;
                    (base_offset, last_offset + 1, timestamp)
                }
            };
            // A duplicate of a batch of this very turn shares its fate.
            if let Some(error_code) = failure_code.filter(|_| end_offset > start_offset) {
                effects
                    .results
                    .push((batch.part, PartResult::error(error_code), true));
                continue;
            }
            let result = PartResult {
                error_code: 0,
                base_offset,
                log_append_time_ms: time_ms,
                log_start_offset,
                leader: None,
            };
            let waits = batch.acks != Acks::None
                && open.leader.acknowledged_end_offset(batch.acks) < end_offset;
            if waits
                && state
                    .produces
                    .park(end_offset, batch.acks, batch.part)
                    .is_err()
            {
                // Appended, but there is no room to wait: the producer asks again and finds a duplicate.
                effects.results.push((
                    batch.part,
                    PartResult::error(error_codes::NOT_ENOUGH_REPLICAS_AFTER_APPEND),
                    true,
                ));
                continue;
            }
            effects.results.push((batch.part, result, !waits));
        }
        if let Some(error) = failure {
            self.on_append_failed(state, &error, effects);
        } else if let Some(info) = info {
            self.after_append(state, info.rolled, effects);
        }
    }

    /// What the producers' own history says of each batch, and whether enough replicas could keep it.
    fn admit(&self, open: &mut Open, batches: &[StagedBatch<'_>], now_ms: i64) -> Vec<Verdict> {
        let mut next_offset = open.leader.log_end_offset();
        let mut verdicts = Vec::with_capacity(batches.len());
        let stamps_time = open.log.config().message_timestamp_type == TimestampType::LogAppendTime;
        if let Some(producers) = open.log.loaded_producers() {
            producers.begin();
        }
        for batch in batches {
            let header = &batch.header;
            let last_offset = next_offset + i64::from(header.last_offset_delta);
            let verdict = if open.leader.check_replicas(batch.acks).is_err() {
                Verdict::Refuse(error_codes::NOT_ENOUGH_REPLICAS)
            } else if header.has_producer_id() {
                let append = ProducerAppend {
                    base_offset: next_offset,
                    last_offset,
                    // What a duplicate is told later: the time the record got.
                    timestamp: if stamps_time {
                        now_ms
                    } else {
                        header.max_timestamp
                    },
                    ..ProducerAppend::from(header)
                };
                match open.log.producers() {
                    Ok(producers) => verdict_of(producers.admit(&append, now_ms)),
                    Err(error) => Verdict::Refuse(error.kafka_code()),
                }
            } else {
                Verdict::Append
            };
            if verdict == Verdict::Append {
                next_offset = last_offset + 1;
            }
            verdicts.push(verdict);
        }
        verdicts
    }

    /// Wakes readers, releases producers, and asks for a sync where one is due.
    fn after_append(&self, state: &mut State, has_rolled: bool, effects: &mut Effects) {
        state.show_and_release(effects);
        if has_rolled {
            // As Kafka: a rolled segment goes to disk in the background, with the producers as they are behind it.
            effects.sync_need = SyncNeed::Now;
        }
        state.sync.note_need(&mut effects.sync_need);
    }

    /// A full disk refuses this append and nothing else; an error that leaves the log in doubt ends it.
    fn on_append_failed(&self, state: &mut State, error: &AppendError, effects: &mut Effects) {
        effects.is_disk_full |=
            matches!(error, AppendError::Storage(error) if error.is_out_of_space());
        if matches!(&state.storage, Storage::Open(open) if open.log.is_fenced()) {
            effects
                .failures
                .push((Arc::clone(&self.log_dir), error.to_string()));
            self.fail(state, effects);
        }
    }

    /// Appends batches of the control plane, in order; all or none. With `wants_sync` nobody sees them before they are on disk, unless the
    /// topic's policy is not to wait.
    pub(crate) fn append_internal(
        &self,
        batches: &mut [&mut [u8]],
        wants_sync: bool,
        now_ms: i64,
        effects: &mut Effects,
    ) -> Result<AppendInfo, i16> {
        let mut state = self.lock();
        let state = &mut *state;
        state.check_leads(self.node_id)?;
        let Storage::Open(open) = &mut state.storage else {
            unreachable!("only an open partition leads")
        };
        let bytes = batches.iter().map(|batch| batch.len() as i64).sum();
        match open
            .log
            .append(batches, open.leader.term().leader_epoch, now_ms)
        {
            Ok(info) => {
                assert!(
                    info.base_offset == open.leader.log_end_offset(),
                    "an append begins where the log ended"
                );
                effects.sync_need = open.on_append(&info, bytes, wants_sync);
                effects.appended_batches += batches.len() as u64;
                self.after_append(state, info.rolled, effects);
                Ok(info)
            }
            Err(error) => {
                let error_code = error.kafka_code();
                self.on_append_failed(state, &error, effects);
                Err(error_code)
            }
        }
    }

    /// The log is in doubt: nothing is acknowledged or served from it any more.
    pub(super) fn fail(&self, state: &mut State, effects: &mut Effects) {
        state.storage = Storage::Failed;
        state.refuse_waiting(effects);
        state.fetches.give_up(&mut effects.woken);
    }
}

impl Open {
    /// Moves the marks over what was just written.
    fn on_append(&mut self, info: &AppendInfo, bytes: i64, has_acks_all: bool) -> SyncNeed {
        self.unseen_bytes += bytes;
        self.has_unseen_markers |= !info.completed.is_empty();
        let completed = info.completed.iter();
        self.leader.on_transactions_completed(
            completed.map(|transaction| (transaction.first_offset, transaction.last_offset)),
        );
        self.leader.on_append(&Appended {
            first_offset: info.base_offset,
            next_offset: info.next_offset(),
            bytes: bytes as u64,
            has_acks_all,
            now_ms: Instant::now().millis(),
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Append,
    Duplicate {
        base_offset: i64,
        last_offset: i64,
        timestamp: i64,
    },
    Refuse(i16),
}

fn verdict_of(admission: Result<Admission, ProducerError>) -> Verdict {
    match admission {
        Ok(Admission::Append) => Verdict::Append,
        Ok(Admission::Duplicate {
            base_offset,
            last_offset,
            timestamp,
        }) => Verdict::Duplicate {
            base_offset,
            last_offset,
            timestamp,
        },
        Err(ProducerError::StaleEpoch { .. }) => {
            Verdict::Refuse(error_codes::INVALID_PRODUCER_EPOCH)
        }
        Err(ProducerError::OutOfOrder { .. }) => {
            Verdict::Refuse(error_codes::OUT_OF_ORDER_SEQUENCE_NUMBER)
        }
        Err(ProducerError::OutsideTransaction) => Verdict::Refuse(error_codes::INVALID_TXN_STATE),
        Err(ProducerError::BeforeWindow { .. }) => {
            Verdict::Refuse(error_codes::DUPLICATE_SEQUENCE_NUMBER)
        }
    }
}
