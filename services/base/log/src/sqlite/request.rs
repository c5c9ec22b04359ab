//! What the one writing task is asked.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::catalog::Part;
use super::group::Membership;
use super::row::NewRow;
use super::sweep::{Step, Swept};
use crate::error::Result;
use crate::topic::TopicSpec;

pub(super) type Reply<T> = oneshot::Sender<Result<T>>;

/// A writer as it was opened: a later one of the same name has a higher epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WriterId {
    pub(super) name: Arc<str>,
    pub(super) epoch: i64,
}

/// A group's position.
#[derive(Debug)]
pub(super) struct Consumed {
    pub(super) membership: Arc<Membership>,
    pub(super) part: Arc<Part>,
    pub(super) position: u64,
    pub(super) note: Option<String>,
}

#[derive(Debug)]
pub(super) enum Request {
    /// The permit bounds what is queued, in bytes.
    Append {
        part: Arc<Part>,
        rows: Vec<NewRow>,
        reply: Reply<Vec<u64>>,
        permit: OwnedSemaphorePermit,
    },
    CommitPosition {
        consumed: Consumed,
        reply: Reply<()>,
    },
    OpenWriter {
        name: Arc<str>,
        reply: Reply<WriterId>,
    },
    AppendInTransaction {
        writer: WriterId,
        part: Arc<Part>,
        rows: Vec<NewRow>,
        bytes: usize,
        reply: Reply<Vec<u64>>,
    },
    Commit {
        writer: WriterId,
        consumed: Option<Consumed>,
        reply: Reply<()>,
    },
    Abort {
        writer: WriterId,
        reply: Reply<()>,
    },
    /// Specs to be stored: new topics and altered ones.
    StoreTopics {
        specs: Vec<TopicSpec>,
        reply: Reply<()>,
    },
    Sweep {
        step: Step,
        reply: Reply<Swept>,
    },
    Close {
        reply: oneshot::Sender<()>,
    },
}
