//! Waiting for a position.

use std::sync::Arc;
use std::time::Duration;

use loki_domain::Position;
use loki_runner::wait::{Awaited, Said};

use super::progress::Progress;
use super::snapshot::Source;
use crate::port::{NotReady, ReadError};

/// Those who wait for one projection.
pub(super) struct Waiting {
    source: Arc<Source>,
    all: loki_runner::Waiting<Source>,
}

impl Waiting {
    pub(super) fn new(source: Arc<Source>) -> Self {
        Self { all: loki_runner::Waiting::new(Arc::clone(&source)), source }
    }

    /// Returns once `at_least` has been passed, after `limit` with the reason why not.
    pub(super) async fn until(&self, at_least: Position, limit: Duration) -> Result<(), ReadError> {
        self.source.check_stream(at_least)?;
        let seen = self.source.furthest();
        let passed = |said: Said<Source>| said?.ready(seen.as_ref(), Some(at_least)).map(drop);
        self.all.until(passed, limit).await
    }
}

impl Awaited for Source {
    type Progress = Progress;
    type Error = ReadError;

    async fn ask(&self) -> Said<Self> {
        self.progress().await
    }

    fn crowded() -> ReadError {
        NotReady::Crowded.into()
    }
}
