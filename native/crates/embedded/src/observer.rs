//! Owns reading a log that no writer in this process has open: another process may be writing it, or nobody. Takes no lock, maps nothing and
//! writes nothing. Invariant: what it shows was checked, header and checksum, from a file that then had these bytes; what is torn, preallocated
//! or not yet whole is the end.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, Weak};

use millrace_host::disk::posix::{PosixDisk, PosixFile};
use millrace_host::disk::{Disk, DiskFile, OpenMode};
use millrace_record::{BatchHeader, HEADER_BYTES, verify_crc};

use crate::checkpoint::Checkpoint;
use crate::error::StoreError;
use crate::progress::{Progress, Watcher};
use crate::store::lock;
use crate::stretch::{Stretch, StretchBytes};

const LOG_SUFFIX: &str = ".log";
/// Bytes read at a time while batches are checked.
const WINDOW_BYTES: usize = 1024 * 1024;
/// One entry of the table in this many bytes: what a read walks at most to find its batch.
const ENTRY_BYTES: u64 = 64 * 1024;

pub struct Observer {
    dir: PathBuf,
    state: Mutex<State>,
    watcher: Weak<Watcher>,
}

#[derive(Default)]
struct State {
    segments: Vec<Segment>,
    progress: Progress,
}

struct Segment {
    base_offset: i64,
    file: PosixFile,
    /// Bytes of whole, checked batches from the beginning.
    checked: u64,
    next_offset: i64,
    /// Base offset and position of some batches, ascending.
    table: Vec<(i64, u64)>,
    /// The header that was checked last, and where it lies: another one there means that the log was cut.
    last: Option<(u64, [u8; HEADER_BYTES])>,
}

impl Observer {
    /// Fails with NOT_FOUND when there is no log in the directory.
    pub fn open(dir: &Path, watcher: Weak<Watcher>) -> Result<Observer, StoreError> {
        let observer = Observer {
            dir: dir.to_path_buf(),
            state: Mutex::default(),
            watcher,
        };
        if list(dir)?.is_empty() {
            return Err(StoreError::new(
                "NOT_FOUND",
                format!("there is no log in {}", dir.display()),
            ));
        }
        observer.observe()?;
        Ok(observer)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Looks at the directory again, and shows what is there now.
    pub fn observe(&self) -> Result<(), StoreError> {
        let mut state = self.state();
        state.look(&self.dir)?;
        if let Some(watcher) = self.watcher.upgrade() {
            watcher.show(&state.progress);
            watcher.wake_if_wanted();
        }
        Ok(())
    }

    /// Whole batches from the one that holds `offset` on, about `max_bytes` of them, at least one. None at the end.
    pub fn read(&self, offset: i64, max_bytes: u32) -> Result<Option<Stretch>, StoreError> {
        let mut state = self.state();
        if offset >= state.progress.written_offset {
            return Ok(None);
        }
        if offset < state.progress.log_start_offset {
            return Err(StoreError::new(
                "OFFSET_OUT_OF_RANGE",
                format!("offset {offset} is deleted"),
            ));
        }
        let first = state
            .segments
            .partition_point(|segment| segment.base_offset <= offset)
            .saturating_sub(1);
        for index in first..state.segments.len() {
            let segment = &mut state.segments[index];
            segment.check_to_the_end(&self.dir)?;
            if let Some(bytes) = segment.batches_from(offset, max_bytes as usize, &self.dir)? {
                // Checked again: these bytes were read again.
                return Stretch::check(StretchBytes::Copied(bytes), true).map(Some);
            }
        }
        Ok(None)
    }
}

impl State {
    fn look(&mut self, dir: &Path) -> Result<(), StoreError> {
        let found = list(dir)?;
        let mut is_cut = false;
        self.segments.retain_mut(|segment| {
            let stays = found.contains(&segment.base_offset) && segment.is_as_it_was(dir);
            is_cut |= !stays;
            stays
        });
        for base_offset in found {
            let is_known = self
                .segments
                .iter()
                .any(|segment| segment.base_offset == base_offset);
            if !is_known && let Some(segment) = Segment::open(dir, base_offset)? {
                self.segments.push(segment);
            }
        }
        self.segments
            .sort_unstable_by_key(|segment| segment.base_offset);
        let mut written_offset = 0;
        if let Some(last) = self.segments.last_mut() {
            last.check_to_the_end(dir)?;
            written_offset = last.next_offset;
        }
        let first = self
            .segments
            .first()
            .map_or(0, |segment| segment.base_offset);
        let kept = Checkpoint::read(&PosixDisk, dir)?.map_or(0, |found| found.log_start_offset);
        let progress = &mut self.progress;
        progress.log_start_offset = first.max(kept).min(written_offset);
        progress.written_offset = written_offset;
        progress.synced_offset = progress.log_start_offset;
        if is_cut {
            progress.generation = progress.generation.wrapping_add(1);
        }
        Ok(())
    }
}

impl Segment {
    /// None when it has gone meanwhile.
    fn open(dir: &Path, base_offset: i64) -> Result<Option<Segment>, StoreError> {
        let path = path_of(dir, base_offset);
        match PosixDisk.open(&path, OpenMode::Existing) {
            Ok(file) => Ok(Some(Segment {
                base_offset,
                file,
                checked: 0,
                next_offset: base_offset,
                table: Vec::new(),
                last: None,
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("open", &path, &error)),
        }
    }

    /// Whether the name still leads to a file with what was checked. The file is opened anew: a cut may have replaced it.
    fn is_as_it_was(&mut self, dir: &Path) -> bool {
        let Ok(Some(now)) = Segment::open(dir, self.base_offset) else {
            return false;
        };
        let is_same = match &self.last {
            None => true,
            Some((position, header)) => {
                let mut found = [0; HEADER_BYTES];
                now.file.read_exact_at(&mut found, *position).is_ok()
                    && found == *header
                    && now.file.len().is_ok_and(|len| len >= self.checked)
            }
        };
        self.file = now.file;
        is_same
    }

    /// Checks the batches behind what is checked already, as far as they are whole.
    fn check_to_the_end(&mut self, dir: &Path) -> Result<(), StoreError> {
        let path = path_of(dir, self.base_offset);
        let mut window = Vec::new();
        loop {
            let wanted = window.len().max(WINDOW_BYTES);
            window.resize(wanted, 0);
            let read = self
                .file
                .read_up_to_at(&mut window, self.checked)
                .map_err(|error| StoreError::io("read", &path, &error))?;
            let used = self.check(&window[..read]);
            if used > 0 {
                window.clear();
                continue;
            }
            // Nothing whole in the window: the batch is larger than it, or this is the end.
            match BatchHeader::parse(&window[..read]) {
                Ok(header) if read == wanted && header.size_bytes() > wanted => {
                    window.resize(header.size_bytes(), 0);
                }
                Ok(_) | Err(_) => return Ok(()),
            }
        }
    }

    /// Takes whole, right batches from the front of `bytes`; returns how many bytes they have.
    fn check(&mut self, bytes: &[u8]) -> usize {
        let mut used = 0;
        while let Ok(header) = BatchHeader::parse(&bytes[used..]) {
            let end = used + header.size_bytes();
            let follows = header.base_offset >= self.next_offset && header.last_offset_delta >= 0;
            if end > bytes.len() || !follows || !verify_crc(&bytes[used..end]) {
                break;
            }
            let position = self.checked;
            let is_far = self
                .table
                .last()
                .is_none_or(|&(_, last)| position - last >= ENTRY_BYTES);
            if is_far {
                self.table.push((header.base_offset, position));
            }
            let mut kept = [0; HEADER_BYTES];
            kept.copy_from_slice(&bytes[used..used + HEADER_BYTES]);
            self.last = Some((position, kept));
            self.next_offset = header.next_offset();
            self.checked += header.size_bytes() as u64;
            used = end;
        }
        used
    }

    /// The bytes of batches from the one that holds `offset` on; None when all end before it.
    fn batches_from(
        &self,
        offset: i64,
        max_bytes: usize,
        dir: &Path,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        if offset >= self.next_offset || self.table.is_empty() {
            return Ok(None);
        }
        let read = |bytes: &mut [u8], position: u64| {
            self.file
                .read_exact_at(bytes, position)
                .map_err(|error| StoreError::io("read", &path_of(dir, self.base_offset), &error))
        };
        let entry = self
            .table
            .partition_point(|&(base_offset, _)| base_offset <= offset)
            .saturating_sub(1);
        let mut position = self.table[entry].1;
        let mut start = None;
        let mut header = [0; HEADER_BYTES];
        while position < self.checked {
            read(&mut header, position)?;
            let batch = BatchHeader::parse(&header)
                .map_err(|error| StoreError::new("CORRUPT", error.to_string()))?;
            let end = position + batch.size_bytes() as u64;
            match start {
                None if batch.next_offset() > offset => start = Some(position),
                Some(start) if end - start > max_bytes as u64 => break,
                None | Some(_) => {}
            }
            position = end;
        }
        let Some(start) = start else { return Ok(None) };
        let mut bytes = vec![0; usize::try_from(position - start).expect("less than a segment")];
        read(&mut bytes, start)?;
        Ok(Some(bytes))
    }
}

fn path_of(dir: &Path, base_offset: i64) -> PathBuf {
    dir.join(format!("{base_offset:020}{LOG_SUFFIX}"))
}

/// Base offsets of the segments, in no order. A directory that is not there has none.
fn list(dir: &Path) -> Result<Vec<i64>, StoreError> {
    match PosixDisk.list(dir) {
        Ok(entries) => Ok(entries
            .iter()
            .filter_map(|entry| entry.name.strip_suffix(LOG_SUFFIX)?.parse().ok())
            .filter(|&offset| offset >= 0)
            .collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(StoreError::io("list", dir, &error)),
    }
}
