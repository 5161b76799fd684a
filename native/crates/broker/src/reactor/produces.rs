//! Owns the Produce requests of this reactor between their frames and their answers.

use super::Reactor;
use crate::apis::produce::{Explanation, PartResult, PendingProduce, ProduceContext, ProducePart};
use crate::metrics::Counter;
use crate::preparing::PrepareJob;
use crate::slab::Key;
use crate::timers::Timer;
use millrace_replica::Acks;
use millrace_wire::WireError;
use millrace_wire::apis::produce::{self, ProduceRequest};
use millrace_wire::error_codes;
use millrace_wire::header::{RequestHeader, RequestPrefix};
use std::ops::Range;

/// Finished requests kept for their buffers.
const SPARE_PRODUCES: usize = 256;

impl Reactor {
    /// Decodes, checks and stages; the answer comes with the commit, or at once when nothing was staged.
    pub(super) fn produce(
        &mut self,
        key: Key,
        frame: &Range<usize>,
        prefix: &RequestPrefix,
    ) -> Result<(), WireError> {
        let mut pending = self.spare_produces.pop().unwrap_or_default();
        let connection = self
            .connections
            .get_mut(key)
            .expect("the frame is from this connection");
        let bytes = &connection.receive.bytes()[frame.clone()];
        let header = RequestHeader::parse(bytes, produce::is_flexible(prefix.api_version))?;
        let request = ProduceRequest::parse(bytes, header.body_at, prefix.api_version)?;
        Reactor::check_partitions(request.partition_count())?;
        connection.under_way.begin(true);
        pending.connection = key;
        pending.slot = connection.responses.open();
        let request_key = self.produces.insert(pending);
        let pending = self.produces.get_mut(request_key).expect("just inserted");
        let table = self.shared.table.load();
        let context = ProduceContext {
            table: &table,
            client_id: header.client_id,
            now_ms: self.wall_ms,
        };
        let (turn, reactor) = (&mut self.turn, self.index);
        let (mut produced_bytes, mut produced_records, mut has_staged) = (0, 0, false);
        pending.begin(
            &request,
            prefix.correlation_id,
            bytes,
            &context,
            |acks, batch| {
                let part = ProducePart {
                    reactor,
                    request: request_key,
                    part: batch.part,
                };
                produced_bytes += u64::from(batch.records.len);
                produced_records += u64::from(batch.header.record_count as u32);
                if batch.preparation.is_some() || !batch.partition.preparing.is_empty() {
                    batch.partition.preparing.announce();
                    let job = PrepareJob {
                        batch: batch.records.of(bytes).to_vec(),
                        header: batch.header,
                        part,
                        acks,
                        preparation: batch.preparation,
                    };
                    turn.defer(batch.partition, job);
                    return;
                }
                has_staged = true;
                let start = frame.start + batch.records.start as usize;
                turn.stage(
                    key,
                    start,
                    batch.records.len as usize,
                    &batch.partition,
                    batch.header,
                    part,
                    acks,
                );
            },
        );
        connection.has_staged |= has_staged;
        let is_complete = pending.is_complete();
        if !is_complete && pending.acks == Acks::All {
            // Only for those that will have to wait; most are answered in this turn and the timer then finds nothing.
            pending.deadline_ms = self.now_ms + u64::try_from(request.timeout_ms).unwrap_or(0);
        }
        let metrics = self.metrics();
        metrics.count(Counter::ProduceRequestsTotal);
        metrics.add(Counter::ProduceBytesTotal, produced_bytes);
        metrics.add(Counter::MessagesInTotal, produced_records);
        if is_complete {
            self.finish_produce(request_key);
        }
        Ok(())
    }

    /// Results of a commit, and whatever it set free.
    pub(super) fn apply_effects(&mut self) {
        let mut effects = std::mem::take(&mut self.effects);
        for (part, result, is_acknowledged) in effects.results.drain(..) {
            assert!(part.reactor == self.index, "a turn commits its own batches");
            self.take_result(part, result, is_acknowledged);
        }
        for (part, error_code) in effects.acknowledged.drain(..) {
            if part.reactor == self.index {
                self.acknowledge(part, error_code);
            } else {
                self.shared.acknowledge(part, error_code);
            }
        }
        for watch in effects.woken.drain(..) {
            watch.wake();
        }
        for (sync_need, partition) in effects.syncs.drain(..) {
            self.shared.bring_about(sync_need, &partition);
        }
        for (log_dir, reason) in effects.failures.drain(..) {
            self.shared.fail_log_dir(&log_dir, &reason);
        }
        let metrics = self.metrics();
        if std::mem::take(&mut effects.is_disk_full) {
            metrics.count(Counter::DiskFullTotal);
        }
        metrics.count(Counter::AppendsTotal);
        metrics.add(
            Counter::AppendedBatchesTotal,
            std::mem::take(&mut effects.appended_batches),
        );
        metrics.add(
            Counter::DuplicateBatchesTotal,
            std::mem::take(&mut effects.duplicates),
        );
        self.effects = effects;
    }

    /// What one batch answers; it may still have to wait for its acknowledgement.
    pub(super) fn take_result(
        &mut self,
        part: ProducePart,
        result: PartResult,
        is_acknowledged: bool,
    ) {
        let Some(pending) = self.produces.get_mut(part.request) else {
            return;
        };
        let early_code = pending.set_result(part.part, result);
        if is_acknowledged {
            self.acknowledge(part, 0);
        } else if let Some(error_code) = early_code {
            self.acknowledge(part, error_code);
        } else if let Some(deadline_ms) = pending.start_waiting() {
            self.timers
                .set(deadline_ms, Timer::ProduceWait(part.request));
        }
    }

    pub(super) fn explain(&mut self, part: ProducePart, explanation: Option<Box<Explanation>>) {
        if let Some(explanation) = explanation
            && let Some(pending) = self.produces.get_mut(part.request)
        {
            pending.explain(*explanation);
        }
    }

    pub(super) fn acknowledge(&mut self, part: ProducePart, error_code: i16) {
        let Some(pending) = self.produces.get_mut(part.request) else {
            return;
        };
        if pending.acknowledge(part.part, error_code) && pending.is_complete() {
            self.finish_produce(part.request);
        }
    }

    pub(super) fn expire_produce(&mut self, request: Key) {
        if let Some(pending) = self.produces.get_mut(request) {
            pending.expire(error_codes::REQUEST_TIMED_OUT);
            self.finish_produce(request);
        }
    }

    fn finish_produce(&mut self, request: Key) {
        let pending = self
            .produces
            .remove(request)
            .expect("a request is finished once");
        let failed_parts = pending.failed_parts();
        if failed_parts > 0 {
            self.metrics()
                .add(Counter::FailedProducePartitionsTotal, failed_parts as u64);
        }
        let key = pending.connection;
        if let Some(connection) = self.connections.get_mut(key) {
            if pending.acks == Acks::None {
                connection
                    .responses
                    .complete_silently(pending.slot, &mut self.spare);
            } else {
                connection
                    .responses
                    .complete(pending.slot, &mut self.spare, |chunk| pending.write(chunk));
            }
            connection.end_request();
            self.note_change(key);
            // Nobody reads an answer to acks=0; a closed connection is how the client learns that something is wrong.
            if pending.acks == Acks::None && failed_parts > 0 {
                self.metrics().count(Counter::AcksZeroClosedTotal);
                self.end_when_answered(key);
            }
        }
        self.keep_spare(pending);
    }

    fn keep_spare(&mut self, pending: PendingProduce) {
        if self.spare_produces.len() < SPARE_PRODUCES {
            self.spare_produces.push(pending);
        }
    }
}
