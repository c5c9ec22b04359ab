//! A view that readers share: published whole batches at a time, with encoded answers kept until what they show has changed.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use loki_domain::{LogId, NodeId, NodePath, NodeRef};
use loki_runner::{State, Stored};
use loki_runtime::task;
use loki_wire::Change;
use loki_wire::mounted::Encoded;
use tokio::sync::watch;

use crate::body;
use crate::port::{Answer, Branch, NotReady, Refusal};
use crate::view::View;

/// Kept answers, and their bytes; beyond that all are dropped and made again when asked for.
const KEPT_MAX: usize = 10_000;
const KEPT_BYTES_MAX: usize = 256 << 20;
/// A deeper answer is asked for in parts, and so is one of more nodes: nothing is published while it is made.
pub const DEPTH_MAX: usize = 64;
pub const NODES_MAX: usize = 10_000;

#[derive(Debug)]
pub struct Live {
    published: RwLock<Published>,
    kept: RwLock<Kept>,
    /// Moves with every publication.
    changes: watch::Sender<u64>,
    nodes_max: usize,
}

#[derive(Debug)]
struct Published {
    view: View,
    stored: Option<Stored>,
    /// Why nothing is answered, when nothing is.
    why_not: Option<String>,
    /// The highest position that was answered: never an older truth after it, unless the store was filled from the log again since.
    seen: u64,
    /// When the store was filled, as it counts that itself: now, and when it was last answered from.
    filled: u64,
    filled_seen: u64,
    /// The log that it was answered from, kept while the store is empty.
    log: Option<LogId>,
    /// Moves when the view is another one: its versions say nothing about the one before.
    generation: u64,
}

#[derive(Debug, Default)]
struct Kept {
    answers: HashMap<(String, bool), Answered>,
    bytes: usize,
}

/// What an answer was made from.
#[derive(Debug, Clone)]
struct Answered {
    generation: u64,
    shape: u64,
    node: Option<NodeId>,
    version: u64,
    encoded: Arc<Encoded>,
}

impl Default for Live {
    fn default() -> Self {
        Self::answering_at_most(NODES_MAX)
    }
}

impl Live {
    /// One whose trees have at most so many nodes.
    pub fn answering_at_most(nodes_max: usize) -> Self {
        let why_not = Some("it was not read yet".to_owned());
        Self {
            published: RwLock::new(Published {
                view: View::default(),
                stored: None,
                why_not,
                seen: 0,
                filled: 0,
                filled_seen: 0,
                log: None,
                generation: 0,
            }),
            kept: RwLock::default(),
            changes: watch::channel(0).0,
            nodes_max,
        }
    }

    /// Applies the changes of one batch and moves the position, for readers in one step.
    pub fn publish<'a>(&self, changes: impl IntoIterator<Item = &'a Change>, stored: Stored) {
        let mut published = self.write();
        for change in changes {
            published.view.apply(change);
        }
        published.set(Some(stored));
        drop(published);
        self.notify();
    }

    /// The same, if there are then as many entities as there should be. Otherwise nothing is answered, and it says so.
    pub fn publish_exactly<'a>(&self, changes: impl IntoIterator<Item = &'a Change>, stored: Stored, entities: u64) -> Result<(), u64> {
        let mut published = self.write();
        for change in changes {
            published.view.apply(change);
        }
        let found = published.view.entities();
        match found == entities {
            true => published.set(Some(stored)),
            false => published.why_not = Some(wrong_number(found, entities)),
        }
        drop(published);
        self.notify();
        if found == entities { Ok(()) } else { Err(found) }
    }

    /// Puts another view in this one's place: of a store that was `filled` then, by a count that grows with each time. One that was filled again
    /// since it was answered from may be at a lower position, because its log was set back; one that was not is an older copy of itself, or was
    /// emptied.
    pub fn replace(&self, view: View, stored: Option<Stored>, filled: u64) {
        let mut published = self.write();
        published.view = view;
        published.filled = filled;
        published.generation += 1;
        published.set(stored);
        drop(published);
        self.notify();
    }

    /// Answers nothing until the next publication, or replacement.
    pub fn withdraw(&self, why: impl Into<String>) {
        self.write().why_not = Some(why.into());
        self.notify();
    }

    pub fn stored(&self) -> Option<Stored> {
        self.read().stored
    }

    /// Why nothing is answered; `None` when something is.
    pub fn why_not(&self) -> Option<String> {
        self.read().why_not.clone()
    }

    /// A copy of the view, for dumps.
    pub fn view(&self) -> View {
        self.read().view.clone()
    }

    /// Returns once the position `at_least` was passed.
    pub async fn wait(&self, at_least: u64, limit: Duration) -> Result<(), NotReady> {
        let mut changes = self.changes.subscribe();
        let passed = async {
            loop {
                changes.borrow_and_update();
                if self.read().passed(at_least).is_ok() || changes.changed().await.is_err() {
                    return;
                }
            }
        };
        // whether it came in time or not, the answer is what holds now
        task::timeout(limit, passed).await;
        self.read().passed(at_least)
    }

    pub fn tree(&self, node: &NodeRef, depth: usize) -> Result<Answer<Option<Branch>>, Refusal> {
        let published = self.ready()?;
        let position = published.position();
        let (view, depth) = (&published.view, depth.min(DEPTH_MAX));
        let found = view.resolve(node);
        if found.is_some_and(|node| view.exceeds(node, depth, self.nodes_max)) {
            return Err(Refusal::TooLarge { limit: self.nodes_max });
        }
        let value = found.map(|node| body::tree(view, node, depth));
        Ok(Answer { value, position })
    }

    pub fn nodes(
        &self,
        under: &NodePath,
        depth: usize,
        after: Option<&NodePath>,
        limit: usize,
    ) -> Result<Answer<Option<Vec<Branch>>>, NotReady> {
        let published = self.ready()?;
        let (view, position) = (&published.view, published.position());
        let Some(top) = view.resolve(&NodeRef::Path(under.clone())) else {
            return Ok(Answer { value: None, position });
        };
        // what is behind a path that is not below the node is behind, or before, all of it
        let behind = match after {
            None => Some([].as_slice()),
            Some(after) => after.names().strip_prefix(under.names()),
        };
        let first = top.filter(|_| after.is_none() && limit > 0);
        let rest = behind.map(|behind| view.walk(top, depth, behind, limit - usize::from(first.is_some()))).unwrap_or_default();
        let value = first.into_iter().chain(rest).map(|node| body::tree(view, Some(node), 0)).collect();
        Ok(Answer { value: Some(value), position })
    }

    pub fn servers(&self, node: &str, recursive: bool) -> Result<Answer<Option<Arc<Encoded>>>, Refusal> {
        let key = (node.to_owned(), recursive);
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner).answers.get(&key).cloned();
        let published = self.ready()?;
        let position = published.position();
        if let Some(kept) = &kept
            && kept.generation == published.generation
            && kept.shape == published.view.shape()
            && kept.version == published.view.version(kept.node)
        {
            return Ok(Answer { value: Some(kept.encoded.clone()), position });
        }
        let reference = reference(node)?;
        let Some(found) = published.view.resolve(&reference) else {
            return Ok(Answer { value: None, position });
        };
        // another node was made or moved: the answer to a path is still the same if the path means the same node. An id's path may have changed
        if let Some(kept) = kept
            && matches!(reference, NodeRef::Path(_))
            && kept.generation == published.generation
            && kept.node == found
            && kept.version == published.view.version(found)
        {
            let encoded = kept.encoded.clone();
            let answered = Answered { shape: published.view.shape(), ..kept };
            drop(published);
            self.keep(key, answered);
            return Ok(Answer { value: Some(encoded), position });
        }
        let gathered = body::find(&published.view, found, recursive);
        let (generation, shape, version) = (published.generation, published.view.shape(), published.view.version(found));
        drop(published);
        let encoded = Arc::new(gathered.encode());
        let answered = Answered { generation, shape, node: found, version, encoded: encoded.clone() };
        self.keep(key, answered);
        Ok(Answer { value: Some(encoded), position })
    }

    fn keep(&self, key: (String, bool), answered: Answered) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.answers.len() >= KEPT_MAX || kept.bytes > KEPT_BYTES_MAX {
            *kept = Kept::default();
        }
        kept.bytes += answered.encoded.body.len();
        if let Some(before) = kept.answers.insert(key, answered) {
            kept.bytes -= before.encoded.body.len();
        }
    }

    fn ready(&self) -> Result<RwLockReadGuard<'_, Published>, NotReady> {
        let published = self.read();
        published.passed(0)?;
        Ok(published)
    }

    fn notify(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn read(&self) -> RwLockReadGuard<'_, Published> {
        self.published.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Published> {
        self.published.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Published {
    fn set(&mut self, stored: Option<Stored>) {
        // a new log begins a new truth
        if let Some(now) = stored
            && self.log.replace(now.log).is_some_and(|before| before != now.log)
        {
            self.seen = 0;
        }
        if self.filled > self.filled_seen {
            self.seen = 0;
        }
        self.stored = stored;
        self.why_not = match stored {
            None => Some("it is empty and waits to be filled".to_owned()),
            Some(stored) if stored.state == State::Building => Some(format!("it is being filled and is at f{}", stored.position)),
            Some(stored) if stored.position < self.seen => {
                Some(format!("it is at f{}, which is older than what was answered before", stored.position))
            }
            Some(stored) => {
                (self.seen, self.filled_seen) = (stored.position, self.filled);
                None
            }
        };
    }

    fn position(&self) -> u64 {
        self.stored.map_or(0, |stored| stored.position)
    }

    fn passed(&self, at_least: u64) -> Result<(), NotReady> {
        match &self.why_not {
            Some(why) => Err(NotReady(why.clone())),
            None if self.position() <= at_least && at_least > 0 => {
                Err(NotReady(format!("it is at f{} and has not passed f{at_least}", self.position())))
            }
            None => Ok(()),
        }
    }
}

/// Why a view is no answer that has another number of entities than its revision says.
pub(crate) fn wrong_number(found: u64, entities: u64) -> String {
    format!("it holds {found} entities and not {entities} as its revision says: it waits to be filled anew")
}

/// A node as a query names it.
pub fn reference(text: &str) -> Result<NodeRef, Refusal> {
    let read = if text.starts_with('/') { text.parse().map(NodeRef::Path) } else { text.parse().map(NodeRef::Id) };
    read.map_err(|invalid| Refusal::Invalid(invalid.to_string()))
}
