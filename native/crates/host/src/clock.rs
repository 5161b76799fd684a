//! Owns the two clocks of this process: a monotonic one for deadlines and the wall clock for record timestamps.
//! Never called by a pure crate: those are handed `now`.

use std::ops::{Add, Sub};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const NANOS_PER_MS: u64 = 1_000_000;

/// A point on the monotonic clock, in nanoseconds since an arbitrary start (boot). Only differences mean anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The earliest instant, before anything `now()` returns.
    pub const ZERO: Instant = Instant(0);

    pub fn now() -> Instant {
        Instant(clock_nanos(ClockId::Monotonic))
    }

    pub const fn from_nanos(nanos: u64) -> Instant {
        Instant(nanos)
    }

    pub const fn from_millis(millis: u64) -> Instant {
        Instant(millis * NANOS_PER_MS)
    }

    pub const fn nanos(self) -> u64 {
        self.0
    }

    pub const fn millis(self) -> u64 {
        self.0 / NANOS_PER_MS
    }

    /// Time since `earlier`; zero when `earlier` is in fact later.
    pub const fn saturating_since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    /// Saturates: a deadline beyond 584 years is "never".
    fn add(self, duration: Duration) -> Instant {
        Instant(
            self.0
                .saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;
    fn sub(self, earlier: Instant) -> Duration {
        self.saturating_since(earlier)
    }
}

/// Milliseconds since the Unix epoch: Kafka's record and segment time.
pub fn wall_ms() -> i64 {
    let time = clock_gettime(ClockId::Realtime);
    time.tv_sec * 1_000 + time.tv_nsec / NANOS_PER_MS as i64
}

/// CPU time of the calling thread, in nanoseconds.
pub fn thread_cpu_nanos() -> u64 {
    clock_nanos(ClockId::ThreadCPUTime)
}

fn clock_nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).expect("a monotonic clock is never negative");
    let nanos = u64::try_from(time.tv_nsec).expect("tv_nsec is within 0..1e9");
    seconds * NANOS_PER_SECOND + nanos
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_clock_never_goes_back() {
        let mut last = Instant::now();
        for _ in 0..1_000 {
            let now = Instant::now();
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn deadlines_saturate_instead_of_wrapping() {
        assert_eq!(
            Instant::from_nanos(u64::MAX) + Duration::from_secs(1),
            Instant::from_nanos(u64::MAX)
        );
        assert_eq!(
            Instant::from_nanos(5) - Instant::from_nanos(9),
            Duration::ZERO
        );
        assert_eq!(
            (Instant::from_millis(3) + Duration::from_millis(4)).millis(),
            7
        );
    }

    #[test]
    fn wall_clock_is_in_this_century() {
        assert!(wall_ms() > 1_700_000_000_000);
    }
}
