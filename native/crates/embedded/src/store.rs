//! Owns one open log: its lock, its threads, and who in this process looks at it. Never has two writers.
//! Invariants: the registry knows every log that is open for writing in this process; what `progress` shows is true of the files.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;

use millrace_host::arena::Arena;
use millrace_host::clock;
use millrace_host::disk::Disk;
use millrace_host::disk::mappable::MappableDisk;
use millrace_host::disk::posix::{PosixDisk, PosixLock};
use millrace_log::{Log, LogConfig};

use crate::checkpoint::Checkpoint;
use crate::error::StoreError;
use crate::progress::{Progress, Watcher};
use crate::snapshot::SnapshotOutcome;
use crate::stretch::Stretch;
use crate::syncing::SyncWishes;
use crate::writing::Queue;

pub(crate) const LOCK_FILE: &str = ".lock";
const META_PROPERTIES: &str = "meta.properties";

#[derive(Clone, Debug)]
pub struct StoreOptions {
    pub log: LogConfig,
    /// Slots that are filled and written in turn.
    pub slots: usize,
    pub slot_bytes: usize,
    /// Checksums are computed when batches are read.
    pub verify_checksums: bool,
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        StoreOptions {
            log: LogConfig::default(),
            slots: 16,
            slot_bytes: 256 * 1024,
            verify_checksums: true,
        }
    }
}

/// Locks held while the log is open for writing.
struct Locks {
    _directory: PosixLock,
    _data_directory: Option<Arc<PosixLock>>,
}

pub struct Store {
    pub(crate) dir: PathBuf,
    pub(crate) disk: MappableDisk,
    pub(crate) options: StoreOptions,
    pub(crate) log: Mutex<Log<MappableDisk>>,
    pub(crate) arena: Arc<Arena>,
    pub(crate) queue: Mutex<Queue>,
    /// Something waits in the queue.
    pub(crate) arrived: Condvar,
    /// Something left the queue.
    pub(crate) progressed: Condvar,
    pub(crate) wishes: Mutex<SyncWishes>,
    pub(crate) wished: Condvar,
    pub(crate) checkpointed: Mutex<Checkpoint>,
    /// Snapshots that are done and that nobody has asked after yet.
    pub(crate) snapshots: Mutex<Vec<(PathBuf, SnapshotOutcome)>>,
    progress: Mutex<Progress>,
    watchers: Mutex<Vec<Weak<Watcher>>>,
    last_failure: Mutex<Option<StoreError>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    locks: Mutex<Option<Locks>>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

static OPEN_STORES: Mutex<Option<HashMap<PathBuf, Weak<Store>>>> = Mutex::new(None);
/// Locks of data directories, shared by the logs of one process that lie in them.
static DATA_DIRECTORIES: Mutex<Option<HashMap<PathBuf, Weak<PosixLock>>>> = Mutex::new(None);

impl Store {
    /// Opens the log for writing, creating it if there is none. Fails with LOCKED while someone else has it.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Arc<Store>, StoreError> {
        let disk = MappableDisk::default();
        let is_new = !disk
            .exists(dir)
            .map_err(|error| StoreError::io("look for", dir, &error))?;
        if is_new {
            disk.create_dir_all(dir)
                .map_err(|error| StoreError::io("create", dir, &error))?;
        }
        let dir = dir
            .canonicalize()
            .map_err(|error| StoreError::io("find", dir, &error))?;
        let locks = Locks {
            _directory: lock_file(&dir.join(LOCK_FILE))?,
            _data_directory: lock_data_directory(&dir)?,
        };
        let found = Checkpoint::read(&disk, &dir)?;
        if found.is_none() && has_segments(&disk, &dir)? && locks._data_directory.is_some() {
            return Err(StoreError::new(
                "BROKER_OWNED",
                format!(
                    "{} belongs to a broker: write through the broker, or open it with readOnly",
                    dir.display()
                ),
            ));
        }
        let found = found.unwrap_or_default();
        if found.is_clean {
            // From the first write on it no longer holds.
            let unclean = Checkpoint {
                is_clean: false,
                ..found
            };
            unclean.write(&disk, &dir)?;
        }
        let log = Log::open(
            disk.clone(),
            &dir,
            options.log.clone(),
            found.open_hints(),
            clock::wall_ms(),
        )?;
        let progress = Progress {
            log_start_offset: log.log_start_offset(),
            written_offset: log.log_end_offset(),
            synced_offset: log.synced_offset(),
            ..Progress::default()
        };
        let checkpoint = Checkpoint {
            is_clean: false,
            recovery_point: log.recovery_point(),
            log_start_offset: log.log_start_offset(),
        };
        checkpoint.write(&disk, &dir)?;
        let store = Arc::new(Store {
            arena: Arena::new(options.slots, options.slot_bytes),
            disk,
            options,
            log: Mutex::new(log),
            queue: Mutex::default(),
            arrived: Condvar::new(),
            progressed: Condvar::new(),
            wishes: Mutex::default(),
            wished: Condvar::new(),
            checkpointed: Mutex::new(checkpoint),
            snapshots: Mutex::default(),
            progress: Mutex::new(progress),
            watchers: Mutex::default(),
            last_failure: Mutex::default(),
            threads: Mutex::default(),
            locks: Mutex::new(Some(locks)),
            dir,
        });
        let writes = Arc::clone(&store);
        let syncs = Arc::clone(&store);
        let threads = [
            spawn("millrace-write", move || writes.write_until_stopped())?,
            spawn("millrace-sync", move || syncs.sync_until_stopped())?,
        ];
        lock(&store.threads).extend(threads);
        lock(&OPEN_STORES)
            .get_or_insert_default()
            .insert(store.dir.clone(), Arc::downgrade(&store));
        Ok(store)
    }

    /// The log if it is open for writing in this process.
    pub fn attach(dir: &Path) -> Option<Arc<Store>> {
        let dir = dir.canonicalize().ok()?;
        let mut stores = lock(&OPEN_STORES);
        let stores = stores.get_or_insert_default();
        stores.retain(|_, store| store.strong_count() > 0);
        stores
            .get(&dir)
            .and_then(Weak::upgrade)
            .filter(|store| !store.progress().is_closed)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn arena(&self) -> &Arc<Arena> {
        &self.arena
    }

    pub fn progress(&self) -> Progress {
        *lock(&self.progress)
    }

    /// From now on the watcher shows the progress.
    pub fn watch(&self, watcher: &Arc<Watcher>) {
        let progress = lock(&self.progress);
        lock(&self.watchers).push(Arc::downgrade(watcher));
        watcher.show(&progress);
    }

    pub(crate) fn change_progress(&self, change: impl FnOnce(&mut Progress)) {
        let mut progress = lock(&self.progress);
        change(&mut progress);
        let shown = *progress;
        // Under the lock, so that no older state is shown after a newer one.
        let mut watchers = lock(&self.watchers);
        watchers.retain(|watcher| {
            watcher.upgrade().is_some_and(|watcher| {
                watcher.show(&shown);
                true
            })
        });
        for watcher in watchers.iter().filter_map(Weak::upgrade) {
            watcher.wake_if_wanted();
        }
    }

    /// Records that were accepted are lost: their writer is told.
    pub(crate) fn fail(&self, error: StoreError) {
        *lock(&self.last_failure) = Some(error);
        self.change_progress(|progress| progress.failures = progress.failures.wrapping_add(1));
        self.progressed.notify_all();
    }

    pub fn last_failure(&self) -> Option<StoreError> {
        lock(&self.last_failure).clone()
    }

    /// The stretch that holds `offset`. None at the log end.
    pub fn stretch(
        &self,
        offset: i64,
        span_bytes: u32,
        may_map: bool,
    ) -> Result<Option<Stretch>, StoreError> {
        // The map is made under the lock: a truncation comes before or after, not in between.
        let mut log = lock(&self.log);
        let Some(slice) = log.read_stretch(offset, span_bytes)? else {
            return Ok(None);
        };
        if may_map {
            let stretch = Stretch::of(&slice, true, false)?;
            drop(log);
            return Stretch::check(stretch.bytes, self.options.verify_checksums).map(Some);
        }
        drop(log);
        Stretch::of(&slice, false, self.options.verify_checksums).map(Some)
    }

    /// Whole batches from the one that holds `offset` on, about `max_bytes` of them. None at the log end.
    pub fn read(
        &self,
        offset: i64,
        max_bytes: u32,
        may_map: bool,
    ) -> Result<Option<Stretch>, StoreError> {
        let mut log = lock(&self.log);
        let end_offset = log.log_end_offset();
        let Some(slice) = log.read(offset, max_bytes, end_offset, true)? else {
            return Ok(None);
        };
        let stretch = Stretch::of(&slice, may_map, false)?;
        drop(log);
        Stretch::check(stretch.bytes, self.options.verify_checksums).map(Some)
    }

    /// Cuts the log so that it ends at `offset`, or at the base of the batch that held it. Returns the end.
    pub fn truncate(&self, offset: i64) -> Result<i64, StoreError> {
        self.flush()?;
        let mut log = lock(&self.log);
        if offset < log.log_start_offset() {
            return Err(StoreError::new(
                "OFFSET_OUT_OF_RANGE",
                format!(
                    "offset {offset} lies before the log start {}",
                    log.log_start_offset()
                ),
            ));
        }
        let result = log.truncate(offset, clock::wall_ms());
        let (start, end, synced) = (
            log.log_start_offset(),
            log.log_end_offset(),
            log.synced_offset(),
        );
        drop(log);
        self.change_progress(|progress| {
            progress.log_start_offset = start;
            progress.written_offset = end;
            progress.synced_offset = synced;
            progress.generation = progress.generation.wrapping_add(1);
        });
        // An older, higher recovery point would hide later damage.
        self.checkpoint(false)?;
        Ok(result?)
    }

    /// Records before `offset` are gone; segments wholly before it too.
    pub fn delete_before(&self, offset: i64) -> Result<i64, StoreError> {
        self.flush()?;
        let start = {
            let mut log = lock(&self.log);
            log.delete_records_before(offset, clock::wall_ms())?
        };
        self.show_start(start);
        self.checkpoint(false)?;
        Ok(start)
    }

    fn show_start(&self, start: i64) {
        self.change_progress(|progress| {
            if progress.log_start_offset != start {
                progress.log_start_offset = start;
                progress.generation = progress.generation.wrapping_add(1);
            }
        });
    }

    /// The first offset whose record has `timestamp` or a later one.
    pub fn offset_for_timestamp(&self, timestamp: i64) -> Result<Option<i64>, StoreError> {
        self.flush()?;
        let mut log = lock(&self.log);
        let lookup = log.offset_for_timestamp(timestamp)?;
        Ok(lookup.map(|found| found.offset))
    }

    /// Lets go of the segments that retention by size and by time no longer keeps.
    pub(crate) fn retain(&self, now_ms: i64) -> Result<(), StoreError> {
        let start = {
            let mut log = lock(&self.log);
            let end_offset = log.log_end_offset();
            let expired = log.expired_segments(end_offset, now_ms)?;
            if expired == 0 {
                return Ok(());
            }
            if expired == log.segment_count() {
                log.roll_expired(now_ms)?;
            }
            log.delete_oldest_segments(expired, now_ms)?
        };
        self.show_start(start);
        Ok(())
    }

    /// Writes and syncs what waits, and lets go of everything. Idempotent.
    pub fn close(&self) -> Result<(), StoreError> {
        let threads: Vec<_> = std::mem::take(&mut *lock(&self.threads));
        if threads.is_empty() {
            return Ok(());
        }
        self.stop_writing();
        let mut threads = threads.into_iter();
        if let Some(writing) = threads.next() {
            // A panic there was reported where it happened; the log is then not called clean.
            let _ = writing.join();
        }
        self.stop_syncing();
        let has_panicked = threads.any(|syncing| syncing.join().is_err());
        let is_fenced = lock(&self.log).is_fenced();
        let closed = lock(&self.log).close(true).map_err(StoreError::from);
        let is_clean = closed.is_ok() && !is_fenced && !has_panicked;
        let checkpointed = self.checkpoint(is_clean);
        let end = lock(&self.log).synced_offset();
        self.change_progress(|progress| {
            progress.synced_offset = end;
            progress.is_closed = true;
        });
        let mut stores = lock(&OPEN_STORES);
        if let Some(stores) = stores.as_mut()
            && stores
                .get(&self.dir)
                .is_some_and(|store| std::ptr::eq(store.as_ptr(), self))
        {
            stores.remove(&self.dir);
        }
        drop(stores);
        lock(&self.locks).take();
        closed.map(|_| ()).and(checkpointed)
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| StoreError::new("IO", format!("cannot start a thread: {error}")))
}

pub(crate) fn lock_file(path: &Path) -> Result<PosixLock, StoreError> {
    PosixDisk.lock(path).map_err(|error| {
        if error.kind() == io::ErrorKind::WouldBlock {
            StoreError::new(
                "LOCKED",
                format!(
                    "{} is open for writing already: a log has one writer",
                    path.parent().unwrap_or(path).display()
                ),
            )
        } else {
            StoreError::io("lock", path, &error)
        }
    })
}

/// A log that lies in a broker's data directory is written only while no broker runs there.
fn lock_data_directory(dir: &Path) -> Result<Option<Arc<PosixLock>>, StoreError> {
    let Some(parent) = dir.parent() else {
        return Ok(None);
    };
    let meta = parent.join(META_PROPERTIES);
    let is_data_directory = PosixDisk
        .exists(&meta)
        .map_err(|error| StoreError::io("look for", &meta, &error))?;
    if !is_data_directory {
        return Ok(None);
    }
    let mut held = lock(&DATA_DIRECTORIES);
    let held = held.get_or_insert_default();
    held.retain(|_, lock| lock.strong_count() > 0);
    if let Some(lock) = held.get(parent).and_then(Weak::upgrade) {
        return Ok(Some(lock));
    }
    let lock = Arc::new(lock_file(&parent.join(LOCK_FILE))?);
    held.insert(parent.to_path_buf(), Arc::downgrade(&lock));
    Ok(Some(lock))
}

fn has_segments<D: Disk>(disk: &D, dir: &Path) -> Result<bool, StoreError> {
    let entries = disk
        .list(dir)
        .map_err(|error| StoreError::io("list", dir, &error))?;
    Ok(entries.iter().any(|entry| entry.name.ends_with(".log")))
}
