//! The table of ids: what a repeated command was answered the first time.
//!
//! An id is remembered for 24 hours of the log's time, so the answer to a repetition depends on the log alone. Kept compact, since it holds
//! every command of a day: the key and the content are 128 bits of a SHA-256 each, an entry is about 100 bytes.
//!
//! Forgetting is a step of its own, taken for committed commands only: a batch that is aborted and decided again must meet the same table.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry as Slot, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use loki_domain::Rejection;
use sha2::{Digest, Sha256};

use crate::Origin;

/// How long an id is remembered.
pub const REMEMBERED_MS: i64 = 24 * 60 * 60 * 1000;

/// The first answer to an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum First {
    /// `after`: the offset of the command's last fact; `None` when it changed nothing.
    Accepted {
        after: Option<u64>,
    },
    Rejected(Box<Rejection>),
}

/// What the table knows of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen<'t> {
    Never,
    /// The same command came before, at this offset.
    Before {
        offset: u64,
        first: &'t First,
    },
    /// The id came before with other content, at this offset.
    WithOtherContent {
        offset: u64,
    },
}

/// An actor and an id, hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdKey(u128);

impl IdKey {
    pub fn of(origin: &Origin<'_>) -> Self {
        let mut hash = Sha256::new();
        hash.update((origin.actor.len() as u64).to_be_bytes());
        hash.update(origin.actor);
        hash.update(origin.id);
        Self(short(&hash.finalize().into()))
    }
}

/// The first half of a digest.
fn short(digest: &[u8; 32]) -> u128 {
    digest.iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ids {
    entries: HashMap<u128, Entry, BuildHasherDefault<Prehashed>>,
    /// In the order in which they were remembered, for forgetting.
    order: VecDeque<(i64, u128)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    content: u128,
    at_ms: i64,
    offset: u64,
    first: First,
}

/// Takes back one `remember`.
#[derive(Debug)]
#[must_use = "dropping it is right only once the command is committed"]
pub struct IdUndo {
    key: u128,
    before: Option<Entry>,
}

impl Ids {
    /// Asks for a command at `at_ms`; `content` is the digest of what it asks.
    pub fn seen(&self, key: IdKey, content: &[u8; 32], at_ms: i64) -> Seen<'_> {
        match self.entries.get(&key.0) {
            Some(entry) if at_ms.saturating_sub(entry.at_ms) > REMEMBERED_MS => Seen::Never,
            Some(entry) if entry.content == short(content) => Seen::Before { offset: entry.offset, first: &entry.first },
            Some(entry) => Seen::WithOtherContent { offset: entry.offset },
            None => Seen::Never,
        }
    }

    /// Remembers the first answer to a command. Calls come in the order of the commands.
    pub fn remember(&mut self, key: IdKey, content: &[u8; 32], at_ms: i64, offset: u64, first: First) -> IdUndo {
        self.order.push_back((at_ms, key.0));
        let before = self.entries.insert(key.0, Entry { content: short(content), at_ms, offset, first });
        IdUndo { key: key.0, before }
    }

    /// Completes what was remembered, once the log has told where the command's facts lie.
    pub fn answer(&mut self, key: IdKey, first: First) {
        if let Some(entry) = self.entries.get_mut(&key.0) {
            entry.first = first;
        }
    }

    /// Undoes one `remember`. Those of several commands are reverted in reverse order.
    pub fn revert(&mut self, undo: IdUndo) {
        self.order.pop_back();
        match undo.before {
            Some(entry) => drop(self.entries.insert(undo.key, entry)),
            None => drop(self.entries.remove(&undo.key)),
        }
    }

    /// Frees what is too old at `at_ms`, at most `max` entries. With `max` above the number of commands since the last call the table
    /// stays within a day. Only for an `at_ms` that is committed.
    pub fn forget(&mut self, at_ms: i64, max: usize) {
        for _ in 0..max {
            let Some((remembered_ms, key)) = self.order.front().copied() else { return };
            if at_ms.saturating_sub(remembered_ms) <= REMEMBERED_MS {
                return;
            }
            self.order.pop_front();
            // the same id may have come again later: that entry stays
            if let Slot::Occupied(slot) = self.entries.entry(key)
                && slot.get().at_ms == remembered_ms
            {
                slot.remove();
            }
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// The keys are digests already.
#[derive(Debug, Clone, Copy, Default)]
struct Prehashed(u64);

impl Hasher for Prehashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

#[cfg(test)]
mod tests {
    use loki_domain::Code;

    use super::*;

    const A: [u8; 32] = [1; 32];
    const B: [u8; 32] = [2; 32];

    fn key(id: &str) -> IdKey {
        IdKey::of(&Origin::new("ann", id))
    }

    fn accepted(after: u64) -> First {
        First::Accepted { after: Some(after) }
    }

    #[test]
    fn a_repetition_gets_the_first_answer() {
        let mut ids = Ids::default();
        assert_eq!(ids.seen(key("1"), &A, 5), Seen::Never);
        let _ = ids.remember(key("1"), &A, 5, 7, accepted(42));
        let rejection = First::Rejected(Box::new(Rejection::new(Code::NotFound, "node", "no")));
        let _ = ids.remember(key("2"), &A, 5, 8, rejection.clone());
        assert_eq!(ids.seen(key("1"), &A, 5 + REMEMBERED_MS), Seen::Before { offset: 7, first: &accepted(42) });
        assert_eq!(ids.seen(key("1"), &B, 6), Seen::WithOtherContent { offset: 7 });
        assert_eq!(ids.seen(key("2"), &A, 6), Seen::Before { offset: 8, first: &rejection });
        assert_eq!(ids.seen(key("1"), &A, 6 + REMEMBERED_MS), Seen::Never);
    }

    #[test]
    fn an_origin_is_no_concatenation() {
        assert_ne!(IdKey::of(&Origin::new("a", "bc")), IdKey::of(&Origin::new("ab", "c")));
    }

    #[test]
    fn reverting_gives_the_table_before() {
        let mut ids = Ids::default();
        let _ = ids.remember(key("1"), &A, 0, 1, accepted(1));
        let before = ids.clone();
        let late = REMEMBERED_MS + 1;
        let undos = [ids.remember(key("1"), &B, late, 2, accepted(2)), ids.remember(key("2"), &B, late, 3, accepted(3))];
        assert_eq!(ids.seen(key("1"), &B, late), Seen::Before { offset: 2, first: &accepted(2) });
        undos.into_iter().rev().for_each(|undo| ids.revert(undo));
        assert_eq!(ids, before);
    }

    #[test]
    fn forgetting_is_bounded_and_spares_what_came_again() {
        let mut ids = Ids::default();
        for (offset, id) in ["1", "2", "3"].into_iter().enumerate() {
            let _ = ids.remember(key(id), &A, 0, offset as u64, accepted(0));
        }
        let late = REMEMBERED_MS + 1;
        let _ = ids.remember(key("1"), &B, late, 9, accepted(9));
        ids.forget(REMEMBERED_MS, 10);
        assert_eq!(ids.len(), 3, "nothing is too old yet");
        ids.forget(late, 2);
        assert_eq!(ids.len(), 2, "one of two looked at had come again");
        ids.forget(late, 10);
        assert_eq!(ids.len(), 1);
        assert_eq!(ids.seen(key("1"), &B, late), Seen::Before { offset: 9, first: &accepted(9) });
        ids.forget(late + REMEMBERED_MS + 1, 10);
        assert!(ids.is_empty());
    }
}
