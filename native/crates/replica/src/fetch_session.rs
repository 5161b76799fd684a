//! Owns the fetch sessions of KIP-227: which partitions a consumer follows and what it was told last about each.
//! Never reads a log, a clock or randomness: time and candidate ids come in.
//! Invariant: a session is either in the cache or checked out by exactly one request, and its epoch rises by one per request.
//!
//! States of a session: detached → adopted (checked out) → cached ⇄ checked out → gone (closed by its client, emptied, evicted or replaced).
//! A session removed while it is checked out is dropped when it comes back.
//!
//! Limits: `max_sessions`, and `max_partitions` over all sessions. A full cache gives no session (id 0), which every client takes.

use hashbrown::{HashMap, HashTable};
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

const NONE: u32 = u32::MAX;
const INITIAL_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TopicKey {
    Name(Arc<str>),
    Id([u8; 16]),
}

impl TopicKey {
    pub fn is_id(&self) -> bool {
        matches!(self, TopicKey::Id(_))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionRequest {
    pub session_id: i32,
    pub session_epoch: i32,
}

impl SessionRequest {
    /// A full fetch names all its partitions; an incremental one only what changed.
    pub fn is_full(&self) -> bool {
        self.session_epoch == INITIAL_EPOCH || self.session_epoch == FINAL_EPOCH
    }

    pub fn wants_session(&self) -> bool {
        self.session_epoch == INITIAL_EPOCH
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionError {
    /// FETCH_SESSION_ID_NOT_FOUND
    NotFound,
    /// INVALID_FETCH_SESSION_EPOCH
    WrongEpoch,
    /// FETCH_SESSION_TOPIC_ID_ERROR: names and ids were mixed in one session.
    TopicIdStyle,
}

#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    pub max_sessions: usize,
    pub max_partitions: usize,
    /// Kafka's min.incremental.fetch.session.eviction.ms: a session used more recently than this is not evicted.
    pub eviction_ms: i64,
}

/// What the session knows of one partition. `handle` is the caller's own, kept so that it need not be looked up each time.
#[derive(Debug, Clone)]
pub struct CachedPartition<H> {
    pub topic: TopicKey,
    pub partition: i32,
    pub fetch_offset: i64,
    pub max_bytes: i32,
    pub current_leader_epoch: i32,
    pub last_fetched_epoch: i32,
    pub handle: H,
    sent_high_watermark: i64,
    sent_log_start_offset: i64,
    newer: u32,
    older: u32,
}

impl<H> CachedPartition<H> {
    pub fn new(topic: TopicKey, partition: i32, handle: H) -> CachedPartition<H> {
        CachedPartition {
            topic,
            partition,
            fetch_offset: 0,
            max_bytes: 0,
            current_leader_epoch: -1,
            last_fetched_epoch: -1,
            handle,
            sent_high_watermark: -1,
            sent_log_start_offset: -1,
            newer: NONE,
            older: NONE,
        }
    }
}

/// What one response is about to say of a partition.
#[derive(Debug, Clone, Copy)]
pub struct FetchedState {
    pub records_bytes: u32,
    pub high_watermark: i64,
    pub log_start_offset: i64,
    pub has_error: bool,
}

#[derive(Debug)]
pub struct FetchSession<H> {
    id: i32,
    epoch: i32,
    uses_topic_ids: bool,
    incarnation: u64,
    nodes: Vec<CachedPartition<H>>,
    free: Vec<u32>,
    first: u32,
    last: u32,
    index_of: HashTable<u32>,
    hasher: hashbrown::DefaultHashBuilder,
}

impl<H> FetchSession<H> {
    /// A session of one request, in no cache: id 0.
    pub fn detached(uses_topic_ids: bool) -> FetchSession<H> {
        FetchSession {
            id: 0,
            epoch: FINAL_EPOCH,
            uses_topic_ids,
            incarnation: 0,
            nodes: Vec::new(),
            free: Vec::new(),
            first: NONE,
            last: NONE,
            index_of: HashTable::new(),
            hasher: hashbrown::DefaultHashBuilder::default(),
        }
    }

    pub fn id(&self) -> i32 {
        self.id
    }

    pub fn uses_topic_ids(&self) -> bool {
        self.uses_topic_ids
    }

    pub fn len(&self) -> usize {
        self.index_of.len()
    }

    pub fn is_empty(&self) -> bool {
        self.index_of.is_empty()
    }

    /// Places of the partitions in the order they have to be served.
    pub fn places(&self) -> impl Iterator<Item = u32> + '_ {
        let mut next = self.first;
        std::iter::from_fn(move || {
            let place = next;
            next = self.nodes.get(place as usize)?.newer;
            Some(place)
        })
    }

    /// The place served first, and the one served after another; for walks that change the partitions on the way.
    pub fn first_place(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    pub fn place_after(&self, place: u32) -> Option<u32> {
        let newer = self.nodes[place as usize].newer;
        (newer != NONE).then_some(newer)
    }

    pub fn at(&self, place: u32) -> &CachedPartition<H> {
        &self.nodes[place as usize]
    }

    pub fn at_mut(&mut self, place: u32) -> &mut CachedPartition<H> {
        &mut self.nodes[place as usize]
    }

    pub fn find(&self, topic: &TopicKey, partition: i32) -> Option<u32> {
        let hash = self.hash_of(topic, partition);
        self.index_of
            .find(hash, |&place| self.is_at(place, topic, partition))
            .copied()
    }

    /// Adds a partition behind the others. It must not be there yet.
    pub fn insert(&mut self, cached: CachedPartition<H>) -> u32 {
        debug_assert!(
            self.find(&cached.topic, cached.partition).is_none(),
            "a session holds a partition once"
        );
        let hash = self.hash_of(&cached.topic, cached.partition);
        let place = match self.free.pop() {
            Some(place) => {
                self.nodes[place as usize] = cached;
                place
            }
            None => {
                self.nodes.push(cached);
                u32::try_from(self.nodes.len() - 1).expect("fewer than 2^32 partitions")
            }
        };
        let (nodes, hasher) = (&self.nodes, &self.hasher);
        self.index_of.insert_unique(hash, place, |&other| {
            let node = &nodes[other as usize];
            hasher.hash_one((&node.topic, node.partition))
        });
        self.link_last(place);
        place
    }

    pub fn forget(&mut self, topic: &TopicKey, partition: i32) {
        let hash = self.hash_of(topic, partition);
        let nodes = &self.nodes;
        let found = self.index_of.find_entry(hash, |&place| {
            let node = &nodes[place as usize];
            node.partition == partition && node.topic == *topic
        });
        if let Ok(entry) = found {
            let (place, _) = entry.remove();
            self.unlink(place);
            self.free.push(place);
        }
    }

    /// Whether the response has to mention this partition; remembers what it will say. A partition that gave records moves
    /// behind the others, so that a small fetch limit serves all of them in turn.
    pub fn on_response(&mut self, place: u32, state: FetchedState) -> bool {
        let node = &mut self.nodes[place as usize];
        let changed = node.sent_high_watermark != state.high_watermark
            || node.sent_log_start_offset != state.log_start_offset;
        // After an error the next good answer is always sent, whatever the marks are.
        node.sent_high_watermark = if state.has_error {
            -1
        } else {
            state.high_watermark
        };
        node.sent_log_start_offset = state.log_start_offset;
        if state.records_bytes > 0 {
            self.unlink(place);
            self.link_last(place);
        }
        changed || state.has_error || state.records_bytes > 0
    }

    fn hash_of(&self, topic: &TopicKey, partition: i32) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        (topic, partition).hash(&mut hasher);
        std::hash::Hasher::finish(&hasher)
    }

    fn is_at(&self, place: u32, topic: &TopicKey, partition: i32) -> bool {
        let node = &self.nodes[place as usize];
        node.partition == partition && node.topic == *topic
    }

    fn unlink(&mut self, place: u32) {
        let (newer, older) = (
            self.nodes[place as usize].newer,
            self.nodes[place as usize].older,
        );
        match self.nodes.get_mut(older as usize) {
            Some(node) => node.newer = newer,
            None => self.first = newer,
        }
        match self.nodes.get_mut(newer as usize) {
            Some(node) => node.older = older,
            None => self.last = older,
        }
    }

    fn link_last(&mut self, place: u32) {
        let previous = self.last;
        self.nodes[place as usize].older = previous;
        self.nodes[place as usize].newer = NONE;
        match self.nodes.get_mut(previous as usize) {
            Some(node) => node.newer = place,
            None => self.first = place,
        }
        self.last = place;
    }
}

#[derive(Debug)]
struct Slot<H> {
    /// None while a request has it checked out.
    session: Option<Box<FetchSession<H>>>,
    incarnation: u64,
    partitions: usize,
    last_used_ms: i64,
}

#[derive(Debug)]
pub struct FetchSessions<H> {
    slots: HashMap<i32, Slot<H>>,
    limits: SessionLimits,
    partitions: usize,
    next_incarnation: u64,
    evictions: u64,
}

impl<H> FetchSessions<H> {
    pub fn new(limits: SessionLimits) -> FetchSessions<H> {
        FetchSessions {
            slots: HashMap::new(),
            limits,
            partitions: 0,
            next_incarnation: 1,
            evictions: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub fn cached_partitions(&self) -> usize {
        self.partitions
    }

    pub fn evictions(&self) -> u64 {
        self.evictions
    }

    /// Takes the session of an incremental fetch out of the cache. The epoch moves on at once, so a repeat of the same
    /// request finds a wrong epoch.
    pub fn check_out(
        &mut self,
        request: SessionRequest,
        uses_topic_ids: bool,
    ) -> Result<Box<FetchSession<H>>, SessionError> {
        assert!(
            !request.is_full(),
            "a full fetch does not continue a session"
        );
        let slot = self
            .slots
            .get_mut(&request.session_id)
            .ok_or(SessionError::NotFound)?;
        // Busy with another request means that request has moved the epoch.
        let session = slot.session.as_ref().ok_or(SessionError::WrongEpoch)?;
        if session.epoch != request.session_epoch {
            return Err(SessionError::WrongEpoch);
        }
        if session.uses_topic_ids != uses_topic_ids {
            return Err(SessionError::TopicIdStyle);
        }
        let mut session = slot
            .session
            .take()
            .expect("the session was there a moment ago");
        session.epoch = next_epoch(session.epoch);
        Ok(session)
    }

    /// Brings a session back. One that was removed meanwhile, has become empty or outgrew the cache is gone.
    pub fn check_in(&mut self, session: Box<FetchSession<H>>, now_ms: i64) {
        let id = session.id;
        let Some(slot) = self.slots.get_mut(&id) else {
            return;
        };
        if slot.incarnation != session.incarnation {
            return;
        }
        assert!(slot.session.is_none(), "a session is checked out once");
        self.partitions = self.partitions - slot.partitions + session.len();
        slot.partitions = session.len();
        slot.last_used_ms = now_ms;
        let must_go = session.is_empty() || self.partitions > self.limits.max_partitions;
        slot.session = Some(session);
        if must_go {
            self.remove(id);
        }
    }

    /// Gives a detached session an id and a place here, where it stays checked out. False when the cache is full of sessions
    /// in use, or the session has nothing to follow. `candidate_id` is random.
    pub fn adopt(&mut self, session: &mut FetchSession<H>, candidate_id: u32, now_ms: i64) -> bool {
        assert!(session.id == 0, "a session is adopted once");
        if session.is_empty() || self.partitions + session.len() > self.limits.max_partitions {
            return false;
        }
        if self.slots.len() >= self.limits.max_sessions && !self.evict_one(now_ms) {
            return false;
        }
        let mut id = id_from(candidate_id);
        while self.slots.contains_key(&id) {
            id = id_from((id as u32).wrapping_add(1));
        }
        session.id = id;
        session.epoch = next_epoch(INITIAL_EPOCH);
        session.incarnation = self.next_incarnation;
        self.next_incarnation += 1;
        self.slots.insert(
            id,
            Slot {
                session: None,
                incarnation: session.incarnation,
                partitions: 0,
                last_used_ms: now_ms,
            },
        );
        true
    }

    pub fn remove(&mut self, id: i32) -> bool {
        match self.slots.remove(&id) {
            Some(slot) => {
                self.partitions -= slot.partitions;
                true
            }
            None => false,
        }
    }

    fn evict_one(&mut self, now_ms: i64) -> bool {
        let oldest = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.session.is_some())
            .min_by_key(|(_, slot)| slot.last_used_ms);
        match oldest {
            Some((&id, slot)) if now_ms - slot.last_used_ms > self.limits.eviction_ms => {
                self.evictions += 1;
                self.remove(id)
            }
            _ => false,
        }
    }
}

/// The epoch after `epoch`: 1 follows the largest, and the closing epoch stays what it is.
pub fn next_epoch(epoch: i32) -> i32 {
    match epoch {
        epoch if epoch < 0 => FINAL_EPOCH,
        i32::MAX => 1,
        epoch => epoch + 1,
    }
}

/// Session ids are positive; 0 means no session.
fn id_from(candidate: u32) -> i32 {
    ((candidate & 0x7fff_ffff) as i32).max(1)
}

#[cfg(test)]
#[path = "fetch_session_tests.rs"]
mod tests;
