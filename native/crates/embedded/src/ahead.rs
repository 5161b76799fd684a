//! Owns reading ahead: while a sequential reader works through one stretch, the next is mapped and checked on another thread.
//! Never reads ahead of anyone who did not just read a full stretch. Invariant: each reader has at most one stretch under way.

use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex};

use crate::error::StoreError;
use crate::store::{Store, lock};
use crate::stretch::Stretch;

type Outcome = Result<Option<Stretch>, StoreError>;

struct Job {
    store: Arc<Store>,
    offset: i64,
    max_bytes: u32,
    reply: SyncSender<Outcome>,
}

/// One thread for all logs of the process: it only keeps the second core busy.
static THREAD: Mutex<Option<Sender<Job>>> = Mutex::new(None);

struct UnderWay {
    offset: i64,
    max_bytes: u32,
    generation: u32,
    outcome: Receiver<Outcome>,
}

/// What one reader has under way.
#[derive(Default)]
pub struct ReadAhead {
    under_way: Mutex<Option<UnderWay>>,
}

impl ReadAhead {
    /// `Store::read` by map, from what was read ahead if that is it.
    pub fn read(&self, store: &Arc<Store>, offset: i64, max_bytes: u32) -> Outcome {
        let ahead = lock(&self.under_way).take();
        let generation = store.progress().generation;
        let found = ahead
            .filter(|ahead| {
                (ahead.offset, ahead.max_bytes, ahead.generation) == (offset, max_bytes, generation)
            })
            .and_then(|ahead| ahead.outcome.recv().ok());
        let outcome = match found {
            Some(Ok(Some(stretch))) => Ok(Some(stretch)),
            // The end, or a failure, that may no longer be one.
            Some(Ok(None) | Err(_)) | None => store.read(offset, max_bytes, true),
        };
        if let Ok(Some(stretch)) = &outcome
            && stretch.bytes.len() >= max_bytes as usize / 2
            && stretch.end_offset < store.progress().written_offset
        {
            self.begin(store, stretch.end_offset, max_bytes, generation);
        }
        outcome
    }

    fn begin(&self, store: &Arc<Store>, offset: i64, max_bytes: u32, generation: u32) {
        let (reply, outcome) = mpsc::sync_channel(1);
        let job = Job {
            store: Arc::clone(store),
            offset,
            max_bytes,
            reply,
        };
        let mut thread = lock(&THREAD);
        if thread.is_none() {
            let (jobs, arriving) = mpsc::channel();
            let spawned = std::thread::Builder::new()
                .name("millrace-ahead".to_owned())
                .spawn(move || work(&arriving));
            if spawned.is_err() {
                return;
            }
            *thread = Some(jobs);
        }
        let is_sent = thread.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        if is_sent {
            *lock(&self.under_way) = Some(UnderWay {
                offset,
                max_bytes,
                generation,
                outcome,
            });
        } else {
            // The thread has panicked; the next one takes over.
            *thread = None;
        }
    }
}

fn work(jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        let outcome = job.store.read(job.offset, job.max_bytes, true);
        // Nobody may wait any more: the reader has gone elsewhere.
        let _ = job.reply.send(outcome);
    }
}
