//! The file system as the log needs it: positional reads and writes on shared handles, directories, one advisory lock.
//!
//! Owns      the trait `Disk` and its forms: `posix` (the real one), `mappable` (the real one for files that are also mapped),
//!           `memory` (knows what a power loss would keep), `faulty` (fails on order).
//! Never     retries a failed sync: after one failure a handle's `sync_data` fails for good, because the kernel has marked the lost pages clean.

pub mod faulty;
pub mod mappable;
pub mod memory;
pub mod posix;

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How to open a file. All handles read and write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It must exist.
    Existing,
    /// Create it if missing, keep its contents if not.
    Create,
    /// Create it, or empty it.
    Truncate,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    pub name: String,
    pub is_dir: bool,
    /// Length of a file; 0 for a directory.
    pub len: u64,
}

/// A file system. Clones are the same file system.
pub trait Disk: Clone + Send + Sync + 'static {
    type File: DiskFile;
    /// Held as long as the lock is wanted.
    type Lock: Send + Sync + 'static;

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Self::File>;
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Entries of a directory, in no particular order. Names that are not UTF-8 are left out: nothing of ours has such a name.
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// When the file was last written, in milliseconds since 1970. A memory disk knows no time: 0.
    fn modified_ms(&self, path: &Path) -> io::Result<i64>;
    /// Replaces `to` if it exists.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in the directory survive power loss.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes everything that was written to the file system of `path` before, by whomever, survive power loss.
    fn sync_file_system(&self, path: &Path) -> io::Result<()>;
    /// Takes an exclusive lock on the file, creating it. `WouldBlock` when another process, or another holder in this one, has it.
    fn lock(&self, path: &Path) -> io::Result<Self::Lock>;

    /// The whole file. For small ones.
    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open(path, OpenMode::Existing)?;
        let mut bytes =
            vec![0; usize::try_from(file.len()?).map_err(|_| io::ErrorKind::FileTooLarge)?];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }
}

/// An open file, shared by reference: every operation names its position.
pub trait DiskFile: Send + Sync + Sized + 'static {
    /// Writes all of it, however many calls that takes. On an error some prefix may have been written: the caller truncates.
    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()>;
    /// The same for several slices, in one call as long as the kernel takes them at once. The slices are consumed (advanced over).
    fn write_all_vectored_at(&self, slices: &mut [IoSlice<'_>], position: u64) -> io::Result<()>;
    /// Reads up to `bytes.len()` bytes; 0 at the end of the file.
    fn read_at(&self, bytes: &mut [u8], position: u64) -> io::Result<usize>;
    fn len(&self) -> io::Result<u64>;
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts the file, or extends it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Reserves space for `len` bytes without changing the length.
    fn preallocate(&self, len: u64) -> io::Result<()>;
    /// fdatasync. Once it has failed it fails for ever on this handle.
    fn sync_data(&self) -> io::Result<()>;

    /// Fills `bytes` or fails with `UnexpectedEof`.
    fn read_exact_at(&self, mut bytes: &mut [u8], mut position: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let read = self.read_at(bytes, position)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bytes = &mut bytes[read..];
            position += read as u64;
        }
        Ok(())
    }

    /// Reads until `bytes` is full or the file ends; returns how much.
    fn read_up_to_at(&self, bytes: &mut [u8], position: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.read_at(&mut bytes[filled..], position + filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(filled)
    }
}

/// Input/output error, as the kernel says it.
pub fn eio() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())
}

/// No space left on device, as the kernel says it.
pub fn enospc() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error())
}

/// Full disk or quota: whoever frees some can go on.
pub fn is_out_of_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// Replaces a small file whole: written beside as `<name>.<number>.tmp`, synced, renamed over. After a crash the path holds the old content
/// or the new, never a mixture. The rename itself is durable once the caller has synced the directory. Two threads that replace the same
/// file do not disturb each other; the later rename wins.
pub fn replace_file<D: Disk>(disk: &D, path: &Path, bytes: &[u8]) -> io::Result<()> {
    static REPLACEMENTS: AtomicU64 = AtomicU64::new(0);
    let number = REPLACEMENTS.fetch_add(1, Ordering::Relaxed);
    let mut name = path
        .file_name()
        .ok_or(io::ErrorKind::InvalidInput)?
        .to_owned();
    name.push(format!(".{number}.tmp"));
    let temporary: PathBuf = path.with_file_name(name);
    let replaced = write_and_rename(disk, &temporary, path, bytes);
    if replaced.is_err() {
        // A leftover costs space and is removed at the next start.
        let _ = disk.remove_file(&temporary);
    }
    replaced
}

fn write_and_rename<D: Disk>(
    disk: &D,
    temporary: &Path,
    path: &Path,
    bytes: &[u8],
) -> io::Result<()> {
    let file = disk.open(temporary, OpenMode::Truncate)?;
    file.write_all_at(bytes, 0)?;
    file.sync_data()?;
    drop(file);
    disk.rename(temporary, path)
}

/// `replace_file`, and the directory synced: durable when it returns.
pub fn replace_file_durably<D: Disk>(disk: &D, path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_file(disk, path, bytes)?;
    disk.sync_dir(path.parent().ok_or(io::ErrorKind::InvalidInput)?)
}
