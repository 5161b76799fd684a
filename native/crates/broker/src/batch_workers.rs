//! Owns the threads that may use a processor at length on behalf of producers, so that no reactor does: batches are decompressed, looked
//! through and written anew there. Started with the first batch that needs it.
//! Limits: `threads`; what waits is bounded by whoever hands it in (`preparing.rs`).

use crate::shared::lock;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

pub type Work = Box<dyn FnOnce() + Send>;

#[derive(Default)]
pub struct BatchWorkers {
    inner: Arc<Inner>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Inner {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

#[derive(Default)]
struct Queue {
    ready: VecDeque<Work>,
    idle: usize,
    is_stopping: bool,
}

impl BatchWorkers {
    /// Hands work in. A thread is started while fewer than `threads_max` run and none is idle. Work may hand in more until the last thread
    /// has ended; what comes later is dropped.
    pub fn execute(&self, threads_max: usize, work: Work) {
        let wants_thread = {
            let mut queue = lock(&self.inner.queue);
            queue.ready.push_back(work);
            queue.idle < queue.ready.len() && !queue.is_stopping
        };
        if wants_thread {
            let mut threads = lock(&self.threads);
            if threads.len() < threads_max.max(1) {
                let inner = Arc::clone(&self.inner);
                let thread = std::thread::Builder::new()
                    .name(format!("millrace-batch-{}", threads.len()))
                    .spawn(move || inner.run());
                // Without one more, those that run do it all; without any, the next batch tries again.
                threads.extend(thread);
            }
        }
        self.inner.arrived.notify_one();
    }

    /// Finishes what was handed in and ends the threads.
    pub fn stop(&self) {
        lock(&self.inner.queue).is_stopping = true;
        self.inner.arrived.notify_all();
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Inner {
    fn run(&self) {
        loop {
            let mut queue = lock(&self.queue);
            let work = loop {
                if let Some(work) = queue.ready.pop_front() {
                    break work;
                }
                if queue.is_stopping {
                    return;
                }
                queue.idle += 1;
                queue = self
                    .arrived
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
                queue.idle -= 1;
            };
            drop(queue);
            work();
        }
    }
}
