//! A consumer that is driven by whoever waits for it: no thread of ours, no polling in a loop.

use std::sync::Arc;
use std::time::Duration;

use loki_runtime::task;
use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::sync::Notify;

use super::context::Context;
use super::fault;
use super::questions::blocking;
use crate::error::{Class, Error, Result};

/// Events served in one go, so that a flood of log lines cannot keep records away.
const EVENTS: usize = 1_000;

/// librdkafka wakes us through queue callbacks; this bounds what a lost one could cost.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

pub(super) struct Source {
    consumer: Arc<BaseConsumer<Context>>,
    wake: Arc<Notify>,
}

impl Source {
    pub(super) fn open(config: &ClientConfig) -> Result<Self> {
        let created = BaseConsumer::from_config_and_context(config, Context::default());
        let mut consumer = created.map_err(|error| fault::classify("cannot make a consumer", &error))?;
        let wake = Arc::new(Notify::new());
        consumer.set_nonempty_callback(wakes(&wake));
        Ok(Self { consumer: Arc::new(consumer), wake })
    }

    pub(super) fn consumer(&self) -> &Arc<BaseConsumer<Context>> {
        &self.consumer
    }

    /// What a partition's queue calls when it is no longer empty.
    pub(super) fn waker(&self) -> impl Fn() + Send + Sync + 'static {
        wakes(&self.wake)
    }

    /// Serves callbacks and errors. Records do not come this way: each partition has a queue of its own.
    /// A broker that was away leaves dozens of errors: they are told as one, the gravest, lest a caller that backs off after each hears of the
    /// last one long after the broker is back.
    pub(super) fn serve(&self) -> Result<()> {
        let mut failed: Option<Error> = None;
        for _ in 0..EVENTS {
            let before = self.consumer.context().served();
            match self.consumer.poll(Duration::ZERO) {
                None if self.consumer.context().served() == before => break,
                None => {}
                Some(Err(error)) if fault::passes(&error) => {}
                Some(Err(_)) if failed.as_ref().is_some_and(|failed| failed.class() != Class::Retry) => {}
                Some(Err(error)) => failed = Some(fault::classify("the consumer failed", &error)),
                Some(Ok(_)) => return Err(Error::Fatal("a record came through the queue of events".into())),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Returns when there is something to serve or to take, or after `limit`.
    pub(super) async fn wait(&self, limit: Duration) {
        let _woken = task::timeout(limit.min(LONGEST_WAIT), self.wake.notified()).await;
    }
}

fn wakes(wake: &Arc<Notify>) -> impl Fn() + Send + Sync + 'static {
    let wake = wake.clone();
    move || wake.notify_one()
}

/// A client that is dropped off the asynchronous threads: closing waits for the broker.
pub(super) struct Closing<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> Closing<T> {
    pub(super) fn new(client: T) -> Self {
        Self(Some(client))
    }

    pub(super) fn get(&mut self) -> &mut T {
        self.0.as_mut().expect(OPEN)
    }

    pub(super) fn peek(&self) -> &T {
        self.0.as_ref().expect(OPEN)
    }

    /// Closes it and waits.
    pub(super) async fn close(mut self) -> Result<()> {
        let client = self.0.take();
        blocking("kafka.close", move || drop(client)).await
    }
}

const OPEN: &str = "a client is there until it is closed or dropped";

impl<T: Send + 'static> Drop for Closing<T> {
    fn drop(&mut self) {
        if let Some(client) = self.0.take()
            && tokio::runtime::Handle::try_current().is_ok()
        {
            drop(task::spawn_blocking("kafka.close", move || drop(client)));
        }
    }
}
