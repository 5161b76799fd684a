//! Owns reading by offset: from an offset to a range of a segment file, in whole batches. Never copies a batch on the way to a client.
//! A sequential reader costs no index lookup for its start (the end of its last read is remembered) and about one index interval of headers
//! for its end; at the tail of the log not even that.
//! Invariant: a range begins with the batch that holds the asked offset, ends at a batch boundary, and holds no batch at or beyond the upper bound.

use std::io;
use std::sync::Arc;

use millrace_host::disk::{Disk, DiskFile};

use crate::error::ReadError;
use crate::log::Log;

/// Ends of recent reads, or of recent appends, that are remembered.
const POSITIONS_MAX: usize = 16;
/// Handles of closed segments a log keeps open for its readers; beyond it the one used longest ago is let go.
const CLOSED_FILES_MAX: usize = 8;

/// Whole batches in a segment file. The file stays readable although the segment is rolled or deleted meanwhile.
pub struct ReadSlice<D: Disk> {
    pub file: Arc<D::File>,
    pub position: u64,
    pub bytes: u32,
    /// Where the next read goes on.
    pub next_offset_hint: i64,
}

impl<D: Disk> ReadSlice<D> {
    /// Copies the range. `buffer` has room for `bytes`.
    pub fn read_into(&self, buffer: &mut [u8]) -> io::Result<()> {
        self.file
            .read_exact_at(&mut buffer[..self.bytes as usize], self.position)
    }

    pub fn to_vec(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.bytes as usize];
        self.read_into(&mut bytes)?;
        Ok(bytes)
    }
}

impl<D: Disk> Log<D> {
    /// Up to `max_bytes` of whole batches from the one that holds `offset`, all of them wholly below `upper_bound` (high watermark, last stable
    /// offset or log end offset). With `min_one_batch` the first batch is returned even if it is larger. One segment at a time.
    /// None: there is nothing to read (yet), or the first batch is too large.
    pub fn read(
        &mut self,
        offset: i64,
        max_bytes: u32,
        upper_bound: i64,
        min_one_batch: bool,
    ) -> Result<Option<ReadSlice<D>>, ReadError> {
        if offset < self.log_start_offset || offset > self.log_end_offset {
            let (log_start_offset, log_end_offset) = (self.log_start_offset, self.log_end_offset);
            return Err(ReadError::OffsetOutOfRange {
                offset,
                log_start_offset,
                log_end_offset,
            });
        }
        let upper_bound = upper_bound.min(self.log_end_offset);
        if offset >= upper_bound {
            return Ok(None);
        }
        let Some((index, start)) = self.position_of(offset)? else {
            return Ok(None);
        };
        let Some((end, next_offset_hint)) =
            self.range_end(index, start, max_bytes, upper_bound, min_one_batch)?
        else {
            return Ok(None);
        };
        assert!(
            start < end && end <= self.segments[index].size,
            "a range is not empty and lies in its segment"
        );
        let base_offset = self.segments[index].base_offset;
        let file = Arc::clone(self.segments[index].file(&self.files)?);
        self.read_positions
            .insert(next_offset_hint, base_offset, end);
        self.limit_closed_files(index)?;
        Ok(Some(ReadSlice {
            file,
            position: u64::from(start),
            bytes: end - start,
            next_offset_hint,
        }))
    }

    /// The stretch of a segment that `offset` lies in, when it is cut at batch boundaries into stretches of about `span_bytes`: the same
    /// stretch for every offset in it, unless the log grew or was cut meanwhile. None at or behind the log end.
    pub fn read_stretch(
        &mut self,
        offset: i64,
        span_bytes: u32,
    ) -> Result<Option<ReadSlice<D>>, ReadError> {
        let log_end_offset = self.log_end_offset;
        if offset < self.log_start_offset || offset >= log_end_offset {
            return self.read(offset, span_bytes, log_end_offset, true);
        }
        let Some((index, position)) = self.position_of(offset)? else {
            return Ok(None);
        };
        let aligned = position / span_bytes * span_bytes;
        let segment = &mut self.segments[index];
        let (start, _) = segment.last_boundary(&self.files, &self.config, 0, aligned)?;
        let limit = aligned.saturating_add(span_bytes);
        let (mut end, next_offset) = if limit >= segment.size {
            (segment.size, None)
        } else {
            segment.last_boundary(&self.files, &self.config, start, limit)?
        };
        let mut next_offset_hint = next_offset.unwrap_or(log_end_offset);
        if end <= position {
            // The batch that holds the offset crosses the limit: it is the last of its stretch.
            let mut holder = None;
            segment.scan(&self.files, position, |located| {
                holder = Some(*located);
                false
            })?;
            let holder = holder.expect("a position below the end begins a batch");
            (end, next_offset_hint) = (holder.end(), holder.header.next_offset());
        }
        let file = Arc::clone(self.segments[index].file(&self.files)?);
        self.limit_closed_files(index)?;
        Ok(Some(ReadSlice {
            file,
            position: u64::from(start),
            bytes: end - start,
            next_offset_hint,
        }))
    }

    /// The segment and position of the first batch that ends at or behind `offset`. None when no batch does.
    pub(crate) fn position_of(&mut self, offset: i64) -> Result<Option<(usize, u32)>, ReadError> {
        let first = self
            .segments
            .partition_point(|segment| segment.base_offset <= offset)
            .saturating_sub(1);
        for index in first..self.segments.len() {
            let segment = &mut self.segments[index];
            if segment.size == 0 {
                continue;
            }
            if offset <= segment.base_offset {
                return Ok(Some((index, 0)));
            }
            let base_offset = segment.base_offset;
            let known = self
                .read_positions
                .get(offset, base_offset)
                .or_else(|| self.append_positions.get(offset, base_offset));
            if let Some(position) = known.filter(|&position| position < segment.size) {
                return Ok(Some((index, position)));
            }
            if let Some(located) = segment.locate(&self.files, &self.config, offset)? {
                return Ok(Some((index, located.position)));
            }
            // Compaction removed the end of this segment: go on with the next.
        }
        Ok(None)
    }

    /// Where a range from `start` ends, and the offset behind it.
    fn range_end(
        &mut self,
        index: usize,
        start: u32,
        max_bytes: u32,
        upper_bound: i64,
        min_one_batch: bool,
    ) -> Result<Option<(u32, i64)>, ReadError> {
        let segment_end_offset = self
            .segments
            .get(index + 1)
            .map_or(self.log_end_offset, |next| next.base_offset);
        // The end that the upper bound sets.
        let (bound, bound_offset) = if upper_bound >= segment_end_offset {
            (self.segments[index].size, segment_end_offset)
        } else {
            self.boundary_at(index, upper_bound)?
        };
        if bound <= start {
            return Ok(None);
        }
        if bound - start <= max_bytes {
            return Ok(Some((bound, bound_offset)));
        }
        let segment = &mut self.segments[index];
        match segment.last_boundary(&self.files, &self.config, start, start + max_bytes)? {
            (end, Some(next_offset)) if end > start => Ok(Some((end, next_offset))),
            _ if !min_one_batch => Ok(None),
            _ => {
                let mut first = None;
                segment.scan(&self.files, start, |located| {
                    first = Some(*located);
                    false
                })?;
                let first = first.expect("a position below the bound begins a batch");
                Ok(Some((first.end(), first.header.next_offset())))
            }
        }
    }

    /// The position in segment `index` where the batches wholly below `offset` end, and the offset that follows them.
    fn boundary_at(&mut self, index: usize, offset: i64) -> Result<(u32, i64), ReadError> {
        let segment = &mut self.segments[index];
        let (base_offset, size) = (segment.base_offset, segment.size);
        let known = self
            .append_positions
            .get(offset, base_offset)
            .or_else(|| self.read_positions.get(offset, base_offset));
        if let Some(position) = known {
            return Ok((position, offset));
        }
        let located = segment.locate(&self.files, &self.config, offset)?;
        let position = located.map_or(size, |located| located.position);
        let end_offset = located.map_or(offset, |located| located.header.base_offset.min(offset));
        if end_offset == offset {
            // The next reader will most likely be bounded by the same offset.
            self.append_positions.insert(offset, base_offset, position);
        }
        Ok((position, end_offset))
    }

    fn limit_closed_files(&mut self, used: usize) -> Result<(), ReadError> {
        let closed = self.segments.len() - 1;
        if used == closed || closed <= CLOSED_FILES_MAX {
            return Ok(());
        }
        let open: Vec<usize> = (0..closed)
            .filter(|&index| self.segments[index].open_file().is_some())
            .collect();
        if open.len() > CLOSED_FILES_MAX {
            // Readers move forward, so the oldest segment is the one least likely to be read again.
            let idlest = open
                .into_iter()
                .find(|&index| index != used)
                .expect("more than one file is open");
            self.segments[idlest].release(&self.files)?;
        }
        Ok(())
    }
}

/// The last few (offset, position) pairs that were batch boundaries. Round robin.
#[derive(Default)]
pub(crate) struct PositionRing {
    entries: Vec<Boundary>,
    next: usize,
}

#[derive(Clone, Copy)]
struct Boundary {
    /// The batch at the position begins at this offset or behind it, and the one before ends below it.
    offset: i64,
    segment_base_offset: i64,
    position: u32,
}

impl PositionRing {
    pub(crate) fn insert(&mut self, offset: i64, segment_base_offset: i64, position: u32) {
        let boundary = Boundary {
            offset,
            segment_base_offset,
            position,
        };
        if self.get(offset, segment_base_offset).is_some() {
            return;
        }
        if self.entries.len() < POSITIONS_MAX {
            self.entries.push(boundary);
        } else {
            self.entries[self.next] = boundary;
            self.next = (self.next + 1) % POSITIONS_MAX;
        }
    }

    pub(crate) fn get(&self, offset: i64, segment_base_offset: i64) -> Option<u32> {
        let is_same = |entry: &&Boundary| {
            entry.offset == offset && entry.segment_base_offset == segment_base_offset
        };
        self.entries
            .iter()
            .find(is_same)
            .map(|entry| entry.position)
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.next = 0;
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
