//! A file system in memory that knows what a power loss would keep: file bytes up to the last `sync_data`, names up to the last `sync_dir`.
//! `crash` throws the rest away, or keeps a seeded part of it, as a real disk may: any sectors of unsynced writes, any prefix of a
//! directory's unsynced changes (journaling file systems keep those in order). Handles and locks from before a crash are dead (EIO).

mod unsynced;

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use unsynced::{Directory, FileContent, NameChange, SplitMix};

use super::{DirEntry, Disk, DiskFile, OpenMode, eio};

/// The unit a device writes whole: an unsynced write may survive in part, but not in part of a sector.
pub const SECTOR_BYTES: usize = 512;

const ROOT: InodeId = 0;
type InodeId = u64;

#[derive(Clone)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

pub struct MemoryFile {
    state: Arc<Mutex<State>>,
    inode: InodeId,
    generation: u64,
}

pub struct MemoryLock {
    state: Arc<Mutex<State>>,
    inode: InodeId,
    generation: u64,
}

/// What a crash keeps of the unsynced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    KeepSynced,
    /// The synced, and a random part of the rest.
    KeepSome {
        seed: u64,
    },
}

struct State {
    /// Counts crashes; handles remember theirs.
    generation: u64,
    next_inode: InodeId,
    directories: HashMap<InodeId, Directory>,
    files: HashMap<InodeId, FileContent>,
    locked: Vec<InodeId>,
}

impl Default for MemoryDisk {
    fn default() -> MemoryDisk {
        MemoryDisk::new()
    }
}

impl MemoryDisk {
    pub fn new() -> MemoryDisk {
        let mut directories = HashMap::new();
        directories.insert(ROOT, Directory::default());
        let state = State {
            generation: 0,
            next_inode: ROOT + 1,
            directories,
            files: HashMap::new(),
            locked: Vec::new(),
        };
        MemoryDisk {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Power loss.
    pub fn crash(&self, crash: Crash) {
        let mut state = lock(&self.state);
        state.generation += 1;
        state.locked.clear();
        let mut random = match crash {
            Crash::KeepSynced => None,
            Crash::KeepSome { seed } => Some(SplitMix(seed)),
        };
        // Sorted, so that a seed means the same crash every time.
        let mut directory_ids: Vec<InodeId> = state.directories.keys().copied().collect();
        directory_ids.sort_unstable();
        for id in directory_ids {
            state
                .directories
                .get_mut(&id)
                .expect("listed above")
                .crash(random.as_mut());
        }
        let mut file_ids: Vec<InodeId> = state.files.keys().copied().collect();
        file_ids.sort_unstable();
        for id in file_ids {
            state
                .files
                .get_mut(&id)
                .expect("listed above")
                .crash(random.as_mut());
        }
    }

    /// Kill -9: handles and locks die, every byte written stays (the page cache survives the process).
    pub fn kill(&self) {
        let mut state = lock(&self.state);
        state.generation += 1;
        state.locked.clear();
    }

    fn alive(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn new_inode(&mut self) -> InodeId {
        self.next_inode += 1;
        self.next_inode - 1
    }

    fn lookup(&self, path: &Path) -> io::Result<InodeId> {
        let mut inode = ROOT;
        for name in names(path) {
            inode = *self
                .directory(inode)?
                .current
                .get(name?)
                .ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(inode)
    }

    fn directory(&self, inode: InodeId) -> io::Result<&Directory> {
        self.directories
            .get(&inode)
            .ok_or_else(|| io::ErrorKind::NotADirectory.into())
    }

    fn parent<'p>(&mut self, path: &'p Path) -> io::Result<(InodeId, &'p str)> {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or(io::ErrorKind::InvalidInput)?;
        let parent = self.lookup(path.parent().unwrap_or(Path::new("/")))?;
        self.directory(parent)?;
        Ok((parent, name))
    }

    fn set_name(&mut self, directory: InodeId, name: &str, inode: Option<InodeId>) {
        let directory = self
            .directories
            .get_mut(&directory)
            .expect("resolved as a directory by the caller");
        directory.change(NameChange {
            name: name.to_owned(),
            inode,
            also: None,
        });
    }

    fn open(&mut self, path: &Path, create: bool) -> io::Result<InodeId> {
        let (parent, name) = self.parent(path)?;
        if let Some(&inode) = self.directory(parent)?.current.get(name) {
            return if self.files.contains_key(&inode) {
                Ok(inode)
            } else {
                Err(io::ErrorKind::IsADirectory.into())
            };
        }
        if !create {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inode = self.new_inode();
        self.files.insert(inode, FileContent::default());
        self.set_name(parent, name, Some(inode));
        Ok(inode)
    }
}

/// Path components below the root. `..` is refused: no path of ours has one.
fn names(path: &Path) -> impl Iterator<Item = io::Result<&str>> {
    path.components().filter_map(|component| match component {
        Component::RootDir | Component::CurDir => None,
        Component::Normal(name) => Some(
            name.to_str()
                .ok_or_else(|| io::ErrorKind::InvalidInput.into()),
        ),
        Component::ParentDir | Component::Prefix(_) => {
            Some(Err(io::ErrorKind::InvalidInput.into()))
        }
    })
}

impl Disk for MemoryDisk {
    type File = MemoryFile;
    type Lock = MemoryLock;

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<MemoryFile> {
        let mut state = self.alive();
        let inode = state.open(path, mode != OpenMode::Existing)?;
        if mode == OpenMode::Truncate {
            state.files.get_mut(&inode).expect("just opened").set_len(0);
        }
        Ok(MemoryFile {
            state: Arc::clone(&self.state),
            inode,
            generation: state.generation,
        })
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.alive();
        let mut inode = ROOT;
        for name in names(path) {
            let name = name?;
            inode = match state.directory(inode)?.current.get(name) {
                Some(&child) => child,
                None => {
                    let child = state.new_inode();
                    state.directories.insert(child, Directory::default());
                    state.set_name(inode, name, Some(child));
                    child
                }
            };
        }
        state.directory(inode).map(|_| ())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let state = self.alive();
        let directory = state.directory(state.lookup(path)?)?;
        let entry = |(name, inode): (&String, &InodeId)| DirEntry {
            name: name.clone(),
            is_dir: state.directories.contains_key(inode),
            len: state
                .files
                .get(inode)
                .map_or(0, |file| file.current.len() as u64),
        };
        Ok(directory.current.iter().map(entry).collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.alive().lookup(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn modified_ms(&self, path: &Path) -> io::Result<i64> {
        self.alive().lookup(path).map(|_| 0)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.alive();
        let inode = state.lookup(from)?;
        let (from_parent, from_name) = state.parent(from)?;
        let (to_parent, to_name) = state.parent(to)?;
        if from_parent == to_parent && from_name == to_name {
            return Ok(());
        }
        if let Some(target) = state.directory(to_parent)?.current.get(to_name) {
            let both_files = state.files.contains_key(target) && state.files.contains_key(&inode);
            let onto_empty_directory = state
                .directories
                .get(target)
                .is_some_and(|directory| directory.current.is_empty());
            if !both_files && !onto_empty_directory {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
        }
        if from_parent == to_parent {
            let directory = state
                .directories
                .get_mut(&from_parent)
                .expect("resolved above");
            let also = Some((to_name.to_owned(), Some(inode)));
            directory.change(NameChange {
                name: from_name.to_owned(),
                inode: None,
                also,
            });
        } else {
            state.set_name(to_parent, to_name, Some(inode));
            state.set_name(from_parent, from_name, None);
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.alive();
        let inode = state.lookup(path)?;
        if !state.files.contains_key(&inode) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let (parent, name) = state.parent(path)?;
        state.set_name(parent, name, None);
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.alive();
        let inode = state.lookup(path)?;
        state.directory(inode)?;
        let (parent, name) = state.parent(path)?;
        state.set_name(parent, name, None);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.alive();
        let inode = state.lookup(path)?;
        state
            .directories
            .get_mut(&inode)
            .ok_or(io::ErrorKind::NotADirectory)?
            .sync();
        Ok(())
    }

    fn sync_file_system(&self, _path: &Path) -> io::Result<()> {
        let mut state = self.alive();
        state.files.values_mut().for_each(FileContent::sync);
        state.directories.values_mut().for_each(Directory::sync);
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<MemoryLock> {
        let mut state = self.alive();
        let inode = state.open(path, true)?;
        if state.locked.contains(&inode) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.locked.push(inode);
        Ok(MemoryLock {
            state: Arc::clone(&self.state),
            inode,
            generation: state.generation,
        })
    }
}

impl MemoryFile {
    fn with<T>(&self, work: impl FnOnce(&mut FileContent) -> T) -> io::Result<T> {
        let mut state = lock(&self.state);
        if state.generation != self.generation {
            return Err(eio());
        }
        Ok(work(
            state
                .files
                .get_mut(&self.inode)
                .expect("a file outlives its handles"),
        ))
    }
}

impl DiskFile for MemoryFile {
    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        let position = usize::try_from(position).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.with(|file| file.write(bytes, position))
    }

    fn write_all_vectored_at(&self, slices: &mut [IoSlice<'_>], position: u64) -> io::Result<()> {
        let bytes: Vec<u8> = slices
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect();
        self.write_all_at(&bytes, position)
    }

    fn read_at(&self, bytes: &mut [u8], position: u64) -> io::Result<usize> {
        self.with(|file| {
            let start = usize::try_from(position)
                .unwrap_or(usize::MAX)
                .min(file.current.len());
            let count = bytes.len().min(file.current.len() - start);
            bytes[..count].copy_from_slice(&file.current[start..start + count]);
            count
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.with(|file| file.current.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.with(|file| file.set_len(len))
    }

    fn preallocate(&self, _len: u64) -> io::Result<()> {
        self.with(|_| ())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(FileContent::sync)
    }
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if state.generation == self.generation {
            state.locked.retain(|&inode| inode != self.inode);
        }
    }
}

fn lock(state: &Arc<Mutex<State>>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
