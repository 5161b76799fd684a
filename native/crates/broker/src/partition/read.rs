//! Owns reading from a partition: a look of a fetch, offsets by name and by time, epochs. Never copies records a client gets.

use super::{Open, Partition, Storage};
use crate::fetch_watch::FetchWatch;
use crate::respond::FileRange;
use millrace_host::disk::posix::PosixDisk;
use millrace_log::{MaxTimeSearch, ReadError, TimeSearch, TimestampLookup};
use millrace_replica::{EpochMismatch, FetchAllowance};
use millrace_wire::apis::LeaderIdAndEpoch;
use millrace_wire::apis::fetch::{AbortedTransaction, EpochEndOffset};
use millrace_wire::apis::list_offsets::{
    EARLIEST_LOCAL_TIMESTAMP, EARLIEST_PENDING_UPLOAD_TIMESTAMP, EARLIEST_TIMESTAMP,
    LATEST_TIERED_TIMESTAMP, LATEST_TIMESTAMP, ListOffsetsPartition, ListOffsetsPartitionResponse,
    MAX_TIMESTAMP,
};
use millrace_wire::error_codes;
use std::sync::Arc;

/// What a fetch asks of one partition.
#[derive(Debug, Clone, Copy)]
pub struct FetchRead {
    pub fetch_offset: i64,
    pub allowance: FetchAllowance,
    pub current_leader_epoch: i32,
    pub last_fetched_epoch: i32,
    pub reads_committed: bool,
}

/// What it gets.
#[derive(Debug)]
pub struct PartitionRead {
    pub error_code: i16,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    pub log_start_offset: i64,
    pub records: Option<FileRange>,
    /// Transactions whose records a reader of committed ones skips. Empty for others.
    pub aborted: Vec<AbortedTransaction>,
    /// There is more to read than was taken.
    pub is_cut_short: bool,
    pub diverging_epoch: Option<EpochEndOffset>,
    pub leader: Option<LeaderIdAndEpoch>,
}

impl PartitionRead {
    pub fn error(error_code: i16) -> PartitionRead {
        PartitionRead {
            error_code,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            records: None,
            aborted: Vec::new(),
            is_cut_short: false,
            diverging_epoch: None,
            leader: None,
        }
    }
}

impl Partition {
    /// One look of a fetch.
    pub fn read_for_fetch(&self, read: &FetchRead) -> PartitionRead {
        let mut state = self.lock();
        let state = &mut *state;
        let leader_hint = state.leader_hint();
        if let Err(error_code) = state.check_leads(self.node_id) {
            let leader = (error_code == error_codes::NOT_LEADER_OR_FOLLOWER).then_some(leader_hint);
            return PartitionRead {
                leader,
                ..PartitionRead::error(error_code)
            };
        }
        let Storage::Open(open) = &mut state.storage else {
            unreachable!("only an open partition leads")
        };
        open.uses += 1;
        let high_watermark = open.leader.high_watermark();
        let last_stable_offset = match open.last_stable_offset() {
            Ok(offset) => offset,
            Err(error) => return PartitionRead::error(error.kafka_code()),
        };
        let mut answer = PartitionRead {
            high_watermark,
            last_stable_offset,
            log_start_offset: open.leader.log_start_offset(),
            ..PartitionRead::error(error_codes::NONE)
        };
        if let Err(mismatch) = open.leader.check_epoch(read.current_leader_epoch) {
            answer.error_code = epoch_error(mismatch);
            answer.leader = (mismatch == EpochMismatch::Fenced).then_some(leader_hint);
            return answer;
        }
        let upper_bound = if read.reads_committed {
            last_stable_offset
        } else {
            high_watermark
        };
        match read_log(open, read, upper_bound) {
            Ok(FetchOutcome::Records {
                range,
                next_offset,
                aborted,
            }) => {
                answer.is_cut_short = next_offset < upper_bound;
                answer.records = Some(range);
                answer.aborted = aborted;
            }
            Ok(FetchOutcome::Nothing) => answer.is_cut_short = read.fetch_offset < upper_bound,
            Ok(FetchOutcome::Diverging(epoch_end)) => answer.diverging_epoch = Some(epoch_end),
            Err(error) => answer.error_code = error.kafka_code(),
        }
        answer
    }

    /// Puts a parked fetch on the list of those to wake, unless the partition moved since it was looked at.
    pub fn watch(&self, watch: &Arc<FetchWatch>, seen_high_watermark: i64) -> bool {
        let mut state = self.lock();
        let is_unchanged = matches!(&state.storage, Storage::Open(open) if open.leader.high_watermark() == seen_high_watermark);
        if is_unchanged {
            state.fetches.add(watch);
        }
        is_unchanged
    }

    /// Answers one partition of ListOffsets. Looking for a time may read a good deal of the log.
    pub fn list_offset(
        &self,
        wanted: &ListOffsetsPartition,
        reads_committed: bool,
    ) -> ListOffsetsPartitionResponse {
        let refuse = |error_code| ListOffsetsPartitionResponse::error(wanted.index, error_code);
        let mut state = self.lock();
        if let Err(error_code) = state.check_leads(self.node_id) {
            return refuse(error_code);
        }
        let Storage::Open(open) = &mut state.storage else {
            unreachable!("only an open partition leads")
        };
        if let Err(mismatch) = open.leader.check_epoch(wanted.current_leader_epoch) {
            return refuse(epoch_error(mismatch));
        }
        let upper_bound = if reads_committed {
            match open.last_stable_offset() {
                Ok(offset) => offset,
                Err(error) => return refuse(error.kafka_code()),
            }
        } else {
            open.leader.high_watermark()
        };
        let found = match begin_search(open, wanted.timestamp, upper_bound) {
            Ok(Search::Done(found)) => Ok(found),
            Ok(Search::Newest(search)) => {
                drop(state);
                search.run().map(Some)
            }
            Ok(Search::Time(search)) => {
                drop(state);
                self.search_by_time(search, wanted.timestamp)
                    .map(|found| found.filter(|found| found.offset < upper_bound))
            }
            Err(error) => Err(error),
        };
        match found {
            Ok(Some(found)) => ListOffsetsPartitionResponse {
                index: wanted.index,
                error_code: error_codes::NONE,
                timestamp: found.timestamp,
                offset: found.offset,
                leader_epoch: found.leader_epoch,
            },
            Ok(None) => refuse(error_codes::NONE),
            Err(error) => refuse(error.kafka_code()),
        }
    }

    /// Segment after segment, the lock held only to find where to look: a search may read and decompress a good deal.
    fn search_by_time(
        &self,
        mut search: TimeSearch<PosixDisk>,
        timestamp: i64,
    ) -> Result<Option<TimestampLookup>, ReadError> {
        loop {
            if let Some(found) = search.run()? {
                return Ok(Some(found));
            }
            let mut state = self.lock();
            let Storage::Open(open) = &mut state.storage else {
                return Ok(None);
            };
            match open.log.begin_time_search(timestamp, search.next_from())? {
                Some(next) => search = next,
                None => return Ok(None),
            }
        }
    }

    /// Whole batches from the one that holds `offset`, up to the log end: for the control plane to replay.
    pub fn read_to_end(&self, offset: i64, max_bytes: u32) -> Result<Vec<u8>, i16> {
        let slice = {
            let mut state = self.lock();
            let Storage::Open(open) = &mut state.storage else {
                return Err(error_codes::KAFKA_STORAGE_ERROR);
            };
            let log_end_offset = open.log.log_end_offset();
            open.log
                .read(offset, max_bytes, log_end_offset, true)
                .map_err(|error| error.kafka_code())?
        };
        match slice {
            Some(slice) => slice.to_vec().map_err(|_| error_codes::KAFKA_STORAGE_ERROR),
            None => Ok(Vec::new()),
        }
    }

    /// Where an epoch ended here: (epoch, end offset), or -1 and -1.
    pub fn offset_for_leader_epoch(&self, epoch: i32) -> Result<(i32, i64), i16> {
        let mut state = self.lock();
        let Storage::Open(open) = &mut state.storage else {
            return Err(error_codes::KAFKA_STORAGE_ERROR);
        };
        let end = epoch_end(open, epoch).map_err(|error| error.kafka_code())?;
        Ok((end.epoch, end.end_offset))
    }
}

enum FetchOutcome {
    Records {
        range: FileRange,
        next_offset: i64,
        aborted: Vec<AbortedTransaction>,
    },
    Nothing,
    Diverging(EpochEndOffset),
}

fn read_log(
    open: &mut Open,
    read: &FetchRead,
    upper_bound: i64,
) -> Result<FetchOutcome, ReadError> {
    let (log_start_offset, log_end_offset) =
        (open.log.log_start_offset(), open.log.log_end_offset());
    let out_of_range = || ReadError::OffsetOutOfRange {
        offset: read.fetch_offset,
        log_start_offset,
        log_end_offset,
    };
    if read.last_fetched_epoch >= 0 {
        let end = epoch_end(open, read.last_fetched_epoch)?;
        if end.epoch < 0 || end.end_offset < 0 || read.fetch_offset < log_start_offset {
            return Err(out_of_range());
        }
        if end.epoch < read.last_fetched_epoch || end.end_offset < read.fetch_offset {
            return Ok(FetchOutcome::Diverging(end));
        }
    }
    let slice = open.log.read(
        read.fetch_offset,
        read.allowance.max_bytes,
        upper_bound,
        read.allowance.min_one_batch,
    )?;
    let Some(slice) = slice else {
        return Ok(FetchOutcome::Nothing);
    };
    let next_offset = slice.next_offset_hint;
    let aborted = if read.reads_committed {
        open.log
            .aborted_transactions(read.fetch_offset, next_offset)?
    } else {
        Vec::new()
    };
    let aborted = aborted.iter().map(|transaction| AbortedTransaction {
        producer_id: transaction.producer_id,
        first_offset: transaction.first_offset,
    });
    Ok(FetchOutcome::Records {
        range: FileRange {
            file: slice.file,
            position: slice.position,
            bytes: u64::from(slice.bytes),
        },
        next_offset,
        aborted: aborted.collect(),
    })
}

/// The end of an epoch in this log; the current epoch of a log that holds none of it yet ends at the log end.
fn epoch_end(open: &mut Open, epoch: i32) -> Result<EpochEndOffset, ReadError> {
    if epoch == open.leader.term().leader_epoch {
        return Ok(EpochEndOffset {
            epoch,
            end_offset: open.log.log_end_offset(),
        });
    }
    let end = open.log.leader_epoch_end_offset(epoch)?;
    Ok(EpochEndOffset {
        epoch: end.leader_epoch,
        end_offset: end.end_offset,
    })
}

/// What ListOffsets asked for, or what is left to do for it without the lock.
enum Search {
    Done(Option<TimestampLookup>),
    Newest(MaxTimeSearch<PosixDisk>),
    Time(TimeSearch<PosixDisk>),
}

fn begin_search(open: &mut Open, timestamp: i64, upper_bound: i64) -> Result<Search, ReadError> {
    let at = |offset, leader_epoch| {
        Ok(Search::Done(Some(TimestampLookup {
            timestamp: -1,
            offset,
            leader_epoch,
        })))
    };
    let leader_epoch = open.leader.term().leader_epoch;
    match timestamp {
        LATEST_TIMESTAMP => at(upper_bound, leader_epoch),
        EARLIEST_TIMESTAMP | EARLIEST_LOCAL_TIMESTAMP => {
            let log_start_offset = open.leader.log_start_offset();
            let epoch = open.log.leader_epoch_at(log_start_offset)?;
            at(log_start_offset, epoch.unwrap_or(leader_epoch))
        }
        // Nothing is in tiered storage, and nothing waits to go there.
        LATEST_TIERED_TIMESTAMP | EARLIEST_PENDING_UPLOAD_TIMESTAMP => Ok(Search::Done(None)),
        MAX_TIMESTAMP => {
            let search = open.log.begin_max_time_search()?;
            Ok(search.map_or(Search::Done(None), Search::Newest))
        }
        timestamp => {
            let search = open.log.begin_time_search(timestamp, 0)?;
            Ok(search.map_or(Search::Done(None), Search::Time))
        }
    }
}

fn epoch_error(mismatch: EpochMismatch) -> i16 {
    match mismatch {
        EpochMismatch::Fenced => error_codes::FENCED_LEADER_EPOCH,
        EpochMismatch::Unknown => error_codes::UNKNOWN_LEADER_EPOCH,
    }
}
