//! Owns the real file system for logs whose files this process also maps into memory, and the maps themselves.
//! Invariant: bytes that may be mapped stay: a file is never cut below what a living map of it shows, nor below what it held when this process
//! opened it (zeros apart), since an earlier owner may still map that. It is replaced instead by a new file with the bytes that remain, under
//! the same name, and the map keeps the old file. So no map ever meets a missing page (SIGBUS).
//! Whoever maps must keep other programs from cutting the files: the log's lock does.

#![allow(
    unsafe_code,
    reason = "a map is only as sound as its file is left alone"
)]

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use memmap2::{Mmap, MmapOptions};

use super::posix::{PosixDisk, PosixFile, PosixLock};
use super::{DirEntry, Disk, DiskFile, OpenMode};

/// Bytes copied at a time into the file that replaces a cut one.
const COPY_BYTES: usize = 1024 * 1024;

/// Maps of one file, by name: two handles of a file share it.
#[derive(Debug, Default)]
struct Maps {
    living: AtomicUsize,
    /// End of the furthest map since there last was none.
    end: AtomicU64,
    /// How long the file was when this process first opened it, as far as that part has not been cut off since.
    found_bytes: AtomicU64,
}

impl Maps {
    fn reach_beyond(&self, len: u64) -> bool {
        self.living.load(Ordering::Acquire) > 0 && self.end.load(Ordering::Acquire) > len
    }
}

#[derive(Clone, Debug, Default)]
pub struct MappableDisk {
    maps: Arc<Mutex<HashMap<PathBuf, Arc<Maps>>>>,
}

#[derive(Debug)]
pub struct MappableFile {
    disk: MappableDisk,
    path: PathBuf,
    current: RwLock<Current>,
}

#[derive(Clone, Debug)]
struct Current {
    file: Arc<PosixFile>,
    maps: Arc<Maps>,
}

/// Bytes of a file in memory. They stay what they were, whatever becomes of the file.
#[derive(Debug)]
pub struct Mapping {
    map: Mmap,
    maps: Arc<Maps>,
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.maps.living.fetch_sub(1, Ordering::AcqRel);
    }
}

impl MappableDisk {
    fn lock_maps(&self) -> MutexGuard<'_, HashMap<PathBuf, Arc<Maps>>> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for MappableDisk {
    type File = MappableFile;
    type Lock = PosixLock;

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<MappableFile> {
        let mut all = self.lock_maps();
        if mode == OpenMode::Truncate {
            // A new file: the old one may be mapped.
            match PosixDisk.remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => all.remove(path),
            };
        }
        let file = Arc::new(PosixDisk.open(path, mode)?);
        let maps = match all.get(path) {
            Some(maps) => Arc::clone(maps),
            None => {
                let maps = Arc::new(Maps {
                    found_bytes: AtomicU64::new(file.len()?),
                    ..Maps::default()
                });
                all.insert(path.to_path_buf(), Arc::clone(&maps));
                maps
            }
        };
        Ok(MappableFile {
            disk: self.clone(),
            path: path.to_path_buf(),
            current: RwLock::new(Current { file, maps }),
        })
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        PosixDisk.create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        PosixDisk.list(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        PosixDisk.exists(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut all = self.lock_maps();
        PosixDisk.rename(from, to)?;
        if let Some(maps) = all.remove(from) {
            all.insert(to.to_path_buf(), maps);
        } else {
            all.remove(to);
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut all = self.lock_maps();
        PosixDisk.remove_file(path)?;
        all.remove(path);
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut all = self.lock_maps();
        PosixDisk.remove_dir_all(path)?;
        all.retain(|mapped, _| !mapped.starts_with(path));
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        PosixDisk.sync_dir(path)
    }

    fn modified_ms(&self, path: &Path) -> io::Result<i64> {
        PosixDisk.modified_ms(path)
    }

    fn sync_file_system(&self, path: &Path) -> io::Result<()> {
        PosixDisk.sync_file_system(path)
    }

    fn lock(&self, path: &Path) -> io::Result<PosixLock> {
        PosixDisk.lock(path)
    }
}

impl MappableFile {
    fn current(&self) -> Current {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn file(&self) -> Arc<PosixFile> {
        self.current().file
    }

    /// Maps `bytes` bytes from `position` on, for reading. They must be in the file, and whoever asks must know that they will not be
    /// overwritten: a log's published batches never are.
    pub fn map(&self, position: u64, bytes: usize) -> io::Result<Mapping> {
        // Held until the map counts: a cut that comes now sees it.
        let _cuts = self.disk.lock_maps();
        let Current { file, maps } = self.current();
        let end = position + bytes as u64;
        if bytes == 0 || end > file.len()? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // SAFETY: the file reaches beyond `end`, and is not cut below it while the map lives (`set_len`); its published bytes do not change.
        let map = unsafe {
            MmapOptions::new()
                .offset(position)
                .len(bytes)
                .map(file.as_fd().as_raw_fd())?
        };
        if maps.living.fetch_add(1, Ordering::AcqRel) == 0 {
            maps.end.store(end, Ordering::Release);
        } else {
            maps.end.fetch_max(end, Ordering::AcqRel);
        }
        Ok(Mapping { map, maps })
    }

    /// Puts a new file with the first `len` bytes in the place of this one, durably.
    fn replace_with_prefix(&self, old: &PosixFile, len: u64) -> io::Result<Current> {
        let mut name = self
            .path
            .file_name()
            .ok_or(io::ErrorKind::InvalidInput)?
            .to_owned();
        name.push(".cut.tmp");
        let temporary = self.path.with_file_name(name);
        let replaced = copy_prefix(old, &temporary, len).and_then(|file| {
            PosixDisk.rename(&temporary, &self.path)?;
            PosixDisk.sync_dir(self.path.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
            Ok(file)
        });
        if replaced.is_err() {
            // Left over, it is removed at the next open.
            let _ = PosixDisk.remove_file(&temporary);
        }
        Ok(Current {
            file: Arc::new(replaced?),
            maps: Arc::default(),
        })
    }
}

/// Whether nothing but zeros follows: preallocated room holds no batch, so nobody looks at it.
fn is_zero_from(file: &PosixFile, mut position: u64) -> io::Result<bool> {
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        let read = file.read_at(&mut buffer, position)?;
        if read == 0 {
            return Ok(true);
        }
        if buffer[..read].iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
        position += read as u64;
    }
}

fn copy_prefix(old: &PosixFile, to: &Path, len: u64) -> io::Result<PosixFile> {
    let file = PosixDisk.open(to, OpenMode::Truncate)?;
    let mut buffer = vec![0; COPY_BYTES];
    let mut position = 0;
    while position < len {
        let bytes = usize::try_from(len - position)
            .unwrap_or(COPY_BYTES)
            .min(COPY_BYTES);
        old.read_exact_at(&mut buffer[..bytes], position)?;
        file.write_all_at(&buffer[..bytes], position)?;
        position += bytes as u64;
    }
    file.sync_data()?;
    Ok(file)
}

impl DiskFile for MappableFile {
    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.file().write_all_at(bytes, position)
    }

    fn write_all_vectored_at(&self, slices: &mut [IoSlice<'_>], position: u64) -> io::Result<()> {
        self.file().write_all_vectored_at(slices, position)
    }

    fn read_at(&self, bytes: &mut [u8], position: u64) -> io::Result<usize> {
        self.file().read_at(bytes, position)
    }

    fn len(&self) -> io::Result<u64> {
        self.file().len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut all = self.disk.lock_maps();
        let Current { file, maps } = self.current();
        let was_there = len < maps.found_bytes.load(Ordering::Acquire);
        let may_be_mapped = maps.reach_beyond(len) || (was_there && !is_zero_from(&file, len)?);
        if !may_be_mapped {
            file.set_len(len)?;
            maps.found_bytes.fetch_min(len, Ordering::AcqRel);
            return Ok(());
        }
        let replacement = self.replace_with_prefix(&file, len)?;
        all.insert(self.path.clone(), Arc::clone(&replacement.maps));
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = replacement;
        Ok(())
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        self.file().preallocate(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file().sync_data()
    }
}

#[cfg(test)]
#[path = "mappable_tests.rs"]
mod tests;
