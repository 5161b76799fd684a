//! Owns the batches one loop turn has collected, and writes them: for each touched partition one lock, one append, one write.
//! Never decides what a batch may do; the partition does, under its lock.
//! Invariant: between `stage` and `commit` the receive buffers of the connections involved stay where they are.

use crate::apis::produce::ProducePart;
use crate::partition::{Effects, Partition, StagedBatch};
use crate::preparing::PrepareJob;
use crate::slab::Key;
use hashbrown::HashMap;
use millrace_host::Buffer;
use millrace_record::BatchHeader;
use millrace_replica::{Acks, SyncNeed};
use std::sync::Arc;

const NONE: u32 = u32::MAX;

struct Staged {
    /// Place of the connection in `connections`.
    connection: u32,
    /// In the connection's receive buffer; rising within one connection.
    start: usize,
    bytes: usize,
    header: BatchHeader,
    part: ProducePart,
    acks: Acks,
    next_of_partition: u32,
}

struct Touched {
    partition: Arc<Partition>,
    first: u32,
    last: u32,
    count: u32,
}

#[derive(Default)]
pub struct Turn {
    staged: Vec<Staged>,
    touched: Vec<Touched>,
    place_of: HashMap<usize, u32>,
    connections: Vec<Key>,
    staged_bytes: usize,
    /// Batches to be prepared once what was staged is written.
    deferred: Vec<(Arc<Partition>, PrepareJob)>,
}

impl Turn {
    pub fn is_empty(&self) -> bool {
        self.staged.is_empty()
    }

    /// A batch that goes to another thread, behind what is staged.
    pub fn defer(&mut self, partition: Arc<Partition>, job: PrepareJob) {
        self.deferred.push((partition, job));
    }

    pub fn take_deferred(&mut self) -> Vec<(Arc<Partition>, PrepareJob)> {
        std::mem::take(&mut self.deferred)
    }

    pub fn staged_bytes(&self) -> usize {
        self.staged_bytes
    }

    /// Connections whose buffers are in use, in the order `commit` wants them.
    pub fn connections(&self) -> &[Key] {
        &self.connections
    }

    /// `start` and `bytes` are the batch's place in the receive buffer of `connection`.
    #[allow(clippy::too_many_arguments)]
    pub fn stage(
        &mut self,
        connection: Key,
        start: usize,
        bytes: usize,
        partition: &Arc<Partition>,
        header: BatchHeader,
        part: ProducePart,
        acks: Acks,
    ) {
        if self.connections.last() != Some(&connection) {
            assert!(
                !self.connections.contains(&connection),
                "a connection stages in one run per commit"
            );
            self.connections.push(connection);
        }
        let index = self.staged.len() as u32;
        let connection = (self.connections.len() - 1) as u32;
        self.staged.push(Staged {
            connection,
            start,
            bytes,
            header,
            part,
            acks,
            next_of_partition: NONE,
        });
        self.staged_bytes += bytes;
        let touched = &mut self.touched;
        let place = *self
            .place_of
            .entry(Arc::as_ptr(partition) as usize)
            .or_insert_with(|| {
                touched.push(Touched {
                    partition: Arc::clone(partition),
                    first: index,
                    last: NONE,
                    count: 0,
                });
                (touched.len() - 1) as u32
            });
        let touched = &mut self.touched[place as usize];
        if touched.last != NONE {
            self.staged[touched.last as usize].next_of_partition = index;
        }
        touched.last = index;
        touched.count += 1;
    }

    /// Writes everything staged. `buffers` are the receive buffers of `connections()`, in that order.
    pub fn commit(&mut self, buffers: &mut [Buffer], now_ms: i64, effects: &mut Effects) {
        assert!(
            buffers.len() == self.connections.len(),
            "a buffer for each connection"
        );
        let mut batches = self.cut(buffers);
        let mut run = Vec::new();
        for touched in &self.touched {
            let mut index = touched.first;
            run.reserve(touched.count as usize);
            while index != NONE {
                let staged = &self.staged[index as usize];
                let bytes = batches[index as usize]
                    .take()
                    .expect("a batch belongs to one partition");
                run.push(StagedBatch {
                    bytes,
                    header: staged.header,
                    part: staged.part,
                    acks: staged.acks,
                });
                index = staged.next_of_partition;
            }
            touched.partition.append_produced(&mut run, now_ms, effects);
            run.clear();
            let sync_need = std::mem::take(&mut effects.sync_need);
            if sync_need != SyncNeed::None {
                effects
                    .syncs
                    .push((sync_need, Arc::clone(&touched.partition)));
            }
        }
        drop(batches);
        self.staged.clear();
        self.touched.clear();
        self.place_of.clear();
        self.connections.clear();
        self.staged_bytes = 0;
    }

    /// The staged batches as slices of their buffers, in staging order.
    fn cut<'a>(&self, buffers: &'a mut [Buffer]) -> Vec<Option<&'a mut [u8]>> {
        let mut rests: Vec<(&'a mut [u8], usize)> = buffers
            .iter_mut()
            .map(|buffer| (&mut **buffer, 0))
            .collect();
        let mut batches = Vec::with_capacity(self.staged.len());
        for staged in &self.staged {
            let (rest, cut_at) = &mut rests[staged.connection as usize];
            let (_, tail) = std::mem::take(rest).split_at_mut(staged.start - *cut_at);
            let (batch, tail) = tail.split_at_mut(staged.bytes);
            *rest = tail;
            *cut_at = staged.start + staged.bytes;
            batches.push(Some(batch));
        }
        batches
    }
}
