//! Owns starting threads, spreading work over a few, and what happens when one of ours panics.

use crate::error::BrokerError;
use crate::metrics::Counter;
use crate::shared::Shared;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

/// Runs `act` over all `things` on a few threads; the answers come in any order.
pub(super) fn in_parallel<T: Sync, R: Send>(
    things: &[T],
    threads: usize,
    act: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    if things.len() < 2 || threads < 2 {
        return things.iter().map(act).collect();
    }
    let (next, act) = (AtomicU32::new(0), &act);
    let work = || {
        let mut done = Vec::new();
        while let Some(thing) = things.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
            done.push(act(thing));
        }
        done
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(things.len()))
            .map(|_| scope.spawn(work))
            .collect();
        let mut all = work();
        for other in others {
            all.extend(other.join().expect("the work does not panic"));
        }
        all
    })
}

pub(super) fn spawn(
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, BrokerError> {
    std::thread::Builder::new()
        .name(name.to_string())
        .spawn(run)
        .map_err(|error| BrokerError::io("cannot start a thread", &error))
}

/// A panic in one of our threads is a bug of ours: the broker stops serving and says so.
pub(super) fn guard(shared: &Shared, who: &str, run: impl FnOnce()) {
    if let Err(panic) = std::panic::catch_unwind(AssertUnwindSafe(run)) {
        let reason = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_string())
            .or_else(|| panic.downcast_ref::<String>().cloned());
        shared.other_metrics().count(Counter::ThreadPanicsTotal);
        shared.fail(&format!("{who} panicked: {}", reason.unwrap_or_default()));
    }
}
