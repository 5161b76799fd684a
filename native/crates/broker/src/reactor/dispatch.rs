//! Owns the way of one frame to whoever answers it. Bad frames end their connection and are counted by kind.

use super::{RESPONSE_BYTES_MAX, Reactor};
use crate::connection::Pause;
use crate::metrics::Counter;
use crate::shared::ApiSupport;
use crate::slab::Key;
use millrace_wire::WireError;
use millrace_wire::apis::{fetch, list_offsets, produce};
use millrace_wire::header::RequestPrefix;
use std::ops::Range;

/// Partitions one request may name. Each costs a few times its bytes while it is served; no real cluster has as many on one node.
pub(super) const REQUEST_PARTITIONS_MAX: usize = 200_000;

/// Always goes up, whatever its version: the answer to a version too new is a message, not a closed connection.
const API_VERSIONS_KEY: i16 = 18;

impl Reactor {
    /// Hands one frame on, or puts it back when it has to wait.
    pub(super) fn dispatch(&mut self, key: Key, frame: Range<usize>) {
        let produces_max = self.shared.options.max_in_flight_requests_per_connection;
        let connection = self
            .connections
            .get_mut(key)
            .expect("frames are cut from open connections");
        let prefix = match RequestPrefix::parse(&connection.receive.bytes()[frame.clone()]) {
            Ok(prefix) => prefix,
            Err(error) => return self.refuse_frame(key, &error),
        };
        let is_produce = prefix.api_key == produce::API_KEY;
        if !connection.under_way.admits(is_produce, produces_max)
            || connection.responses.held_bytes() >= RESPONSE_BYTES_MAX
        {
            connection.receive.put_back(&frame);
            connection.pause = Pause::Busy;
            connection.may_go_on = false;
            return self.note_change(key);
        }
        if is_produce && self.shared.has_much_to_prepare() {
            connection.receive.put_back(&frame);
            connection.pause = Pause::Memory;
            self.waiting_for_memory.push(key);
            self.metrics().count(Counter::RequestMemoryWaitsTotal);
            return self.note_change(key);
        }
        match self.support_of(&prefix) {
            ApiSupport::Supported => {}
            ApiSupport::UnknownKey => return self.refuse(key, Counter::BadFrameUnknownApiKey),
            ApiSupport::UnsupportedVersion => {
                return self.refuse(key, Counter::BadFrameUnsupportedVersion);
            }
        }
        let handled = match prefix.api_key {
            produce::API_KEY => self.produce(key, &frame, &prefix),
            fetch::API_KEY => self.fetch(key, &frame, &prefix),
            list_offsets::API_KEY => self.list_offsets(key, &frame, &prefix),
            _ => self.upcall(key, &frame, &prefix),
        };
        match handled {
            Ok(()) => self.metrics().count_request(prefix.api_key),
            Err(error) => self.refuse_frame(key, &error),
        }
    }

    /// The peer does not speak the protocol: Kafka closes, and so do we.
    pub(super) fn refuse_frame(&mut self, key: Key, error: &WireError) {
        let counter = match error {
            WireError::FrameSizeNegative { .. } => Counter::BadFrameNegativeLength,
            WireError::FrameTooShort { .. } => Counter::BadFrameTooShort,
            WireError::FrameTooLarge { .. } => Counter::BadFrameTooLarge,
            WireError::UnsupportedVersion { .. } => Counter::BadFrameUnsupportedVersion,
            WireError::Truncated { .. }
            | WireError::NegativeLength { .. }
            | WireError::UnexpectedNull
            | WireError::CountBeyondFrame { .. }
            | WireError::VarintTooLong
            | WireError::InvalidUtf8
            | WireError::InvalidTag { .. } => Counter::BadFrameBody,
        };
        self.refuse(key, counter);
    }

    fn refuse(&mut self, key: Key, counter: Counter) {
        self.metrics().count(counter);
        self.end_when_answered(key);
    }

    /// A request for so much that answering it would be harm.
    pub(super) fn check_partitions(count: usize) -> Result<(), WireError> {
        if count > REQUEST_PARTITIONS_MAX {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            return Err(WireError::CountBeyondFrame {
                count,
                remaining_bytes: REQUEST_PARTITIONS_MAX,
            });
        }
        Ok(())
    }

    fn support_of(&self, prefix: &RequestPrefix) -> ApiSupport {
        if prefix.api_key == API_VERSIONS_KEY {
            return ApiSupport::Supported;
        }
        let native = match prefix.api_key {
            produce::API_KEY => produce::VERSION_MIN..=produce::VERSION_MAX,
            fetch::API_KEY => fetch::VERSION_MIN..=fetch::VERSION_MAX,
            list_offsets::API_KEY => list_offsets::VERSION_MIN..=list_offsets::VERSION_MAX,
            _ => i16::MIN..=i16::MAX,
        };
        let published = self
            .shared
            .api_versions
            .check(prefix.api_key, prefix.api_version);
        if published == ApiSupport::Supported && !native.contains(&prefix.api_version) {
            ApiSupport::UnsupportedVersion
        } else {
            published
        }
    }
}
