//! Owns starting threads and spreading work over a few.

use crate::error::BrokerError;
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

#[cfg(test)]
mod tests {
    use crate::{Broker, BrokerOptions};
    use std::sync::mpsc;

    #[test]
    fn a_panic_on_a_sync_thread_is_reported_and_the_thread_goes_on() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let options = BrokerOptions {
            log_dirs: vec![dir.path().to_path_buf()],
            sync_threads: 1,
            ..BrokerOptions::default()
        };
        let broker = Broker::new(options, Box::new(|| {})).expect("good options");
        broker.open().expect("the directory is free");
        let (sender, done) = mpsc::channel();
        broker.shared.execute(Box::new(|| panic!("a bug")));
        broker
            .shared
            .execute(Box::new(move || sender.send(()).expect("the test waits")));
        done.recv().expect("the next task is run");
        let event = broker.take_events(1 << 20).expect("the panic is reported");
        assert!(String::from_utf8_lossy(&event).contains("a bug"));
        broker.close().expect("a close");
        assert!(!dir.path().join(".kafka_cleanshutdown").exists());
    }
}
