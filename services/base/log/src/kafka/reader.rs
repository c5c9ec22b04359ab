//! Reads one partition outside of any group.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use loki_runtime::clock::Stopwatch;
use rdkafka::ClientConfig;

use super::Shared;
use super::feed::{Fault, Feed};
use super::source::{Closing, Source};
use crate::error::Result;
use crate::port::Reader;
use crate::record::{Batch, Partition};

pub(super) struct KafkaReader {
    shared: Arc<Shared>,
    partition: Partition,
    position: u64,
    client: Closing<Client>,
}

/// Dropped together, the feed first.
struct Client {
    /// `None` until the position has been checked.
    feed: Option<Feed>,
    source: Source,
}

impl KafkaReader {
    pub(super) fn open(shared: Arc<Shared>, config: &ClientConfig, partition: Partition, from: u64) -> Result<Self> {
        let source = Source::open(config)?;
        Ok(Self { shared, partition, position: from, client: Closing::new(Client { feed: None, source }) })
    }

    /// Begins at the position, once it is known to lie within the log.
    async fn begin(&mut self) -> Result<()> {
        if self.client.get().feed.is_none() {
            let position = self.shared.questions.place(&self.partition, self.position).await?;
            let client = self.client.get();
            client.feed = Some(Feed::open(&client.source, &self.partition, position)?);
            self.position = position;
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        match self.client.get().feed.take() {
            Some(feed) => feed.close(),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Reader for KafkaReader {
    async fn read(&mut self, max: usize, wait: Duration) -> Result<Batch> {
        let watch = Stopwatch::start();
        self.begin().await?;
        loop {
            let client = self.client.get();
            client.source.serve()?;
            let taken = match client.feed.as_mut() {
                Some(feed) => feed.take(max).await,
                None => Ok(None),
            };
            match taken {
                Ok(Some(batch)) => {
                    self.position = batch.position;
                    return Ok(batch);
                }
                Ok(None) => {}
                Err(Fault::Other(error)) => return Err(error),
                Err(Fault::OutOfRange) => {
                    self.stop()?;
                    return Err(self.shared.questions.refused(&self.partition, self.position).await);
                }
            }
            let left = wait.saturating_sub(watch.elapsed());
            if left.is_zero() {
                return Ok(Batch { records: Vec::new(), position: self.position, at_end: false });
            }
            self.client.get().source.wait(left).await;
        }
    }

    fn position(&self) -> u64 {
        self.position
    }

    async fn seek(&mut self, offset: u64) -> Result<()> {
        self.stop()?;
        self.position = offset;
        Ok(())
    }
}
