//! A transactional writer.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::KafkaResult;
use rdkafka::producer::Producer as _;

use super::append::{self, Producer};
use super::questions::blocking;
use super::source::Closing;
use super::{Shared, convert, fault};
use crate::error::{Error, Result};
use crate::metrics;
use crate::port::Writer;
use crate::record::{Group, NewRecord, Partition};

pub(super) struct KafkaWriter {
    shared: Arc<Shared>,
    id: String,
    client: Closing<Client>,
    state: State,
    records: usize,
    bytes: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Idle,
    Open {
        /// The group's position is part of it already: a commit that is called again does not send it twice.
        position_sent: bool,
    },
    /// Superseded, or the outcome of a commit is unknown.
    Fenced(String),
}

struct Client {
    producer: Producer,
    open: bool,
}

impl KafkaWriter {
    /// Waits for the predecessor's transaction to end, or aborts it.
    pub(super) async fn open(shared: Arc<Shared>, id: &str) -> Result<Self> {
        let producer = append::producer(&shared.config.transactional(id))?;
        let client = Closing::new(Client { producer: producer.clone(), open: false });
        let timeout = shared.config.request_timeout;
        blocking("kafka.init_transactions", move || producer.init_transactions(timeout))
            .await?
            .map_err(|error| fault::of_transaction(&format!("writer `{id}` was not opened"), &error))?;
        Ok(Self { shared, id: id.to_owned(), client, state: State::Idle, records: 0, bytes: 0 })
    }

    async fn begin(&mut self) -> Result<()> {
        match &self.state {
            State::Open { .. } => Ok(()),
            State::Fenced(text) => Err(Error::Fenced(text.clone())),
            State::Idle => {
                self.transact("begin", |producer, _| producer.begin_transaction()).await?;
                self.client.get().open = true;
                self.state = State::Open { position_sent: false };
                Ok(())
            }
        }
    }

    /// One blocking call of librdkafka.
    async fn transact(
        &mut self,
        what: &'static str,
        call: impl FnOnce(&Producer, Duration) -> KafkaResult<()> + Send + 'static,
    ) -> Result<()> {
        let (producer, timeout) = (self.client.get().producer.clone(), self.shared.config.request_timeout);
        match blocking("kafka.transaction", move || call(&producer, timeout)).await? {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed(fault::of_transaction(&format!("{what} of writer `{}`", self.id), &error))),
        }
    }

    fn failed(&mut self, error: Error) -> Error {
        let fatal = self.client.get().producer.client().fatal_error();
        let error = match (error, fatal) {
            (Error::Fatal(text), _) => Error::Fatal(text),
            (Error::Fenced(text), _) => Error::Fenced(text),
            (error, Some((_, reason))) => Error::Fenced(format!("{error}: {reason}")),
            (error, None) => error,
        };
        if let Error::Fenced(text) = &error {
            self.state = State::Fenced(text.clone());
            self.client.get().open = false;
        }
        metrics::retry(
            metrics::KAFKA,
            match &error {
                Error::Fenced(_) => metrics::CAUSE_FENCED,
                Error::Aborted(_) => metrics::CAUSE_ABORTED,
                _ => metrics::CAUSE_AWAY,
            },
        );
        error
    }

    /// An acknowledgement counts as in flight until its event is freed, just after it was told, and committing meanwhile costs 100 ms.
    async fn settle(&mut self) {
        let producer = self.client.get().producer.clone();
        let watch = Stopwatch::start();
        let mut turns = 0;
        while producer.in_flight_count() > 0 && watch.elapsed() < Duration::from_millis(100) {
            turns += 1;
            if turns < 50 { tokio::task::yield_now().await } else { task::sleep(Duration::from_millis(1)).await }
        }
    }

    fn ended(&mut self) {
        self.state = State::Idle;
        self.client.get().open = false;
        (self.records, self.bytes) = (0, 0);
    }
}

#[async_trait]
impl Writer for KafkaWriter {
    async fn append(&mut self, partition: &Partition, records: Vec<NewRecord>) -> Result<Vec<u64>> {
        self.shared.questions.expect(partition).await?;
        self.shared.limits.check(&self.shared.config, partition, &records).await?;
        self.begin().await?;
        let producer = self.client.get().producer.clone();
        match append::deliver(&producer, partition, &records, self.shared.config.request_timeout).await {
            Ok(offsets) => {
                self.records += records.len();
                self.bytes += records.iter().map(convert::bytes).sum::<usize>();
                Ok(offsets)
            }
            Err(error) => {
                let context = format!("append to `{partition}` by writer `{}`", self.id);
                Err(self.failed(fault::in_transaction(&context, &error)))
            }
        }
    }

    async fn commit(&mut self, consumed: Option<(&Group, &Partition, u64)>) -> Result<()> {
        if self.state == State::Idle && consumed.is_none() {
            return Ok(());
        }
        let watch = Stopwatch::start();
        self.begin().await?;
        if let Some((group, partition, position)) = consumed
            && self.state == (State::Open { position_sent: false })
        {
            let metadata = Arc::downcast::<ConsumerGroupMetadata>(group.metadata.clone())
                .map_err(|_| Error::Invalid(format!("group `{}` belongs to another log", group.name)))?;
            let list = convert::position(partition, position, None).map_err(|error| Error::Invalid(error.to_string()))?;
            self.transact("position", move |producer, timeout| producer.send_offsets_to_transaction(&list, &metadata, timeout)).await?;
            self.state = State::Open { position_sent: true };
        }
        self.settle().await;
        self.transact("commit", |producer, timeout| producer.commit_transaction(timeout)).await?;
        metrics::appended(metrics::KAFKA, 1, self.records, self.bytes);
        metrics::committed(metrics::KAFKA, watch.elapsed());
        self.ended();
        Ok(())
    }

    async fn abort(&mut self) -> Result<()> {
        match &self.state {
            State::Idle => return Ok(()),
            State::Fenced(text) => return Err(Error::Fenced(text.clone())),
            State::Open { .. } => {}
        }
        self.transact("abort", |producer, timeout| producer.abort_transaction(timeout)).await?;
        self.ended();
        Ok(())
    }
}

impl Drop for Client {
    /// Runs off the asynchronous threads. Readers wait for an open transaction to end: better now than at its timeout.
    fn drop(&mut self) {
        if self.open
            && let Err(error) = self.producer.abort_transaction(Duration::from_secs(2))
        {
            tracing::debug!(%error, "a dropped transaction is left to its timeout");
        }
    }
}
