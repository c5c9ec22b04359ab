//! What the store and the log answer, as soon as they do: meanwhile the partition says what it waits for.

use std::sync::Arc;

use loki_domain::LogId;
use loki_log::{Class, Log};
use loki_runner::{Error, StoreError};
use loki_runtime::{Backoff, task};

use super::identity::{Identity, identify};
use super::port::{Place, SamplesStore};
use super::projector::{Flow, Stop, Task};
use crate::metrics;

impl Task {
    pub(super) async fn place(&mut self) -> Flow<Option<Place>> {
        self.store(|store, partition| async move { store.place(partition).await }).await
    }

    /// What the store answers, as soon as it does.
    pub(super) async fn store<T, F>(&mut self, ask: impl Fn(Arc<dyn SamplesStore>, u32) -> F) -> Flow<T>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut backoff = Backoff::for_backend();
        loop {
            match ask(self.shared.store.clone(), self.number).await {
                Ok(answer) => return Ok(answer),
                Err(error) => self.store_fails(error, &mut backoff).await?,
            }
        }
    }

    /// Says what is wrong with the store, and waits.
    pub(super) async fn store_fails(&self, error: StoreError, backoff: &mut Backoff) -> Flow<()> {
        self.hold.ails(error.to_string());
        let (cause, wait) = match error {
            StoreError::Away(_) => (metrics::CAUSE_AWAY, backoff.step()),
            StoreError::Unusable(_) => (metrics::CAUSE_UNUSABLE, self.shared.config.unusable_retry),
        };
        metrics::retry(cause);
        self.hold.end().unless(task::sleep(wait)).await.ok_or(Stop::Gone)
    }

    /// What the log answers, as soon as it does.
    pub(super) async fn log<T, F>(&self, ask: impl Fn(Arc<dyn Log>, loki_log::Partition) -> F) -> Flow<T>
    where
        F: Future<Output = loki_log::Result<T>>,
    {
        let mut backoff = Backoff::for_backend();
        loop {
            let asked = ask(self.shared.log.clone(), self.hold.partition().clone());
            match self.hold.end().unless(asked).await.ok_or(Stop::Gone)? {
                Ok(answer) => return Ok(answer),
                Err(error) => self.log_fails(error, &mut backoff).await?,
            }
        }
    }

    async fn log_fails(&self, error: loki_log::Error, backoff: &mut Backoff) -> Flow<()> {
        match error.class() {
            Class::Retry | Class::Abort | Class::Fenced => {}
            Class::Invalid if matches!(error, loki_log::Error::OutOfRange { .. }) => return Err(Stop::Again),
            Class::Invalid if matches!(error, loki_log::Error::NoSuchTopic(_)) => {}
            Class::Invalid | Class::Fatal => return Err(Stop::Fatal(Error::Log(error))),
        }
        self.hold.ails(format!("the log: {error}"));
        self.hold.end().unless(backoff.wait()).await.ok_or(Stop::Gone)
    }

    /// The log's id, as soon as it has one.
    pub(super) async fn identity(&self) -> Flow<LogId> {
        let facts = self.shared.config.facts_topic.clone();
        let mut backoff = Backoff::for_backend();
        loop {
            let facts = facts.clone();
            let found = self
                .log(|log, _| {
                    let facts = facts.clone();
                    async move { identify(&*log, &facts).await }
                })
                .await?;
            match found {
                Identity::Is(id) => return Ok(id),
                Identity::NotYet => self.hold.ails("the log has no id yet: its decider never ran"),
                Identity::Unreadable(why) => self.hold.ails(why),
            }
            self.hold.end().unless(backoff.wait()).await.ok_or(Stop::Gone)?;
        }
    }
}
