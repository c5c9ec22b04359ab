//! Questions about what was: outcomes (the audit) and every version of every entity.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use loki_domain::{Entity, Key, Kind, Position};
use loki_runner::Stored;
pub use loki_wire::outcome::v1::Kind as OutcomeKind;

use super::{Answer, Dump, Listed, Page, ReadError};

/// Reads the history. `at_least` is the position of a command (`c17`) or of an outcome (`o8`) that the store must have passed.
#[async_trait]
pub trait HistoryReader: Send + Sync + 'static {
    /// What the store says of itself, also while it is being filled; `None` when it is empty. For status pages.
    async fn stored(&self) -> Result<Option<Stored>, ReadError>;

    /// Returns once the store is live and has passed `at_least`; after `limit` with the reason why not.
    /// However many wait, one task per reader asks the store, and only while someone waits.
    async fn wait(&self, at_least: Position, limit: Duration) -> Result<(), ReadError>;

    /// The outcome of the command at this offset.
    async fn outcome(&self, command: u64, at_least: Option<Position>) -> Result<Answer<Option<StoredOutcome>>, ReadError>;

    /// The outcomes of all commands that had this id, duplicates included, newest first, at most 100; of one actor or of all.
    async fn outcomes_by_id(
        &self,
        id: &str,
        actor: Option<&str>,
        at_least: Option<Position>,
    ) -> Result<Answer<Vec<StoredOutcome>>, ReadError>;

    /// The audit: outcomes, newest first.
    async fn audit(&self, filter: &AuditFilter, page: &Page, at_least: Option<Position>) -> Result<Answer<Listed<Entry>>, ReadError>;

    /// The entities of these kinds as they were, by key. Not ready while the store has not passed `at`.
    /// More than [`PastState::ENTITIES_MAX`] are refused.
    async fn state_at(&self, kinds: &[Kind], at: Moment, at_least: Option<Position>) -> Result<Answer<PastState>, ReadError>;

    /// What differs between two moments, by key; `from` may be the later one. A part of the list may be empty and still have a next one.
    async fn diff(
        &self,
        from: Moment,
        to: Moment,
        page: &Page,
        at_least: Option<Position>,
    ) -> Result<Answer<Listed<Difference>>, ReadError>;

    /// All versions of one entity, newest first.
    async fn versions(&self, key: &Key, page: &Page, at_least: Option<Position>) -> Result<Answer<Listed<Version>>, ReadError>;

    /// The living ones of these entities, as this history knows them now.
    async fn current(&self, keys: &[Key], at_least: Option<Position>) -> Result<Answer<BTreeMap<Key, Entity>>, ReadError>;

    /// What one command changed, in the order of its facts: what undoing it needs. `None` when there is no such command.
    async fn written(&self, command: u64, at_least: Option<Position>) -> Result<Answer<Option<Vec<Written>>>, ReadError>;

    /// Everything, as `outcome_lines` writes it, sorted.
    async fn dump(&self, at_least: Option<Position>) -> Result<Box<dyn Dump>, ReadError>;
}

/// A moment of the past, itself included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// After this command, fact or outcome.
    Position(Position),
    /// After all commands decided up to this time (of the log), milliseconds since 1970.
    Time(i64),
}

/// Where a moment lies. `None`: before the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The last command up to then, accepted or not.
    pub command: Option<u64>,
    /// The last fact up to then.
    pub fact: Option<u64>,
    /// When that command was decided.
    pub at_ms: Option<i64>,
}

/// The state at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastState {
    pub at: Resolved,
    pub entities: Vec<Entity>,
}

impl PastState {
    pub const ENTITIES_MAX: usize = 200_000;
}

/// An outcome in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOutcome {
    pub entry: Entry,
    /// As `schemas/outcome.command.v1.json` says, facts included.
    pub json: String,
}

/// An outcome as a line of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The command's offset.
    pub command: u64,
    /// The outcome's own offset.
    pub position: u64,
    pub id: String,
    pub actor: String,
    /// The command's type; empty when it could not be read.
    pub command_type: String,
    pub at_ms: i64,
    pub result: OutcomeKind,
    pub code: Option<String>,
    pub field: Option<String>,
    pub message: Option<String>,
    /// The key of what is in the way.
    pub conflict: Option<String>,
    /// The offset of the command that was answered first.
    pub duplicate_of: Option<u64>,
    /// The last fact's offset.
    pub after: Option<u64>,
    /// How many entities it changed.
    pub changes: u64,
    /// The first of them, at most [`Entry::KEYS_MAX`].
    pub keys: Vec<Key>,
}

impl Entry {
    pub const KEYS_MAX: usize = 20;
}

/// Which outcomes. Everything that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    pub actor: Option<String>,
    pub command_type: Option<String>,
    pub result: Option<OutcomeKind>,
    /// Those that changed this entity.
    pub key: Option<Key>,
    /// From this moment on: the command itself, or the first one decided at or after this time.
    pub from: Option<Moment>,
    /// Up to this moment, itself included.
    pub to: Option<Moment>,
}

/// An entity that is not the same at two moments. `None`: it was not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub key: Key,
    pub before: Option<Entity>,
    pub after: Option<Entity>,
}

/// One version of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The fact that made it.
    pub fact: u64,
    /// The command that caused it.
    pub command: u64,
    pub at_ms: i64,
    /// `None`: removed.
    pub entity: Option<Entity>,
}

/// What a command did to one entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub key: Key,
    pub fact: u64,
    /// As it was before the command; `None`: not there.
    pub before: Option<Entity>,
    /// `None`: removed.
    pub after: Option<Entity>,
    /// The newest command that has changed it since; `None`: it is still as this command left it.
    pub changed_since: Option<u64>,
}
