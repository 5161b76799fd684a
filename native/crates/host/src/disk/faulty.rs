//! A disk that fails on order: wraps any disk and makes the nth matching operation fail with ENOSPC, EIO, a short write or a failed sync.
//! Invariant: an operation that was not ordered to fail behaves exactly as the disk beneath.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{DirEntry, Disk, DiskFile, OpenMode, eio, enospc};

/// The kinds of operation a fault can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Open,
    Read,
    Write,
    SetLen,
    Sync,
    SyncDir,
    Rename,
    Remove,
    CreateDir,
    List,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No space left on device. Nothing is written.
    NoSpace,
    /// Input/output error. Nothing is written.
    Io,
    /// A write stores its first `bytes` bytes, then there is no space. Other operations fail with NoSpace.
    ShortWrite { bytes: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which operations count; None = all.
    pub operation: Option<Operation>,
    /// How many counted operations succeed first.
    pub after: u64,
    pub failure: Failure,
    /// Fail every counted operation from then on (a full disk), instead of one.
    pub lasting: bool,
}

#[derive(Clone)]
pub struct FaultyDisk<D: Disk> {
    inner: D,
    plan: Arc<Mutex<Plan>>,
}

pub struct FaultyFile<F: DiskFile> {
    inner: F,
    plan: Arc<Mutex<Plan>>,
    sync_failed: AtomicBool,
}

#[derive(Default)]
struct Plan {
    fault: Option<Fault>,
    operations: u64,
    failures: u64,
}

impl<D: Disk> FaultyDisk<D> {
    pub fn new(inner: D) -> FaultyDisk<D> {
        FaultyDisk {
            inner,
            plan: Arc::default(),
        }
    }

    /// Orders a fault, replacing any earlier order.
    pub fn arm(&self, fault: Fault) {
        lock(&self.plan).fault = Some(fault);
    }

    pub fn disarm(&self) {
        lock(&self.plan).fault = None;
    }

    /// Operations seen so far: run once without faults to learn how many there are, then fail each in turn.
    pub fn operations(&self) -> u64 {
        lock(&self.plan).operations
    }

    /// Operations that were made to fail.
    pub fn failures(&self) -> u64 {
        lock(&self.plan).failures
    }

    pub fn inner(&self) -> &D {
        &self.inner
    }
}

impl Plan {
    fn next(&mut self, operation: Operation) -> Option<Failure> {
        self.operations += 1;
        let fault = self.fault.as_mut()?;
        if fault.operation.is_some_and(|wanted| wanted != operation) {
            return None;
        }
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        let failure = fault.failure;
        if !fault.lasting {
            self.fault = None;
        }
        self.failures += 1;
        Some(failure)
    }
}

impl Failure {
    fn error(self) -> io::Error {
        match self {
            Failure::NoSpace | Failure::ShortWrite { .. } => enospc(),
            Failure::Io => eio(),
        }
    }
}

fn lock(plan: &Mutex<Plan>) -> MutexGuard<'_, Plan> {
    plan.lock().unwrap_or_else(PoisonError::into_inner)
}

fn check(plan: &Mutex<Plan>, operation: Operation) -> io::Result<()> {
    match lock(plan).next(operation) {
        None => Ok(()),
        Some(failure) => Err(failure.error()),
    }
}

impl<D: Disk> Disk for FaultyDisk<D> {
    type File = FaultyFile<D::File>;
    type Lock = D::Lock;

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<FaultyFile<D::File>> {
        check(&self.plan, Operation::Open)?;
        let inner = self.inner.open(path, mode)?;
        Ok(FaultyFile {
            inner,
            plan: Arc::clone(&self.plan),
            sync_failed: AtomicBool::new(false),
        })
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        check(&self.plan, Operation::CreateDir)?;
        self.inner.create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        check(&self.plan, Operation::List)?;
        self.inner.list(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.inner.exists(path)
    }

    fn modified_ms(&self, path: &Path) -> io::Result<i64> {
        self.inner.modified_ms(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        check(&self.plan, Operation::Rename)?;
        self.inner.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        check(&self.plan, Operation::Remove)?;
        self.inner.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        check(&self.plan, Operation::Remove)?;
        self.inner.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        check(&self.plan, Operation::SyncDir)?;
        self.inner.sync_dir(path)
    }

    fn sync_file_system(&self, path: &Path) -> io::Result<()> {
        check(&self.plan, Operation::Sync)?;
        self.inner.sync_file_system(path)
    }

    fn lock(&self, path: &Path) -> io::Result<D::Lock> {
        self.inner.lock(path)
    }
}

impl<F: DiskFile> DiskFile for FaultyFile<F> {
    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        let failure = lock(&self.plan).next(Operation::Write);
        match failure {
            None => self.inner.write_all_at(bytes, position),
            Some(failure) => {
                if let Failure::ShortWrite { bytes: written } = failure {
                    self.inner
                        .write_all_at(&bytes[..written.min(bytes.len())], position)?;
                }
                Err(failure.error())
            }
        }
    }

    fn write_all_vectored_at(&self, slices: &mut [IoSlice<'_>], position: u64) -> io::Result<()> {
        let failure = lock(&self.plan).next(Operation::Write);
        match failure {
            None => self.inner.write_all_vectored_at(slices, position),
            Some(failure) => {
                if let Failure::ShortWrite { bytes: written } = failure {
                    let bytes: Vec<u8> = slices
                        .iter()
                        .flat_map(|slice| slice.iter().copied())
                        .take(written)
                        .collect();
                    self.inner.write_all_at(&bytes, position)?;
                }
                Err(failure.error())
            }
        }
    }

    fn read_at(&self, bytes: &mut [u8], position: u64) -> io::Result<usize> {
        check(&self.plan, Operation::Read)?;
        self.inner.read_at(bytes, position)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        check(&self.plan, Operation::SetLen)?;
        self.inner.set_len(len)
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        check(&self.plan, Operation::SetLen)?;
        self.inner.preallocate(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.sync_failed.load(Ordering::Acquire) {
            return Err(eio());
        }
        let result = check(&self.plan, Operation::Sync).and_then(|()| self.inner.sync_data());
        if result.is_err() {
            self.sync_failed.store(true, Ordering::Release);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::MemoryDisk;
    use super::*;

    fn disk_and_file() -> (
        FaultyDisk<MemoryDisk>,
        FaultyFile<super::super::memory::MemoryFile>,
    ) {
        let disk = FaultyDisk::new(MemoryDisk::new());
        let file = disk.open(Path::new("/a"), OpenMode::Create).expect("open");
        (disk, file)
    }

    #[test]
    fn nth_write_fails_once() {
        let (disk, file) = disk_and_file();
        disk.arm(Fault {
            operation: Some(Operation::Write),
            after: 1,
            failure: Failure::NoSpace,
            lasting: false,
        });
        file.write_all_at(b"one", 0).expect("first passes");
        let error = file.write_all_at(b"two", 3).expect_err("second fails");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        file.write_all_at(b"two", 3).expect("third passes");
        assert_eq!(disk.failures(), 1);
    }

    #[test]
    fn short_write_leaves_a_prefix() {
        let (disk, file) = disk_and_file();
        disk.arm(Fault {
            operation: Some(Operation::Write),
            after: 0,
            failure: Failure::ShortWrite { bytes: 4 },
            lasting: true,
        });
        let mut slices = [IoSlice::new(b"abc"), IoSlice::new(b"def")];
        assert!(file.write_all_vectored_at(&mut slices, 0).is_err());
        assert_eq!(
            disk.inner().read_file(Path::new("/a")).expect("read"),
            b"abcd"
        );
    }

    #[test]
    fn failed_sync_is_final_for_the_handle() {
        let (disk, file) = disk_and_file();
        disk.arm(Fault {
            operation: Some(Operation::Sync),
            after: 0,
            failure: Failure::Io,
            lasting: false,
        });
        assert!(file.sync_data().is_err());
        assert!(file.sync_data().is_err());
    }
}
