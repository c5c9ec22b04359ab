//! What may be asked of the store: readers of the current state, of deploys (which are a part of it), of the history, of tasks' logs
//! and of domains. The doc comments are the promise; `contract` tests it.
//!
//! Every answer is read from one snapshot together with the position at which it is true. There is no answer ("not ready") while the store is
//! empty or being filled, while it is below `at_least`, and while it is below what this reader has answered before: never an empty list
//! instead of "not yet", never an older truth after a newer one.
//!
//! Filling the store is `loki_runner::Projection`.

mod answer;
mod deploys;
mod domains;
mod history;
mod state;
mod task_logs;

pub use answer::{Answer, Listed, NotReady, Page, ReadError};
pub use deploys::{DeployReader, PackageView, RunDetail, RunFilter, RunView, TOLD_MAX, TaskView, TemplateView, TokenView, Told};
pub use domains::{DomainFilter, DomainReader, DomainView};
pub use history::{
    AuditFilter, Difference, Entry, HistoryReader, Moment, OutcomeKind, PastState, Resolved, StoredOutcome, Version, Written,
};
pub use state::{Inherited, MountView, NodeView, ServerFilter, ServerView, StateReader};
pub use task_logs::{ChunkView, Place, TaskLog, TaskLogReader};

use async_trait::async_trait;

/// A canonical dump of a store: lines `key json`, sorted by key as bytes, all from one snapshot. A row whose columns are not those of its JSON
/// has ` differs: <columns>` at the end of its line, so that it equals no fold of the log.
///
/// It holds its snapshot open: read it without pause, then drop it. The swap at the end of a rebuild waits for it.
#[async_trait]
pub trait Dump: Send {
    /// The position that all lines belong to.
    fn stored(&self) -> loki_runner::Stored;

    /// The next lines, a bounded number; empty at the end.
    async fn next(&mut self) -> Result<Vec<String>, ReadError>;
}
