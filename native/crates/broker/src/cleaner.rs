//! Owns what the cleanings of one broker have in common: their memory, their share of the disk, what they did last. Never touches a log.
//! Invariant: all cleanings together read and write no more than `log.cleaner.io.max.bytes.per.second`; when the broker stops they end
//! within one chunk.

use crate::options::CleanerOptions;
use crate::shared::lock;
use millrace_host::{Instant, entropy};
use millrace_log::{Cleaned, CompactionLimits};
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Bytes saved up while nothing was cleaned: at most this much time's worth.
const BURST: Duration = Duration::from_millis(300);
/// One table is at most this large, as Kafka's.
const DEDUPE_BUFFER_BYTES_MAX: u64 = i32::MAX as u64;

pub struct Cleaner {
    limits: CompactionLimits,
    bytes_per_second_max: f64,
    state: Mutex<State>,
    stopped: Condvar,
    /// Held while a log is chosen, so that no two cleanings choose the same.
    pub choosing: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    is_stopping: bool,
    /// When what was spent so far is paid for.
    paid_until: Instant,
    figures: CleanerFigures,
    last_run: Option<Instant>,
}

/// By Kafka's names.
#[derive(Debug, Clone, Copy, Default)]
pub struct CleanerFigures {
    pub max_dirty_percent: f64,
    pub max_compaction_delay_secs: f64,
    pub recopy_percent: f64,
    pub max_buffer_utilization_percent: f64,
    pub max_clean_time_secs: f64,
    pub uncleanable_partitions: u64,
    pub uncleanable_bytes: u64,
    pub cleaned_logs: u64,
    pub keyless_records: u64,
}

impl Cleaner {
    pub fn new(options: &CleanerOptions) -> Cleaner {
        let threads = options.threads.max(1) as u64;
        let dedupe_bytes = (options.dedupe_buffer_bytes / threads).min(DEDUPE_BUFFER_BYTES_MAX);
        let uuid = entropy::uuid();
        Cleaner {
            limits: CompactionLimits {
                dedupe_buffer_bytes: dedupe_bytes as usize,
                load_factor: options.load_factor.clamp(f64::MIN_POSITIVE, 1.0),
                // Half of a share reads, half writes.
                io_buffer_bytes: (options.io_buffer_bytes / threads / 2) as usize,
                hash_seed: u64::from_ne_bytes(uuid[..8].try_into().expect("a uuid has 16 bytes")),
            },
            bytes_per_second_max: options.io_bytes_per_second_max,
            state: Mutex::default(),
            stopped: Condvar::new(),
            choosing: Mutex::default(),
        }
    }

    pub fn limits(&self) -> CompactionLimits {
        self.limits
    }

    /// Pays for bytes read or written: sleeps until the rate allows them. Break: the broker stops.
    pub fn spend(&self, bytes: u64) -> ControlFlow<()> {
        let mut state = lock(&self.state);
        if self.bytes_per_second_max.is_finite() && self.bytes_per_second_max > 0.0 {
            let now = Instant::now();
            let seconds = bytes as f64 / self.bytes_per_second_max;
            let price = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
            // An unused second is not saved up for later.
            let saved = Instant::from_nanos(now.nanos().saturating_sub(BURST.as_nanos() as u64));
            state.paid_until = state.paid_until.max(saved) + price;
            let paid_until = state.paid_until;
            while !state.is_stopping && Instant::now() < paid_until {
                let wait = paid_until - Instant::now();
                state = self
                    .stopped
                    .wait_timeout(state, wait)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
        }
        if state.is_stopping {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    pub fn stop(&self) {
        lock(&self.state).is_stopping = true;
        self.stopped.notify_all();
    }

    /// What choosing found over all logs.
    pub fn note_choice(&self, max_dirty_ratio: f64, max_overdue_ms: i64, uncleanable: (u64, u64)) {
        let mut state = lock(&self.state);
        state.last_run = Some(Instant::now());
        let figures = &mut state.figures;
        figures.max_dirty_percent = 100.0 * max_dirty_ratio;
        figures.max_compaction_delay_secs = max_overdue_ms as f64 / 1_000.0;
        (figures.uncleanable_partitions, figures.uncleanable_bytes) = uncleanable;
    }

    pub fn note_cleaned(&self, cleaned: &Cleaned, took: Duration) {
        let stats = &cleaned.stats;
        let figures = &mut lock(&self.state).figures;
        figures.recopy_percent =
            100.0 * stats.bytes_written as f64 / stats.bytes_read.max(1) as f64;
        figures.max_buffer_utilization_percent = 100.0 * stats.map_utilization;
        figures.max_clean_time_secs = took.as_secs_f64();
        figures.cleaned_logs += 1;
        figures.keyless_records += stats.keyless_records;
    }

    pub fn metrics(&self) -> Vec<(String, f64)> {
        let state = lock(&self.state);
        let figures = &state.figures;
        let since_last_run_ms = state.last_run.map_or(0, |last_run| {
            Instant::now().saturating_since(last_run).as_millis() as u64
        });
        [
            ("max-dirty-percent", figures.max_dirty_percent),
            ("cleaner-recopy-percent", figures.recopy_percent),
            ("max-clean-time-secs", figures.max_clean_time_secs),
            (
                "max-buffer-utilization-percent",
                figures.max_buffer_utilization_percent,
            ),
            (
                "max-compaction-delay-secs",
                figures.max_compaction_delay_secs,
            ),
            (
                "uncleanable-partitions-count",
                figures.uncleanable_partitions as f64,
            ),
            ("uncleanable-bytes", figures.uncleanable_bytes as f64),
            ("time-since-last-run-ms", since_last_run_ms as f64),
            ("CleanedLogsTotal", figures.cleaned_logs as f64),
            ("CleanerKeylessRecordsTotal", figures.keyless_records as f64),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_string(), value))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaner(bytes_per_second_max: f64) -> Cleaner {
        Cleaner::new(&CleanerOptions {
            io_bytes_per_second_max: bytes_per_second_max,
            ..CleanerOptions::default()
        })
    }

    #[test]
    fn spending_waits_for_the_rate_and_not_without_one() {
        let free = cleaner(f64::MAX);
        assert_eq!(free.spend(u64::MAX), ControlFlow::Continue(()));
        let paced = cleaner(1_000_000.0);
        let begun = Instant::now();
        for _ in 0..4 {
            assert_eq!(paced.spend(100_000), ControlFlow::Continue(()));
        }
        // 400 ms worth, of which a burst of 300 is free.
        assert!(Instant::now() - begun >= Duration::from_millis(95));
    }

    #[test]
    fn stopping_ends_a_wait() {
        let slow = std::sync::Arc::new(cleaner(1.0));
        let spending = {
            let slow = std::sync::Arc::clone(&slow);
            std::thread::spawn(move || slow.spend(1 << 40))
        };
        slow.stop();
        assert_eq!(spending.join().expect("it ends"), ControlFlow::Break(()));
        assert_eq!(slow.spend(1), ControlFlow::Break(()));
    }

    #[test]
    fn threads_share_memory() {
        let limits = Cleaner::new(&CleanerOptions {
            threads: 4,
            ..CleanerOptions::default()
        })
        .limits();
        assert_eq!(
            (limits.dedupe_buffer_bytes, limits.io_buffer_bytes),
            (32 << 20, 64 << 10)
        );
    }
}
