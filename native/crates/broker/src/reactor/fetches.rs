//! Owns the Fetch and ListOffsets requests of this reactor: looking, parking, waking, answering.
//! Invariant: a parked fetch is answered by its deadline, by what it waited for, or by the end of its connection, whichever is first.

use super::{ParkedFetch, Reactor};
use crate::apis::fetch::{self as fetches, FetchTask, Session};
use crate::apis::list_offsets;
use crate::fetch_watch::FetchWatch;
use crate::inbox::Message;
use crate::metrics::Counter;
use crate::shared::lock;
use crate::slab::Key;
use crate::timers::Timer;
use millrace_host::entropy;
use millrace_replica::{FetchGoal, SessionError};
use millrace_wire::WireError;
use millrace_wire::apis::fetch::{self, FetchRequest};
use millrace_wire::apis::list_offsets::ListOffsetsRequest;
use millrace_wire::error_codes;
use millrace_wire::header::{RequestHeader, RequestPrefix};
use std::ops::Range;
use std::sync::Arc;

/// Looks at partitions that keep changing while a fetch is parked; after so many it is answered with what there is.
const PARKING_TRIES: usize = 4;

impl Reactor {
    pub(super) fn fetch(
        &mut self,
        key: Key,
        frame: &Range<usize>,
        prefix: &RequestPrefix,
    ) -> Result<(), WireError> {
        let connection = self
            .connections
            .get_mut(key)
            .expect("the frame is from this connection");
        let bytes = &connection.receive.bytes()[frame.clone()];
        let header = RequestHeader::parse(bytes, fetch::is_flexible(prefix.api_version))?;
        let request = FetchRequest::parse(bytes, header.body_at, prefix.api_version)?;
        Reactor::check_partitions(request.partition_count() + request.forgotten_count())?;
        let slot = connection.responses.open();
        connection.under_way.begin(false);
        let table = self.shared.table.load();
        let session = if request.replica_id >= 0 {
            Err(error_codes::REPLICA_NOT_AVAILABLE)
        } else {
            open_session(&self.shared, &request)
        };
        let session = match session {
            Ok(session) => session,
            Err(error_code) => {
                let (spare, gaps) = (&mut self.spare, &mut self.gaps);
                gaps.clear();
                connection.responses.complete(slot, spare, |chunk| {
                    if request.replica_id >= 0 {
                        fetches::write_refusal(
                            &request,
                            prefix.correlation_id,
                            bytes,
                            error_code,
                            chunk,
                            gaps,
                        );
                    } else {
                        fetches::write_error(
                            prefix.api_version,
                            prefix.correlation_id,
                            error_code,
                            chunk,
                            gaps,
                        );
                    }
                });
                connection.end_request();
                self.note_change(key);
                self.metrics().count(Counter::FetchRequestsTotal);
                return Ok(());
            }
        };
        let max_bytes = self.shared.options.fetch_max_bytes;
        let mut task = Box::new(FetchTask::new(
            &request,
            prefix.correlation_id,
            key,
            slot,
            session,
            max_bytes,
        ));
        task.follow(&request, bytes, &table);
        let is_done = task.look(&table);
        drop(table);
        self.metrics().count(Counter::FetchRequestsTotal);
        if is_done {
            self.finish_fetch(task);
        } else {
            let deadline_ms = self.now_ms + u64::try_from(task.max_wait_ms).unwrap_or(0);
            self.park(task, deadline_ms);
        }
        Ok(())
    }

    pub(super) fn wake_fetch(&mut self, fetch: Key) {
        let Some(parked) = self.fetches.remove(fetch) else {
            return;
        };
        self.unpark(&parked);
        let ParkedFetch {
            mut task,
            deadline_ms,
            ..
        } = parked;
        if task.look(&self.shared.table.load()) || self.now_ms >= deadline_ms {
            self.finish_fetch(task);
        } else {
            self.park(task, deadline_ms);
        }
    }

    /// Answers with what there is.
    pub(super) fn expire_fetch(&mut self, fetch: Key) {
        let Some(parked) = self.fetches.remove(fetch) else {
            return;
        };
        self.unpark(&parked);
        let mut task = parked.task;
        task.look(&self.shared.table.load());
        self.metrics().count(Counter::FetchesExpiredTotal);
        self.finish_fetch(task);
    }

    /// The connection is gone; its session may go on with another.
    pub(super) fn drop_fetch(&mut self, fetch: Key) {
        let Some(parked) = self.fetches.remove(fetch) else {
            return;
        };
        self.unpark(&parked);
        self.keep_session(parked.task.session);
    }

    /// Waits for records on all partitions of the fetch. One that changed between the look and the parking is looked at again.
    fn park(&mut self, mut task: Box<FetchTask>, deadline_ms: u64) {
        let connection = task.connection;
        let slot = task.slot;
        let (min_bytes, taken_bytes) = (task.min_bytes(), task.taken_bytes());
        let key = self.fetches.insert(ParkedFetch {
            task,
            watch: None,
            deadline_ms,
        });
        let mut goal = (min_bytes, taken_bytes);
        for _ in 0..PARKING_TRIES {
            let parked = self.fetches.get_mut(key).expect("just inserted");
            let watch = Arc::new(FetchWatch {
                goal: FetchGoal::new(goal.0, goal.1),
                inbox: Arc::clone(&self.inbox),
                fetch: key,
            });
            if parked
                .task
                .watched()
                .all(|(partition, high_watermark)| partition.watch(&watch, high_watermark))
            {
                parked.watch = Some(watch);
                self.timers.set(deadline_ms, Timer::FetchWait(key));
                if let Some(connection) = self.connections.get_mut(connection) {
                    assert!(
                        connection.responses.is_open(slot),
                        "a parked fetch has yet to be answered"
                    );
                    connection.parked_fetch = Some(key);
                }
                self.metrics().count(Counter::FetchesParkedTotal);
                return;
            }
            watch.goal.give_up();
            if parked.task.look(&self.shared.table.load()) {
                break;
            }
            goal = (parked.task.min_bytes(), parked.task.taken_bytes());
        }
        task = self.fetches.remove(key).expect("still here").task;
        self.finish_fetch(task);
    }

    fn unpark(&mut self, parked: &ParkedFetch) {
        if let Some(watch) = &parked.watch {
            watch.goal.give_up();
        }
        if let Some(connection) = self.connections.get_mut(parked.task.connection) {
            connection.parked_fetch = None;
        }
    }

    fn finish_fetch(&mut self, mut task: Box<FetchTask>) {
        let key = task.connection;
        let failed_parts = task.failed_parts() as u64;
        let fetched_bytes = task.taken_bytes() as u64;
        if self.connections.get(key).is_none() {
            self.keep_session(task.session);
            return;
        }
        let session_id = self.continue_session(&mut task);
        let connection = self.connections.get_mut(key).expect("checked above");
        let (gaps, copied) = (&mut self.gaps, &mut self.copied);
        let mut written = Ok(());
        connection
            .responses
            .complete(task.slot, &mut self.spare, |chunk| {
                let before = chunk.bytes.len();
                written = task.write(session_id, chunk, gaps, copied);
                if written.is_err() {
                    chunk.bytes.truncate(before);
                }
            });
        connection.end_request();
        self.note_change(key);
        if written.is_err() {
            self.end(key);
        }
        self.keep_session(task.session);
        let metrics = self.metrics();
        metrics.add(Counter::FetchBytesTotal, fetched_bytes);
        metrics.add(Counter::FailedFetchPartitionsTotal, failed_parts);
    }

    /// The session id the client goes on with: a new one if it asked, 0 if it has none.
    fn continue_session(&self, task: &mut FetchTask) -> i32 {
        if task.session.is_empty() {
            return 0;
        }
        if task.is_full && task.wants_session {
            lock(&self.shared.sessions).adopt(
                &mut task.session,
                entropy::u64() as u32,
                self.now_ms as i64,
            );
        }
        task.session.id()
    }

    fn keep_session(&self, session: Box<Session>) {
        if session.id() != 0 {
            lock(&self.shared.sessions).check_in(session, self.now_ms as i64);
        }
    }

    pub(super) fn list_offsets(
        &mut self,
        key: Key,
        frame: &Range<usize>,
        prefix: &RequestPrefix,
    ) -> Result<(), WireError> {
        let connection = self
            .connections
            .get_mut(key)
            .expect("the frame is from this connection");
        let bytes = &connection.receive.bytes()[frame.clone()];
        let header = RequestHeader::parse(
            bytes,
            millrace_wire::apis::list_offsets::is_flexible(prefix.api_version),
        )?;
        let request = ListOffsetsRequest::parse(bytes, header.body_at, prefix.api_version)?;
        Reactor::check_partitions(request.partition_count())?;
        let slot = connection.responses.open();
        connection.under_way.begin(false);
        let correlation_id = prefix.correlation_id;
        if list_offsets::searches_logs(&request, bytes) {
            // Looking for a time may read and decompress a good deal: not on this thread.
            let (shared, frame) = (Arc::clone(&self.shared), bytes.to_vec());
            let inbox = Arc::clone(&self.inbox);
            self.shared.execute(Box::new(move || {
                let mut answer = Vec::new();
                list_offsets::write(
                    &request,
                    correlation_id,
                    &frame,
                    &shared.table.load(),
                    &mut answer,
                );
                inbox.push(Message::Answer {
                    connection: key,
                    slot,
                    frame: answer,
                });
            }));
        } else {
            let table = self.shared.table.load();
            connection
                .responses
                .complete(slot, &mut self.spare, |chunk| {
                    list_offsets::write(&request, correlation_id, bytes, &table, &mut chunk.bytes);
                });
            connection.end_request();
            drop(table);
            self.note_change(key);
        }
        self.metrics().count(Counter::ListOffsetsRequestsTotal);
        Ok(())
    }

    /// An answer that was made on another thread.
    pub(super) fn answer(&mut self, key: Key, slot: u32, frame: &[u8]) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection
                .responses
                .complete(slot, &mut self.spare, |chunk| {
                    chunk.bytes.extend_from_slice(frame)
                });
            connection.end_request();
            self.note_change(key);
        }
    }
}

/// The session a request continues, or a detached one that holds nothing yet.
fn open_session(
    shared: &crate::shared::Shared,
    request: &FetchRequest,
) -> Result<Box<Session>, i16> {
    let asked = fetches::session_request(request);
    let uses_topic_ids = request.version >= 13;
    let mut sessions = lock(&shared.sessions);
    if asked.is_full() {
        // Any session named by a full fetch is over.
        if asked.session_id != 0 {
            sessions.remove(asked.session_id);
        }
        return Ok(Box::new(Session::detached(uses_topic_ids)));
    }
    sessions
        .check_out(asked, uses_topic_ids)
        .map_err(|error| match error {
            SessionError::NotFound => error_codes::FETCH_SESSION_ID_NOT_FOUND,
            SessionError::WrongEpoch => error_codes::INVALID_FETCH_SESSION_EPOCH,
            SessionError::TopicIdStyle => error_codes::FETCH_SESSION_TOPIC_ID_ERROR,
        })
}
