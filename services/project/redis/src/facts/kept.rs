//! What a reading process keeps: encoded answers, and the fragments that large ones are made of. Beyond their bounds all are dropped, and made again
//! when they are asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loki_wire::mounted::Encoded;

use super::fragments::Fragment;

const ANSWERS_MAX: usize = 10_000;
const ANSWERS_BYTES_MAX: usize = 256 << 20;
/// A tree of 50,000 servers takes about as much.
const FRAGMENTS_BYTES_MAX: usize = 128 << 20;

#[derive(Debug, Default)]
pub(super) struct Kept {
    answers: Mutex<Answers>,
    fragments: Mutex<Fragments>,
}

#[derive(Debug, Default)]
struct Answers {
    of: HashMap<(String, bool), Answered>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Fragments {
    of: HashMap<String, Fragment>,
    /// The filling of the store that they belong to.
    filled: u64,
    bytes: usize,
}

/// An answer, and what it shows.
#[derive(Debug, Clone)]
pub(super) struct Answered {
    pub(super) shows: Shows,
    pub(super) encoded: Arc<Encoded>,
}

/// A node, at one version of what is on it or under it, in one filling of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shows {
    pub(super) filled: u64,
    /// Empty for `/`.
    pub(super) id: String,
    /// Empty while an ancestor is missing.
    pub(super) path: String,
    pub(super) version: u64,
}

impl Shows {
    /// As scripts take it.
    pub(super) fn known(&self) -> String {
        format!("{}:{}:{}", self.filled, self.id, self.version)
    }
}

impl Kept {
    pub(super) fn answer(&self, node: &str, recursive: bool) -> Option<Answered> {
        self.answers().of.get(&(node.to_owned(), recursive)).cloned()
    }

    pub(super) fn keep(&self, node: &str, recursive: bool, answered: Answered) {
        let mut answers = self.answers();
        if answers.of.len() >= ANSWERS_MAX || answers.bytes > ANSWERS_BYTES_MAX {
            *answers = Answers::default();
        }
        answers.bytes += answered.encoded.body.len();
        if let Some(before) = answers.of.insert((node.to_owned(), recursive), answered) {
            answers.bytes -= before.encoded.body.len();
        }
    }

    pub(super) fn forget(&self, node: &str, recursive: bool) {
        let mut answers = self.answers();
        if let Some(before) = answers.of.remove(&(node.to_owned(), recursive)) {
            answers.bytes -= before.encoded.body.len();
        }
    }

    /// The fragment of a node at a version.
    pub(super) fn fragment(&self, filled: u64, node: &str, version: u64) -> Option<Fragment> {
        let fragments = self.fragments();
        if fragments.filled != filled {
            return None;
        }
        fragments.of.get(node).filter(|fragment| fragment.version == version).cloned()
    }

    pub(super) fn keep_fragments<'f>(&self, filled: u64, some: impl IntoIterator<Item = &'f Fragment>) {
        let mut fragments = self.fragments();
        if fragments.filled != filled || fragments.bytes > FRAGMENTS_BYTES_MAX {
            *fragments = Fragments { filled, ..Fragments::default() };
        }
        for fragment in some {
            fragments.bytes += fragment.bytes;
            if let Some(before) = fragments.of.insert(fragment.node.clone(), fragment.clone()) {
                fragments.bytes -= before.bytes;
            }
        }
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fragments(&self) -> MutexGuard<'_, Fragments> {
        self.fragments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
