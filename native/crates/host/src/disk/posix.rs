//! Owns the real file system: positional I/O through rustix. Short writes are continued, interrupted calls repeated.

use std::fs;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FallocateFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::{DirEntry, Disk, DiskFile, OpenMode, eio};

/// The kernel's limit on slices in one vectored write (UIO_MAXIOV).
const WRITE_SLICES_MAX: usize = 1024;

#[derive(Clone, Copy, Debug, Default)]
pub struct PosixDisk;

#[derive(Debug)]
pub struct PosixFile {
    file: OwnedFd,
    sync_failed: AtomicBool,
}

/// An flock and an fcntl lock on one file: the first keeps out other holders in this process, the second a JVM (Java locks by fcntl).
#[derive(Debug)]
pub struct PosixLock {
    _file: OwnedFd,
}

impl Disk for PosixDisk {
    type File = PosixFile;
    type Lock = PosixLock;

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<PosixFile> {
        let flags = OFlags::RDWR
            | OFlags::CLOEXEC
            | match mode {
                OpenMode::Existing => OFlags::empty(),
                OpenMode::Create => OFlags::CREATE,
                OpenMode::Truncate => OFlags::CREATE | OFlags::TRUNC,
            };
        let file = retry_interrupted(|| rustix::fs::open(path, flags, Mode::from_raw_mode(0o644)))?;
        Ok(PosixFile {
            file,
            sync_failed: AtomicBool::new(false),
        })
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            match fs::metadata(entry.path()) {
                Ok(metadata) if metadata.is_dir() => entries.push(DirEntry {
                    name,
                    is_dir: true,
                    len: 0,
                }),
                Ok(metadata) => entries.push(DirEntry {
                    name,
                    is_dir: false,
                    len: metadata.len(),
                }),
                // Removed between the listing and the look, or a dangling link.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        fs::exists(path)
    }

    fn modified_ms(&self, path: &Path) -> io::Result<i64> {
        let modified = fs::metadata(path)?.modified()?;
        Ok(match modified.duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(_) => 0,
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = retry_interrupted(|| rustix::fs::open(path, flags, Mode::empty()))?;
        retry_interrupted(|| rustix::fs::fsync(&dir))
    }

    fn sync_file_system(&self, path: &Path) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = retry_interrupted(|| rustix::fs::open(path, flags, Mode::empty()))?;
        retry_interrupted(|| rustix::fs::syncfs(&dir))
    }

    fn lock(&self, path: &Path) -> io::Result<PosixLock> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let file = retry_interrupted(|| rustix::fs::open(path, flags, Mode::from_raw_mode(0o644)))?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(PosixLock { _file: file }),
            // POSIX allows either errno for "someone has it".
            Err(Errno::ACCESS | Errno::AGAIN) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => Err(error.into()),
        }
    }
}

impl DiskFile for PosixFile {
    fn write_all_at(&self, mut bytes: &[u8], mut position: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = retry_interrupted(|| rustix::io::pwrite(&self.file, bytes, position))?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = &bytes[written..];
            position += written as u64;
        }
        Ok(())
    }

    fn write_all_vectored_at(
        &self,
        mut slices: &mut [IoSlice<'_>],
        mut position: u64,
    ) -> io::Result<()> {
        // Drops leading empty slices, so that 0 written can only mean the kernel refused.
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            let now = &slices[..slices.len().min(WRITE_SLICES_MAX)];
            let written = retry_interrupted(|| rustix::io::pwritev(&self.file, now, position))?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            IoSlice::advance_slices(&mut slices, written);
            position += written as u64;
        }
        Ok(())
    }

    fn read_at(&self, bytes: &mut [u8], position: u64) -> io::Result<usize> {
        retry_interrupted(|| rustix::io::pread(&self.file, &mut *bytes, position))
    }

    fn len(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstat(&self.file)?;
        Ok(u64::try_from(stat.st_size).expect("a file length is never negative"))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        retry_interrupted(|| rustix::fs::ftruncate(&self.file, len))
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        match retry_interrupted(|| {
            rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, len)
        }) {
            // A file system without fallocate loses the speed, not the file.
            Err(error) if error.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error()) => Ok(()),
            result => result,
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.sync_failed.load(Ordering::Acquire) {
            return Err(eio());
        }
        let result = retry_interrupted(|| rustix::fs::fdatasync(&self.file));
        if result.is_err() {
            self.sync_failed.store(true, Ordering::Release);
        }
        result
    }
}

impl AsFd for PosixFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn retry_interrupted<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result.map_err(io::Error::from),
        }
    }
}

#[cfg(test)]
#[path = "posix_tests.rs"]
mod tests;
