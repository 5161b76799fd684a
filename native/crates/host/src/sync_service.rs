//! Owns the threads that may block on the disk, so that a reactor never does: fdatasync with group commit, and odd jobs such as unlinking.
//! Invariant: at most one sync per log is in flight; every request that arrives meanwhile is answered by the next one, never by the running one
//! (which may have started before the request's bytes were written).
//! A failed sync is reported to everyone it would have answered and stays failed for that file (see `DiskFile::sync_data`). A disk too full to
//! replace a small file is another matter: nothing that was written is lost by it, and the caller may ask again.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::disk::{Disk, DiskFile, OpenMode, is_out_of_space, replace_file};

/// What must be on disk before the answer, in this order: bytes of open files, small files by path (opened, synced, closed), small files to
/// be replaced whole, then the directories that name them all.
pub struct SyncRequest<D: Disk> {
    /// The directory of the log. Requests of one log share a sync.
    pub log: Arc<Path>,
    pub files: Vec<Arc<D::File>>,
    pub paths: Vec<PathBuf>,
    /// Path and new content: written beside, synced and renamed over.
    pub replacements: Vec<(PathBuf, Arc<[u8]>)>,
    pub directories: Vec<PathBuf>,
}

/// Why a sync failed. Shared by everyone who waited for it.
#[derive(Clone, Debug)]
pub struct SyncFailure {
    pub error: Arc<io::Error>,
    /// There was no space to replace a small file. What was written before is as safe as it was, and the same may be asked again.
    pub is_out_of_space: bool,
}

impl From<io::Error> for SyncFailure {
    fn from(error: io::Error) -> SyncFailure {
        SyncFailure {
            error: Arc::new(error),
            is_out_of_space: false,
        }
    }
}

impl SyncFailure {
    /// A replacement failed: the file it was to replace is still there, and so are the bytes in memory.
    fn of_replacement(error: io::Error) -> SyncFailure {
        SyncFailure {
            is_out_of_space: is_out_of_space(&error),
            ..SyncFailure::from(error)
        }
    }
}

pub type SyncDone = Box<dyn FnOnce(Result<(), SyncFailure>) + Send>;
pub type Task = Box<dyn FnOnce() + Send>;

impl<D: Disk> SyncRequest<D> {
    /// Performs the request on the calling thread: files before directories, so that no name becomes durable before its bytes.
    pub fn perform(&self, disk: &D) -> Result<(), SyncFailure> {
        for file in &self.files {
            file.sync_data()?;
        }
        for path in &self.paths {
            match disk.open(path, OpenMode::Existing) {
                Ok(file) => file.sync_data()?,
                // Replaced or deleted meanwhile: whoever did so answers for what took its place.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        for (path, bytes) in &self.replacements {
            match replace_file(disk, path, bytes) {
                // The log was deleted meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => result.map_err(SyncFailure::of_replacement)?,
            }
        }
        for directory in &self.directories {
            match disk.sync_dir(directory) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => result?,
            }
        }
        Ok(())
    }

    /// `other` is the later request: where both replace a file, its content wins.
    fn merge(&mut self, other: SyncRequest<D>) {
        for file in other.files {
            if !self.files.iter().any(|known| Arc::ptr_eq(known, &file)) {
                self.files.push(file);
            }
        }
        for (path, bytes) in other.replacements {
            self.replacements.retain(|(known, _)| *known != path);
            self.replacements.push((path, bytes));
        }
        merge_paths(&mut self.paths, other.paths);
        merge_paths(&mut self.directories, other.directories);
    }
}

fn merge_paths(known: &mut Vec<PathBuf>, more: Vec<PathBuf>) {
    for path in more {
        if !known.contains(&path) {
            known.push(path);
        }
    }
}

/// Dropping the service finishes everything requested, then joins its threads.
pub struct SyncService<D: Disk> {
    shared: Arc<Shared<D>>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared<D: Disk> {
    disk: D,
    queue: Mutex<Queue<D>>,
    work_arrived: Condvar,
}

struct Queue<D: Disk> {
    ready: VecDeque<Work>,
    groups: HashMap<Arc<Path>, Group<D>>,
    stopping: bool,
}

impl<D: Disk> Queue<D> {
    fn group(&mut self, log: &Arc<Path>) -> &mut Group<D> {
        self.groups.entry(Arc::clone(log)).or_insert_with(|| Group {
            in_flight: false,
            waiting: None,
            tasks: Vec::new(),
        })
    }
}

enum Work {
    Sync(Arc<Path>),
    Task(Task),
}

struct Group<D: Disk> {
    in_flight: bool,
    waiting: Option<(SyncRequest<D>, Vec<SyncDone>)>,
    /// To be run when what was requested before is done, and before anything that comes later.
    tasks: Vec<Task>,
}

impl<D: Disk> Group<D> {
    fn is_queued(&self) -> bool {
        self.in_flight || self.waiting.is_some() || !self.tasks.is_empty()
    }
}

impl<D: Disk> SyncService<D> {
    pub fn start(disk: D, threads: usize) -> io::Result<SyncService<D>> {
        assert!(
            threads > 0,
            "a sync service without threads would never answer"
        );
        let queue = Queue {
            ready: VecDeque::new(),
            groups: HashMap::new(),
            stopping: false,
        };
        let shared = Arc::new(Shared {
            disk,
            queue: Mutex::new(queue),
            work_arrived: Condvar::new(),
        });
        let mut service = SyncService {
            shared,
            threads: Vec::with_capacity(threads),
        };
        for index in 0..threads {
            let shared = Arc::clone(&service.shared);
            let thread = std::thread::Builder::new()
                .name(format!("millrace-sync-{index}"))
                .spawn(move || shared.work())?;
            service.threads.push(thread);
        }
        Ok(service)
    }

    /// Asks for a sync; `done` runs on a sync thread when everything in the request, as it is now, is on disk or has failed to get there.
    pub fn request(&self, request: SyncRequest<D>, done: SyncDone) {
        let log = Arc::clone(&request.log);
        let mut queue = self.shared.lock();
        assert!(!queue.stopping, "a stopping sync service takes no requests");
        let group = queue.group(&log);
        let is_first = !group.is_queued();
        match &mut group.waiting {
            Some((waiting, dones)) => {
                waiting.merge(request);
                dones.push(done);
            }
            none => *none = Some((request, vec![done])),
        }
        if is_first {
            queue.ready.push_back(Work::Sync(log));
            drop(queue);
            self.shared.work_arrived.notify_one();
        }
    }

    /// Runs something on a sync thread when every sync of `log` that was asked for is over, and before any later one: a rename or a removal of
    /// what those syncs name by path.
    pub fn execute_behind(&self, log: Arc<Path>, task: Task) {
        let mut queue = self.shared.lock();
        assert!(!queue.stopping, "a stopping sync service takes no tasks");
        let group = queue.group(&log);
        let is_first = !group.is_queued();
        group.tasks.push(task);
        if is_first {
            queue.ready.push_back(Work::Sync(log));
            drop(queue);
            self.shared.work_arrived.notify_one();
        }
    }

    /// Runs something slow (unlinking segments, writing a checkpoint) on a sync thread.
    pub fn execute(&self, task: Task) {
        let mut queue = self.shared.lock();
        assert!(!queue.stopping, "a stopping sync service takes no tasks");
        queue.ready.push_back(Work::Task(task));
        drop(queue);
        self.shared.work_arrived.notify_one();
    }
}

impl<D: Disk> Drop for SyncService<D> {
    fn drop(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.work_arrived.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has already said so; the others' work is done.
            let _ = thread.join();
        }
    }
}

impl<D: Disk> Shared<D> {
    fn lock(&self) -> MutexGuard<'_, Queue<D>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(work) = self.next_work() {
            match work {
                Work::Sync(log) => self.sync(log),
                Work::Task(task) => task(),
            }
        }
    }

    fn next_work(&self) -> Option<Work> {
        let mut queue = self.lock();
        loop {
            if let Some(work) = queue.ready.pop_front() {
                return Some(work);
            }
            // A group in flight may still hand on waiting requests; its own thread picks them up.
            if queue.stopping {
                return None;
            }
            queue = self
                .work_arrived
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn sync(&self, log: Arc<Path>) {
        let (waiting, tasks) = {
            let mut queue = self.lock();
            let group = queue
                .groups
                .get_mut(&log)
                .expect("a ready group exists until its sync ends");
            assert!(!group.in_flight, "one sync per log at a time");
            group.in_flight = true;
            (group.waiting.take(), std::mem::take(&mut group.tasks))
        };
        let result = waiting
            .as_ref()
            .map(|(request, _)| request.perform(&self.disk));
        for task in tasks {
            task();
        }
        {
            let mut queue = self.lock();
            let group = queue
                .groups
                .get_mut(&log)
                .expect("an in-flight group is not removed by others");
            group.in_flight = false;
            if group.is_queued() {
                queue.ready.push_back(Work::Sync(log));
                drop(queue);
                self.work_arrived.notify_one();
            } else {
                queue.groups.remove(&log);
            }
        }
        if let (Some((_, dones)), Some(result)) = (waiting, result) {
            for done in dones {
                done(result.clone());
            }
        }
    }
}

#[cfg(test)]
#[path = "sync_service_tests.rs"]
mod tests;
