//! Owns what differs between memory and disk: names and bytes that were changed and not yet synced, and what a crash makes of them.

use std::collections::BTreeMap;

use super::{InodeId, SECTOR_BYTES};

#[derive(Default)]
pub(super) struct Directory {
    pub(super) current: BTreeMap<String, InodeId>,
    durable: BTreeMap<String, InodeId>,
    unsynced: Vec<NameChange>,
}

pub(super) struct NameChange {
    pub(super) name: String,
    pub(super) inode: Option<InodeId>,
    /// A rename inside one directory is one change with two names.
    pub(super) also: Option<(String, Option<InodeId>)>,
}

#[derive(Default)]
pub(super) struct FileContent {
    pub(super) current: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<ContentChange>,
}

pub(super) enum ContentChange {
    Write { position: usize, bytes: Vec<u8> },
    SetLen(usize),
}

impl Directory {
    pub(super) fn change(&mut self, change: NameChange) {
        change.apply(&mut self.current);
        self.unsynced.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    pub(super) fn crash(&mut self, random: Option<&mut SplitMix>) {
        if let Some(random) = random {
            let keep = random.below(self.unsynced.len() as u64 + 1) as usize;
            for change in &self.unsynced[..keep] {
                change.apply(&mut self.durable);
            }
        }
        self.unsynced.clear();
        self.current = self.durable.clone();
    }
}

impl NameChange {
    pub(super) fn apply(&self, names: &mut BTreeMap<String, InodeId>) {
        for (name, inode) in [
            Some((&self.name, self.inode)),
            self.also.as_ref().map(|(name, inode)| (name, *inode)),
        ]
        .into_iter()
        .flatten()
        {
            match inode {
                Some(inode) => names.insert(name.clone(), inode),
                None => names.remove(name),
            };
        }
    }
}

impl FileContent {
    pub(super) fn write(&mut self, bytes: &[u8], position: usize) {
        write_into(&mut self.current, bytes, position);
        self.unsynced.push(ContentChange::Write {
            position,
            bytes: bytes.to_vec(),
        });
    }

    pub(super) fn set_len(&mut self, len: usize) {
        self.current.resize(len, 0);
        self.unsynced.push(ContentChange::SetLen(len));
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            match change {
                ContentChange::Write { position, bytes } => {
                    write_into(&mut self.durable, &bytes, position)
                }
                ContentChange::SetLen(len) => self.durable.resize(len, 0),
            }
        }
        debug_assert!(
            self.durable == self.current,
            "replaying the unsynced changes gives the current content"
        );
    }

    pub(super) fn crash(&mut self, random: Option<&mut SplitMix>) {
        if let Some(random) = random {
            for change in &self.unsynced {
                match change {
                    ContentChange::Write { position, bytes } => {
                        let mut at = 0;
                        while at < bytes.len() {
                            let sector_end =
                                ((position + at) / SECTOR_BYTES + 1) * SECTOR_BYTES - position;
                            let end = sector_end.min(bytes.len());
                            if random.below(2) == 0 {
                                write_into(&mut self.durable, &bytes[at..end], position + at);
                            }
                            at = end;
                        }
                    }
                    ContentChange::SetLen(len) => {
                        if random.below(2) == 0 {
                            self.durable.resize(*len, 0);
                        }
                    }
                }
            }
        }
        self.unsynced.clear();
        self.current = self.durable.clone();
    }
}

fn write_into(content: &mut Vec<u8>, bytes: &[u8], position: usize) {
    let end = position + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[position..end].copy_from_slice(bytes);
}

/// SplitMix64: enough randomness to choose sectors by seed.
pub(super) struct SplitMix(pub(super) u64);

impl SplitMix {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
