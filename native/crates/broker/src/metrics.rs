//! Owns the counters of the data plane. Each reactor has its own set, so that counting never shares a cache line; reading sums them.
//! Never decides anything.

use std::sync::atomic::{AtomicU64, Ordering};

/// Highest API key counted by itself.
const API_KEYS: usize = 100;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Counter { $($(#[$doc])* $name),* }
        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

counters! {
    BytesInTotal,
    BytesOutTotal,
    /// Produced batch bytes and records appended.
    ProduceBytesTotal,
    MessagesInTotal,
    ProduceRequestsTotal,
    FailedProducePartitionsTotal,
    DuplicateBatchesTotal,
    FetchRequestsTotal,
    FailedFetchPartitionsTotal,
    FetchBytesTotal,
    FetchesParkedTotal,
    FetchesExpiredTotal,
    ListOffsetsRequestsTotal,
    UpcallsTotal,
    AppendsTotal,
    AppendedBatchesTotal,
    /// Syncs of logs that were started; each covers everything appended before it.
    SyncsTotal,
    /// Appends, syncs and checkpoints for which the disk had no space.
    DiskFullTotal,
    LogDirsFailedTotal,
    ConnectionsAcceptedTotal,
    ConnectionsClosedTotal,
    ConnectionsRefusedTotal,
    ConnectionsIdleClosedTotal,
    ConnectionsSlowClosedTotal,
    RequestMemoryWaitsTotal,
    LoopTurnsTotal,
    AcceptErrorsTotal,
    BadFrameNegativeLength,
    BadFrameTooShort,
    BadFrameTooLarge,
    BadFrameUnknownApiKey,
    BadFrameUnsupportedVersion,
    BadFrameBody,
    BadFrameTruncated,
    AcksZeroClosedTotal,
    RemoveErrorsTotal,
    /// Batches written anew in the codec of their topic.
    RecodedBatchesTotal,
    /// Segments that retention let go.
    ExpiredSegmentsTotal,
    ThreadPanicsTotal,
}

const COUNT: usize = NAMES.len();

#[derive(Debug)]
pub struct Metrics {
    counters: [AtomicU64; COUNT],
    requests: [AtomicU64; API_KEYS],
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            counters: [const { AtomicU64::new(0) }; COUNT],
            requests: [const { AtomicU64::new(0) }; API_KEYS],
        }
    }
}

impl Metrics {
    pub fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    pub fn add(&self, counter: Counter, amount: u64) {
        self.counters[counter as usize].fetch_add(amount, Ordering::Relaxed);
    }

    pub fn count_request(&self, api_key: i16) {
        if let Some(requests) = usize::try_from(api_key)
            .ok()
            .and_then(|key| self.requests.get(key))
        {
            requests.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The sums over `all`, every counter and every API key that was asked for at least once.
pub fn sums<'a>(all: impl Iterator<Item = &'a Metrics> + Clone) -> Vec<(String, f64)> {
    let sum = |read: &dyn Fn(&Metrics) -> u64| all.clone().map(read).sum::<u64>() as f64;
    let mut sums = Vec::with_capacity(COUNT + 16);
    for (index, name) in NAMES.iter().enumerate() {
        sums.push((
            (*name).to_string(),
            sum(&|metrics| metrics.counters[index].load(Ordering::Relaxed)),
        ));
    }
    for api_key in 0..API_KEYS {
        let requests = sum(&|metrics| metrics.requests[api_key].load(Ordering::Relaxed));
        if requests > 0.0 {
            sums.push((format!("RequestsTotal.{api_key}"), requests));
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_run_over_all_reactors() {
        let (first, second) = (Metrics::default(), Metrics::default());
        first.add(Counter::BytesInTotal, 5);
        second.add(Counter::BytesInTotal, 6);
        second.count_request(18);
        second.count_request(-1);
        let sums = sums([&first, &second].into_iter());
        assert!(sums.contains(&("BytesInTotal".to_string(), 11.0)));
        assert!(sums.contains(&("RequestsTotal.18".to_string(), 1.0)));
    }
}
