//! Owns the jobs on one partition that may take long: they run where their caller is, which is a worker of the control plane's pool
//! *partition-io*, one synchronous call a job. Never runs on a reactor, and calls nobody back: what it has to say is what it returns.
//! Invariants: a job ends before its broker closes, and none begins afterwards.
//!
//! A broker is named by a number, because a worker is another JavaScript environment than the one that made the broker: this process knows
//! every broker that may be asked for jobs. Each kind of job has a file of its own.

mod compact;
mod recover;

pub(super) use recover::Recovery;

use super::Broker;
use crate::error::BrokerError;
use crate::partition_table::TopicId;
use crate::shared::lock;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError, Weak};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Opens a log that an unclean stop left behind, checking what lies behind its recovery point.
    Recover { topic_id: TopicId, partition: i32 },
    /// Compacts the dirtiest log, if one is due.
    Compact,
}

/// What a job did, in figures by name.
pub type JobFigures = Vec<(&'static str, f64)>;

/// Brokers of this process by handle.
static BROKERS: LazyLock<Mutex<HashMap<u32, Weak<Broker>>>> = LazyLock::new(Mutex::default);
static NEXT_HANDLE: AtomicU32 = AtomicU32::new(1);

/// Lets `run` find the broker from now on.
pub fn register(broker: &Arc<Broker>) -> u32 {
    let handle = NEXT_HANDLE.fetch_add(1, Ordering::Relaxed);
    let mut brokers = lock(&BROKERS);
    brokers.retain(|_, broker| broker.strong_count() > 0);
    brokers.insert(handle, Arc::downgrade(broker));
    handle
}

/// Runs one job to its end on the calling thread.
pub fn run(handle: u32, job: &Job) -> Result<JobFigures, BrokerError> {
    let broker = lock(&BROKERS).get(&handle).and_then(Weak::upgrade);
    let closed = || BrokerError::new("CLOSED", "the broker is closed");
    let broker = broker.ok_or_else(closed)?;
    let _running = broker.jobs.enter().ok_or_else(closed)?;
    match job {
        Job::Recover {
            topic_id,
            partition,
        } => broker.recover(topic_id, *partition),
        Job::Compact => broker.compact(),
    }
}

impl Broker {
    /// Makes jobs under way end soon, and lets no other begin. Does not wait.
    pub fn stop_jobs(&self) {
        self.recovery.progress.give_up();
        self.cleaner.stop();
        lock(&self.jobs.state).is_shut = true;
    }
}

/// Counts the jobs under way, and lets none begin once the broker closes.
#[derive(Debug, Default)]
pub(super) struct JobGate {
    state: Mutex<GateState>,
    left: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    running: usize,
    is_shut: bool,
}

/// A job under way.
struct Running<'a>(&'a JobGate);

impl JobGate {
    fn enter(&self) -> Option<Running<'_>> {
        let mut state = lock(&self.state);
        if state.is_shut {
            return None;
        }
        state.running += 1;
        Some(Running(self))
    }

    /// Returns when no job runs and none will.
    pub(super) fn shut(&self) {
        let mut state = lock(&self.state);
        state.is_shut = true;
        let _state = self
            .left
            .wait_while(state, |state| state.running > 0)
            .unwrap_or_else(PoisonError::into_inner);
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).running -= 1;
        self.0.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shut_gate_waits_for_those_inside_and_lets_nobody_in() {
        let gate = Arc::new(JobGate::default());
        let inside = gate.enter().expect("open");
        let shutting = {
            let gate = Arc::clone(&gate);
            std::thread::spawn(move || gate.shut())
        };
        while gate.enter().is_some() {
            std::thread::yield_now();
        }
        assert!(!shutting.is_finished());
        drop(inside);
        shutting.join().expect("the gate shuts");
        assert!(gate.enter().is_none());
    }

    #[test]
    fn a_handle_nobody_has_is_a_closed_broker() {
        assert_eq!(
            run(u32::MAX, &Job::Compact).expect_err("no broker").code,
            "CLOSED"
        );
    }
}
