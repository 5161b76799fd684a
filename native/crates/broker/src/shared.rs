//! Owns what all threads of one data plane share. Never locks two things at once.

use crate::apis::produce::ProducePart;
use crate::batch_workers::BatchWorkers;
use crate::flush_schedule::FlushSchedule;
use crate::inbox::{Inbox, Message};
use crate::log_dirs::LogDir;
use crate::maintenance;
use crate::metrics::{Counter, Metrics};
use crate::options::BrokerOptions;
use crate::partition::{Effects, Partition};
use crate::partition_table::PartitionTable;
use crate::upcall::{BROKER_INDEX, UpcallQueue};
use hashbrown::HashMap;
use millrace_host::disk::posix::PosixDisk;
use millrace_host::sync_service::{SyncDone, SyncRequest, SyncService, Task};
use millrace_replica::{FetchSessions, SyncNeed};
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

pub type Sessions = FetchSessions<Option<Arc<Partition>>>;

pub struct Shared {
    pub options: BrokerOptions,
    pub table: PartitionTable,
    pub sessions: Mutex<Sessions>,
    pub upcalls: UpcallQueue,
    pub inboxes: Vec<Arc<Inbox>>,
    /// One set a reactor, and a last one for everything else.
    pub metrics: Vec<Metrics>,
    pub api_versions: ApiVersions,
    pub connections: ConnectionCounts,
    /// None before opening and after closing.
    pub syncs: RwLock<Option<SyncService<PosixDisk>>>,
    pub flushes: FlushSchedule,
    pub workers: BatchWorkers,
    /// Bytes of batches that wait for a worker.
    pub preparing_bytes: AtomicUsize,
    /// Counts down as reactors finish draining.
    pub drained: Countdown,
    pub next_connection_id: AtomicU32,
    pub has_failed: AtomicBool,
}

impl Shared {
    /// The data plane cannot go on: nothing more is served, and the control plane hears why.
    pub fn fail(&self, reason: &str) {
        if !self.has_failed.swap(true, Ordering::SeqCst) {
            self.upcalls.log_dir_failed(BROKER_INDEX, reason);
            for inbox in &self.inboxes {
                inbox.push(Message::Stop);
            }
        }
    }

    /// A disk error put something in the directory in doubt. From now on nothing is served from it; those who wait are told on a sync thread.
    pub fn fail_log_dir(self: &Arc<Self>, log_dir: &Arc<LogDir>, reason: &str) {
        if !log_dir.take_offline() {
            return;
        }
        self.other_metrics().count(Counter::LogDirsFailedTotal);
        self.upcalls.log_dir_failed(log_dir.index, reason);
        let (shared, log_dir) = (Arc::clone(self), Arc::clone(log_dir));
        self.execute(Box::new(move || {
            for partition in maintenance::partitions(&shared) {
                if partition.log_dir.index == log_dir.index {
                    let mut effects = Effects::default();
                    partition.take_offline(&mut effects);
                    shared.apply(&mut effects);
                }
            }
        }));
    }

    /// Hands a sync to the sync threads. When they are gone the broker is closing, and closing syncs everything.
    pub fn sync(self: &Arc<Self>, request: SyncRequest<PosixDisk>, done: SyncDone) {
        if let Some(syncs) = &*self.syncs.read().unwrap_or_else(PoisonError::into_inner) {
            let shared = Arc::clone(self);
            let done = move |result| shared.guard("a sync thread", || done(result));
            syncs.request(request, Box::new(done));
        }
    }

    /// Sees to a sync that a partition needs, now or in time.
    pub fn bring_about(self: &Arc<Self>, need: SyncNeed, partition: &Arc<Partition>) {
        match need {
            SyncNeed::None => {}
            SyncNeed::Now => partition.request_sync(self, None),
            SyncNeed::At(at_ms) => self.flushes.add(at_ms, partition),
        }
    }

    /// Runs something on a sync thread when every sync of a log that was asked for is over; not at all when the threads are gone.
    pub fn execute_behind_syncs(self: &Arc<Self>, log: Arc<Path>, task: Task) {
        if let Some(syncs) = &*self.syncs.read().unwrap_or_else(PoisonError::into_inner) {
            let shared = Arc::clone(self);
            let task = move || shared.guard("a sync thread", task);
            syncs.execute_behind(log, Box::new(task));
        }
    }

    /// Runs something slow on a sync thread; not at all when they are gone.
    pub fn execute(self: &Arc<Self>, task: Task) {
        if let Some(syncs) = &*self.syncs.read().unwrap_or_else(PoisonError::into_inner) {
            let shared = Arc::clone(self);
            syncs.execute(Box::new(move || shared.guard("a sync thread", task)));
        }
    }

    /// A panic in one of our threads is a bug of ours: the broker stops serving and says so.
    pub fn guard(&self, who: &str, run: impl FnOnce()) {
        if let Err(panic) = std::panic::catch_unwind(AssertUnwindSafe(run)) {
            let reason = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_string())
                .or_else(|| panic.downcast_ref::<String>().cloned());
            self.other_metrics().count(Counter::ThreadPanicsTotal);
            self.fail(&format!("{who} panicked: {}", reason.unwrap_or_default()));
        }
    }

    pub fn acknowledge(&self, part: ProducePart, error_code: i16) {
        self.inboxes[usize::from(part.reactor)].push(Message::ProduceAcked { part, error_code });
    }

    /// What a partition asked for, on a thread that is no reactor. Syncs are the caller's: it knows the partition.
    pub fn apply(self: &Arc<Self>, effects: &mut Effects) {
        assert!(
            effects.results.is_empty() && effects.syncs.is_empty(),
            "only a turn has results and lists of syncs"
        );
        for (part, error_code) in effects.acknowledged.drain(..) {
            self.acknowledge(part, error_code);
        }
        for watch in effects.woken.drain(..) {
            watch.wake();
        }
        for (log_dir, reason) in effects.failures.drain(..) {
            self.fail_log_dir(&log_dir, &reason);
        }
        let metrics = self.other_metrics();
        if std::mem::take(&mut effects.is_disk_full) {
            metrics.count(Counter::DiskFullTotal);
        }
        metrics.count(Counter::AppendsTotal);
        metrics.add(
            Counter::AppendedBatchesTotal,
            std::mem::take(&mut effects.appended_batches),
        );
    }

    pub fn other_metrics(&self) -> &Metrics {
        self.metrics
            .last()
            .expect("there is a set for everything else")
    }
}

/// Locks what holds no invariant across a panic: counters and maps whose every step is whole.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until a number of threads have said they are done.
#[derive(Debug, Default)]
pub struct Countdown {
    left: Mutex<usize>,
    is_done: Condvar,
}

impl Countdown {
    pub fn start(&self, count: usize) {
        *lock(&self.left) = count;
    }

    pub fn count_down(&self) {
        let mut left = lock(&self.left);
        *left = left.saturating_sub(1);
        self.is_done.notify_all();
    }

    pub fn wait(&self, timeout: Duration) {
        let left = lock(&self.left);
        // Whether all came in time makes no difference: the caller goes on.
        let _ = self
            .is_done
            .wait_timeout_while(left, timeout, |left| *left > 0);
    }
}

/// What the control plane says it answers, by API key.
pub struct ApiVersions {
    ranges: [AtomicU32; API_KEYS],
}

const API_KEYS: usize = 128;
/// Minimum above maximum: no version at all.
const NO_VERSIONS: u32 = 1 << 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiSupport {
    Supported,
    UnknownKey,
    UnsupportedVersion,
}

impl Default for ApiVersions {
    fn default() -> ApiVersions {
        ApiVersions {
            ranges: [const { AtomicU32::new(NO_VERSIONS) }; API_KEYS],
        }
    }
}

impl ApiVersions {
    pub fn set(&self, api_key: i16, min: i16, max: i16) {
        if let Some(range) = usize::try_from(api_key)
            .ok()
            .and_then(|key| self.ranges.get(key))
        {
            range.store(
                u32::from(min as u16) << 16 | u32::from(max as u16),
                Ordering::Relaxed,
            );
        }
    }

    pub fn check(&self, api_key: i16, api_version: i16) -> ApiSupport {
        let range = usize::try_from(api_key)
            .ok()
            .and_then(|key| self.ranges.get(key))
            .map_or(NO_VERSIONS, |range| range.load(Ordering::Relaxed));
        let (min, max) = ((range >> 16) as i16, range as i16);
        if min > max {
            ApiSupport::UnknownKey
        } else if (min..=max).contains(&api_version) {
            ApiSupport::Supported
        } else {
            ApiSupport::UnsupportedVersion
        }
    }
}

/// Connections that are open, in all and by address.
#[derive(Debug, Default)]
pub struct ConnectionCounts {
    total: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

impl ConnectionCounts {
    pub fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    pub fn try_add(&self, address: IpAddr, total_max: usize, per_address_max: usize) -> bool {
        let mut by_address = lock(&self.by_address);
        let of_address = by_address.get(&address).copied().unwrap_or(0);
        if self.total.load(Ordering::Relaxed) >= total_max || of_address >= per_address_max {
            return false;
        }
        by_address.insert(address, of_address + 1);
        self.total.fetch_add(1, Ordering::Relaxed);
        true
    }

    pub fn remove(&self, address: IpAddr) {
        let mut by_address = lock(&self.by_address);
        self.total.fetch_sub(1, Ordering::Relaxed);
        if let Some(count) = by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_is_unknown_until_it_is_set() {
        let versions = ApiVersions::default();
        assert_eq!(versions.check(3, 0), ApiSupport::UnknownKey);
        versions.set(3, 0, 13);
        assert_eq!(versions.check(3, 13), ApiSupport::Supported);
        assert_eq!(versions.check(3, 14), ApiSupport::UnsupportedVersion);
        assert_eq!(versions.check(3, -1), ApiSupport::UnsupportedVersion);
        assert_eq!(versions.check(-3, 0), ApiSupport::UnknownKey);
        assert_eq!(versions.check(1000, 0), ApiSupport::UnknownKey);
    }

    #[test]
    fn connections_are_bounded_in_all_and_by_address() {
        let counts = ConnectionCounts::default();
        let (first, second) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        assert!(counts.try_add(first, 2, 1));
        assert!(!counts.try_add(first, 2, 1));
        assert!(counts.try_add(second, 2, 1));
        assert!(!counts.try_add(IpAddr::from([127, 0, 0, 3]), 2, 1));
        counts.remove(first);
        assert!(counts.try_add(first, 2, 1));
        assert_eq!(counts.total(), 2);
    }
}
