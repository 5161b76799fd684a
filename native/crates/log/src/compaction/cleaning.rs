//! Owns one cleaning of one log, beside the log: the newest offsets of the dirty part are gathered, then group after group of segments is
//! written anew. Never touches a live file: what it made goes live through `Log::replace_segments`.
//! Invariant: groups are cleaned in order. A tombstone is dropped with or after everything it stands for, whenever a crash comes.

use std::collections::{HashMap, VecDeque};

use millrace_host::disk::Disk;
use millrace_record::{BatchError, BatchHeader, records};

use super::cleaning_output::CleaningOutput;
use super::key_map::KeyMap;
use super::plan::{Dirtiness, SourceSizes, group};
use super::retention_rules::{ProducerTail, Retained, RetentionRules};
use super::segment_source::{ReadBuffer, SegmentSource};
use super::swap::Replacement;
use super::transactions::{Standing, TransactionWalk, control_type};
use super::{CompactionError, CompactionStats, Pace, Source};
use crate::config::LogConfig;
use crate::error::{Attempt, ReadError};
use crate::log::Log;
use crate::names::{CLEANED_SUFFIX, INDEX_SUFFIX, TIME_INDEX_SUFFIX, segment_path};
use crate::segment_files::SegmentFiles;
use crate::txn_index::AbortedTransaction;

/// What one cleaning may use.
#[derive(Clone, Copy, Debug)]
pub struct CompactionLimits {
    /// `log.cleaner.dedupe.buffer.size`, one thread's share: memory for the newest offsets.
    pub dedupe_buffer_bytes: usize,
    /// `log.cleaner.io.buffer.load.factor`
    pub load_factor: f64,
    /// `log.cleaner.io.buffer.size`, one thread's share of each direction. A larger batch makes the buffer grow for its sake.
    pub io_buffer_bytes: usize,
    /// Unknown to clients.
    pub hash_seed: u64,
}

/// How a cleaning ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cleaned {
    /// For the cleaner-offset-checkpoint: everything below is clean. Below the first uncleanable offset when the key map was full.
    pub first_dirty_offset: i64,
    pub stats: CompactionStats,
}

pub struct Compaction<D: Disk> {
    files: SegmentFiles<D>,
    config: LogConfig,
    /// The segments below the first uncleanable offset.
    sources: Vec<Source>,
    first_dirty_offset: i64,
    first_uncleanable_offset: i64,
    truncations: u64,
    aborted: Vec<AbortedTransaction>,
    producers: HashMap<i64, ProducerTail>,
    now_ms: i64,
    limits: CompactionLimits,
    stats: CompactionStats,
    buffer: ReadBuffer,
    indexed: Option<Indexed>,
}

/// Once the newest offsets are known.
struct Indexed {
    map: KeyMap,
    groups: VecDeque<Vec<Source>>,
    /// Everything below has been indexed.
    end_offset: i64,
    /// Runs over all groups.
    walk: TransactionWalk,
}

impl<D: Disk> Log<D> {
    /// What each active producer wrote last: what `begin_compaction` is to be given by whoever lets producers write here.
    pub fn producer_tails(&mut self) -> Result<HashMap<i64, ProducerTail>, ReadError> {
        let entries = self.producers()?.entries();
        Ok(entries
            .map(|entry| {
                let tail = ProducerTail {
                    last_data_offset: (entry.last_sequence >= 0).then_some(entry.last_offset),
                    producer_epoch: entry.producer_epoch,
                };
                (entry.producer_id, tail)
            })
            .collect())
    }

    /// Takes note of what there is to clean. `producers` are those that may still write.
    pub fn begin_compaction(
        &mut self,
        dirtiness: &Dirtiness,
        producers: HashMap<i64, ProducerTail>,
        limits: CompactionLimits,
        now_ms: i64,
    ) -> Result<Compaction<D>, ReadError> {
        let begin_offset = self.segments[0].base_offset;
        let end_offset = dirtiness.first_uncleanable_offset;
        let aborted = self.aborted_transactions(begin_offset, end_offset)?;
        let sources = self
            .segments
            .windows(2)
            .take_while(|pair| pair[0].base_offset < end_offset)
            .map(|pair| Source {
                base_offset: pair[0].base_offset,
                size: pair[0].size,
                end_offset: pair[1].base_offset,
            })
            .collect();
        Ok(Compaction {
            files: self.files.clone(),
            config: self.config.clone(),
            sources,
            first_dirty_offset: dirtiness.first_dirty_offset,
            first_uncleanable_offset: dirtiness.first_uncleanable_offset,
            truncations: self.sync.truncations(),
            aborted,
            producers,
            now_ms,
            limits,
            stats: CompactionStats::default(),
            buffer: ReadBuffer::new(limits.io_buffer_bytes),
            indexed: None,
        })
    }
}

impl<D: Disk> Compaction<D> {
    /// Learns the newest offset of every key from the first dirty offset on, as far as memory allows, and decides what is written together.
    pub fn index(&mut self, pace: &mut Pace<'_>) -> Result<(), CompactionError> {
        assert!(self.indexed.is_none(), "a log is indexed once a cleaning");
        let span = (self.first_uncleanable_offset - self.first_dirty_offset).max(0) as u64;
        let mut map = KeyMap::new(
            self.limits.dedupe_buffer_bytes,
            self.limits.load_factor,
            span,
            self.limits.hash_seed,
        );
        let dirty: Vec<Source> = self
            .sources
            .iter()
            .copied()
            .filter(|source| source.end_offset > self.first_dirty_offset)
            .collect();
        let begin = dirty.first().map_or(i64::MAX, |first| first.base_offset);
        let mut walk = TransactionWalk::new(&self.aborted, begin);
        for source in &dirty {
            if self.index_segment(source, &mut map, &mut walk, pace)? {
                break;
            }
        }
        self.stats.map_utilization = map.utilization();
        let end_offset = map.latest_offset() + 1;
        let sizes = self.source_sizes(end_offset)?;
        self.indexed = Some(Indexed {
            map,
            groups: group(&sizes, &self.config).into(),
            end_offset,
            walk: TransactionWalk::new(&self.aborted, 0),
        });
        Ok(())
    }

    /// True when the map is full.
    fn index_segment(
        &mut self,
        source: &Source,
        map: &mut KeyMap,
        walk: &mut TransactionWalk,
        pace: &mut Pace<'_>,
    ) -> Result<bool, CompactionError> {
        let first_dirty_offset = self.first_dirty_offset;
        let mut segment = SegmentSource::open(&self.files, source, &mut self.buffer)?;
        while let Some((header, batch)) = segment.next(pace)? {
            self.stats.index_bytes_read += batch.len() as u64;
            self.stats.index_records_read += header.record_count.max(0) as u64;
            let indexed = if header.is_control() {
                control_type(batch).map(|control| {
                    walk.on_control(&header, control);
                    false
                })
            } else if walk.on_data(&header) == Standing::Discardable {
                Ok(false)
            } else {
                index_batch(&header, batch, first_dirty_offset, map)
            };
            match indexed {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) => return Err(segment.damaged_at(&header, error)),
            }
            if header.last_offset() >= first_dirty_offset {
                map.advance_to(header.last_offset());
            }
        }
        // Offsets may be missing at the end of the segment: they are behind us all the same.
        map.advance_to(source.end_offset - 1);
        Ok(false)
    }

    fn source_sizes(&self, end_offset: i64) -> Result<Vec<SourceSizes>, CompactionError> {
        let dir = &self.files.dir;
        let entries = self.files.disk.list(dir).attempt("list", dir)?;
        // What an aborted cleaning could not remove would revoke the next swap if the power failed in the middle of it.
        for entry in entries
            .iter()
            .filter(|entry| entry.name.ends_with(CLEANED_SUFFIX))
        {
            self.files.remove(&dir.join(&entry.name))?;
        }
        let sizes: HashMap<&str, u64> = entries
            .iter()
            .map(|entry| (entry.name.as_str(), entry.len))
            .collect();
        let index_bytes = |base_offset, suffix| {
            let path = segment_path(dir, base_offset, suffix);
            let name = path.file_name().and_then(|name| name.to_str());
            name.and_then(|name| sizes.get(name).copied()).unwrap_or(0)
        };
        let indexed = self
            .sources
            .iter()
            .filter(|source| source.base_offset < end_offset);
        Ok(indexed
            .map(|&source| SourceSizes {
                source,
                index_bytes: index_bytes(source.base_offset, INDEX_SUFFIX),
                time_index_bytes: index_bytes(source.base_offset, TIME_INDEX_SUFFIX),
            })
            .collect())
    }

    /// Writes the next group to `.cleaned` files. None when all are done.
    pub fn clean_next(
        &mut self,
        pace: &mut Pace<'_>,
    ) -> Result<Option<Replacement<D>>, CompactionError> {
        let indexed = self
            .indexed
            .as_mut()
            .expect("a log is indexed before it is cleaned");
        let Some(group) = indexed.groups.pop_front() else {
            return Ok(None);
        };
        let mut output = CleaningOutput::create(
            &self.files,
            &self.config,
            group[0].base_offset,
            self.limits.io_buffer_bytes,
            self.now_ms,
        )?;
        let mut cleaner = GroupCleaner {
            files: &self.files,
            rules: RetentionRules {
                map: &indexed.map,
                producers: &self.producers,
                now_ms: self.now_ms,
                delete_retention_ms: self.config.compaction.delete_retention_ms,
                end_offset: self.first_uncleanable_offset,
            },
            walk: &mut indexed.walk,
            buffer: &mut self.buffer,
            stats: &mut self.stats,
        };
        let cleaned = group
            .iter()
            .try_for_each(|source| cleaner.clean_segment(source, &mut output, pace))
            .and_then(|()| output.finish(pace));
        match cleaned {
            Ok(()) => {}
            Err(error) => {
                output.discard();
                return Err(error);
            }
        }
        let segments = output.into_segments();
        self.stats.segments_before += group.len() as u64;
        self.stats.segments_after += segments.len() as u64;
        Ok(Some(Replacement {
            files: self.files.clone(),
            sources: group,
            segments,
            truncations: self.truncations,
        }))
    }

    /// How often the log had been cut when this began, and where it began then.
    pub(super) fn planned(&self) -> (u64, Option<i64>) {
        let first_offset = self.sources.first().map(|first| first.base_offset);
        (self.truncations, first_offset)
    }

    /// Makes a replacement that went live survive a power loss. To be called after `replace_segments`, without the partition's lock.
    pub fn settle(&self) -> Result<(), CompactionError> {
        let dir = &self.files.dir;
        Ok(self.files.disk.sync_dir(dir).attempt("sync", dir)?)
    }

    /// To be called once `clean_next` has nothing more.
    pub fn finish(self) -> Cleaned {
        let indexed = self.indexed.expect("a log is indexed before it is cleaned");
        assert!(
            indexed.groups.is_empty(),
            "a cleaning ends with its last group"
        );
        Cleaned {
            first_dirty_offset: indexed.end_offset,
            stats: self.stats,
        }
    }
}

/// What the segments of one group have in common.
struct GroupCleaner<'a, D: Disk> {
    files: &'a SegmentFiles<D>,
    rules: RetentionRules<'a>,
    walk: &'a mut TransactionWalk,
    buffer: &'a mut ReadBuffer,
    stats: &'a mut CompactionStats,
}

impl<D: Disk> GroupCleaner<'_, D> {
    fn clean_segment(
        &mut self,
        source: &Source,
        output: &mut CleaningOutput<'_, D>,
        pace: &mut Pace<'_>,
    ) -> Result<(), CompactionError> {
        let mut segment = SegmentSource::open(self.files, source, self.buffer)?;
        let (mut stays, mut rewritten) = (Vec::new(), Vec::new());
        while let Some((header, batch)) = segment.next(pace)? {
            self.stats.bytes_read += batch.len() as u64;
            let (standing, aborted) = if header.is_control() {
                match control_type(batch) {
                    Ok(control) => self.walk.on_control(&header, control),
                    Err(error) => return Err(segment.damaged_at(&header, error)),
                }
            } else {
                (self.walk.on_data(&header), None)
            };
            rewritten.clear();
            let retained = self.rules.apply(
                &header,
                batch,
                standing,
                self.stats,
                &mut stays,
                &mut rewritten,
            );
            let kept = match retained {
                Ok(Retained::Nothing) => &[][..],
                Ok(Retained::Original) => batch,
                Ok(Retained::Rewritten) => &rewritten,
                Err(error) => return Err(segment.damaged_at(&header, error)),
            };
            if !kept.is_empty() {
                self.stats.bytes_written += kept.len() as u64;
                output.push(kept, pace)?;
            }
            if let Some(transaction) = aborted {
                output.push_aborted(transaction);
            }
            output.note_ongoing_abort(self.walk.first_ongoing_abort());
        }
        Ok(())
    }
}

/// Notes the keys of a batch. True when the map is full.
fn index_batch(
    header: &BatchHeader,
    batch: &[u8],
    first_dirty_offset: i64,
    map: &mut KeyMap,
) -> Result<bool, BatchError> {
    for (record_index, record) in (0..).zip(&records(batch)?) {
        let record = record?;
        if !(header.base_offset..=header.last_offset()).contains(&record.offset) {
            return Err(BatchError::MalformedRecord { record_index });
        }
        let Some(key) = record.key else { continue };
        if record.offset >= first_dirty_offset && map.put(key, record.offset).is_err() {
            return Ok(true);
        }
    }
    Ok(false)
}
