//! The loop's seat in the consumer group: whatever else is awaited, the member is polled.
//!
//! The group's session lasts 6 s, and a member that is not polled for that long is thrown out. So nothing here bounds a store's call by the
//! session; instead every wait (a write, a backoff, a read of the log) goes through `unless_gone` or `finish`, which poll the member at
//! least once a second meanwhile. That also reads one batch ahead of the store. A batch that waits for longer pauses the partition, so that
//! polling goes on without bringing more.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use loki_log::{Class, Event, Log, Member, Partition};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Backoff, Clock, Shutdown, task};

use crate::config::RunnerConfig;
use crate::decode::{Ahead, Decoded};
use crate::error::{Break, Error, Flow};
use crate::metrics;
use crate::projection::Item;
use crate::report::Report;

/// The longest wait in one poll: the loop looks up at least so often.
const POLL: Duration = Duration::from_secs(1);
/// A batch that was read ahead and is not asked for within this pauses the partition.
const PAUSE_AFTER: Duration = Duration::from_millis(500);
/// Waits after an error of the log stay below the session.
const LOG_BACKOFF_MAX: Duration = Duration::from_secs(2);

/// A membership of one partition's group, made again when the log throws it away.
pub(crate) struct Seat<I> {
    log: Arc<dyn Log>,
    group: String,
    partition: Partition,
    clock: Clock,
    shutdown: Shutdown,
    drain: Duration,
    report: Report,
    member: Option<Box<dyn Member>>,
    standing: Standing,
    paused: bool,
    /// What comes next is not what lies at the loop's position: it must start again.
    astray: bool,
    /// Where the log ended when there was nothing to be read at a position beyond it.
    short: Option<u64>,
    ahead: Option<(Ahead<I>, Stopwatch)>,
    read_max: usize,
    backoff: Backoff,
    /// It told that the log is away.
    away: bool,
    fatal: Option<Error>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Another member holds the partition, or nobody.
    Out,
    Holds,
    /// It is to be released.
    Revoked,
}

impl<I: Item> Seat<I> {
    pub(crate) fn new(log: Arc<dyn Log>, config: &RunnerConfig, clock: Clock, shutdown: Shutdown, report: Report) -> Self {
        Self {
            log,
            group: config.group.clone(),
            partition: Partition::only(&config.topic),
            clock,
            shutdown,
            drain: config.drain,
            report,
            member: None,
            standing: Standing::Out,
            paused: false,
            astray: false,
            short: None,
            ahead: None,
            read_max: config.batch_records_max,
            backoff: Backoff::new(config.backoff.0, config.backoff.1.min(LOG_BACKOFF_MAX)),
            away: false,
            fatal: None,
        }
    }

    pub(crate) fn holds(&self) -> bool {
        self.standing == Standing::Holds
    }

    /// It joined, and waits for its turn.
    pub(crate) fn has_joined(&self) -> bool {
        self.member.is_some()
    }

    /// Waits for news of the group, at most about a second.
    pub(crate) async fn stand_by(&mut self) -> Flow<()> {
        let shutdown = self.shutdown.clone();
        tokio::select! {
            biased;
            () = shutdown.begun() => return Err(Break::Shutdown),
            () = self.poll() => {}
        }
        self.fatal.take().map_or(Ok(()), |error| Err(Break::Fatal(error)))
    }

    /// Begins to read at `offset`, at most `read_max` records at a time.
    pub(crate) async fn start(&mut self, offset: u64, read_max: usize) -> Flow<()> {
        self.check()?;
        self.ahead = None;
        self.astray = false;
        self.read_max = read_max;
        let Some(member) = &mut self.member else { return Err(Break::Gone) };
        match member.start(&self.partition, offset).await {
            Ok(()) => {
                self.paused = false;
                Ok(())
            }
            Err(error) => {
                self.refused(error).await;
                self.check()?;
                Err(Break::EnterAgain)
            }
        }
    }

    /// Where the log ended when its member found itself beyond that, once.
    pub(crate) fn take_short(&mut self) -> Option<u64> {
        self.short.take()
    }

    pub(crate) fn read_at_most(&mut self, records: usize) {
        self.read_max = records;
    }

    /// What was read next; `None` when nothing came within `wait`.
    pub(crate) async fn next(&mut self, wait: Duration) -> Flow<Option<Decoded<I>>> {
        let shutdown = self.shutdown.clone();
        let watch = Stopwatch::start();
        loop {
            self.check()?;
            if let Some((ahead, _)) = self.ahead.take() {
                return ahead.decoded().await.map(Some).map_err(Break::Fatal);
            }
            if self.astray {
                return Err(Break::EnterAgain);
            }
            self.resume().await;
            tokio::select! {
                biased;
                () = shutdown.begun() => {}
                () = self.poll() => {}
                () = task::sleep(wait.saturating_sub(watch.elapsed())) => return Ok(None),
            }
        }
    }

    /// Runs a call that may be dropped at any time; it is when the partition goes or the process stops.
    pub(crate) async fn unless_gone<T>(&mut self, call: impl Future<Output = T>) -> Flow<T> {
        let mut call = pin!(call);
        let shutdown = self.shutdown.clone();
        loop {
            self.check()?;
            tokio::select! {
                biased;
                () = shutdown.begun() => {}
                value = &mut call => return Ok(value),
                () = self.poll() => {}
            }
        }
    }

    /// Runs a call that should be finished: up to `limit`, after which it is dropped and `None`; when the partition is being taken away or the
    /// process stops, up to `drain` from then on. It is dropped at once when the partition is lost.
    pub(crate) async fn finish<T>(&mut self, limit: Duration, call: impl Future<Output = T>) -> Flow<Option<T>> {
        self.check()?;
        let mut call = pin!(call);
        let shutdown = self.shutdown.clone();
        let watch = Stopwatch::start();
        let mut leaving: Option<Stopwatch> = None;
        loop {
            let left = limit.saturating_sub(watch.elapsed());
            let left = leaving.map_or(left, |leaving| left.min(self.drain.saturating_sub(leaving.elapsed())));
            tokio::select! {
                biased;
                value = &mut call => return Ok(Some(value)),
                () = task::sleep(left) => {
                    self.check()?;
                    return Ok(None);
                }
                () = shutdown.begun(), if leaving.is_none() => leaving = Some(Stopwatch::start()),
                () = self.poll() => {}
            }
            if self.standing == Standing::Out {
                self.check()?;
            }
            if leaving.is_none() && (self.standing == Standing::Revoked || self.fatal.is_some()) {
                leaving = Some(Stopwatch::start());
            }
        }
    }

    /// Stores the group's offset and what it shall say; a failure is counted, and the caller tries again when it commits next.
    pub(crate) async fn commit(&mut self, position: u64, note: Option<&str>) -> bool {
        let Some(member) = &mut self.member else { return false };
        let mut stored = member.commit(&self.partition, position, note).await;
        if stored.as_ref().is_err_and(|error| note.is_some() && error.class() == Class::Invalid) {
            // a broker that takes no note of this length shall have the offset all the same
            stored = member.commit(&self.partition, position, None).await;
        }
        match stored {
            Ok(()) => true,
            Err(error) => {
                metrics::retry(self.report.name(), metrics::CAUSE_COMMIT);
                tracing::debug!(projection = self.report.name(), error = %error, position, "the group's offset was not stored");
                false
            }
        }
    }

    /// The group's offset is still this member's to store.
    pub(crate) fn may_commit(&self) -> bool {
        self.standing != Standing::Out
    }

    /// Gives the partition back.
    pub(crate) async fn release(&mut self) {
        self.drop_work();
        if std::mem::replace(&mut self.standing, Standing::Out) != Standing::Revoked {
            return;
        }
        if let Some(member) = &mut self.member
            && let Err(error) = member.release(std::slice::from_ref(&self.partition)).await
        {
            self.refused(error).await;
        }
    }

    pub(crate) async fn leave(self) {
        if let Some(member) = self.member {
            match task::timeout(self.drain, member.leave()).await {
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::warn!(projection = self.report.name(), error = %error, "the group was not left in order"),
                None => tracing::warn!(projection = self.report.name(), "the group was not left in time"),
            }
        }
    }

    /// Whether work may go on.
    fn check(&mut self) -> Flow<()> {
        if let Some(error) = self.fatal.take() {
            return Err(Break::Fatal(error));
        }
        if self.shutdown.has_begun() {
            return Err(Break::Shutdown);
        }
        if self.standing == Standing::Holds { Ok(()) } else { Err(Break::Gone) }
    }

    async fn resume(&mut self) {
        if self.paused
            && let Some(member) = &mut self.member
        {
            match member.resume(&self.partition).await {
                Ok(()) => self.paused = false,
                Err(error) => self.refused(error).await,
            }
        }
    }

    /// One poll, at most about a second. Cancel safe.
    async fn poll(&mut self) {
        if self.fatal.is_some() {
            task::sleep(POLL).await;
        } else if let Err(error) = self.poll_once().await {
            self.fault(error).await;
        }
    }

    async fn poll_once(&mut self) -> loki_log::Result<()> {
        let Some(member) = &mut self.member else {
            self.member = Some(self.log.member(&self.group, std::slice::from_ref(&self.partition.topic)).await?);
            return Ok(());
        };
        if let Some((_, since)) = self.ahead.as_ref().filter(|_| !self.paused) {
            task::sleep(PAUSE_AFTER.saturating_sub(since.elapsed())).await;
        }
        if (self.ahead.is_some() || self.astray) && !self.paused && self.standing != Standing::Out {
            // Said before it is done: a call that is dropped half-way must not leave a pause that nobody ends.
            self.paused = true;
            if let Err(error) = member.pause(&self.partition).await {
                self.refused(error).await;
            }
            return Ok(());
        }
        let event = member.next(self.read_max, POLL).await?;
        loki_log::metrics::told(&self.group, &event);
        if std::mem::take(&mut self.away) {
            self.backoff.reset();
            self.report.log_back();
        }
        self.take(event);
        Ok(())
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Assigned(partitions) => {
                if partitions.iter().any(|partition| *partition != self.partition) {
                    self.fatal = Some(Error::Partitions(self.partition.topic.to_string()));
                } else if !partitions.is_empty() {
                    self.drop_work();
                    self.standing = Standing::Holds;
                }
            }
            Event::Revoked(partitions) if partitions.contains(&self.partition) => {
                if self.standing == Standing::Holds {
                    self.standing = Standing::Revoked;
                }
            }
            Event::Lost(partitions) if partitions.contains(&self.partition) => {
                self.drop_work();
                self.standing = Standing::Out;
            }
            Event::Records { partition, batch } if partition == self.partition && self.standing == Standing::Holds => {
                if self.ahead.is_some() {
                    // A member that gives records while it is paused: start again rather than lose them.
                    self.ahead = None;
                    self.astray = true;
                } else if !self.astray && (batch.at_end || !batch.records.is_empty()) {
                    self.ahead = Some((Ahead::begin(batch, self.clock.now_ms()), Stopwatch::start()));
                }
            }
            Event::Revoked(_) | Event::Lost(_) | Event::Records { .. } | Event::Idle => {}
        }
    }

    fn drop_work(&mut self) {
        self.ahead = None;
        self.astray = false;
        self.paused = false;
    }

    /// A member that refuses to start, pause or give back a partition has lost it, and tells so when it is polled next.
    async fn refused(&mut self, error: loki_log::Error) {
        if matches!(error, loki_log::Error::Invalid(_)) {
            tracing::debug!(projection = self.report.name(), error = %error, "the partition is being lost");
            self.astray = true;
        } else {
            self.fault(error).await;
        }
    }

    /// Waits after an error of the member, or remembers that nothing will mend it.
    async fn fault(&mut self, error: loki_log::Error) {
        match error.class() {
            Class::Retry => {}
            Class::Abort | Class::Fenced => {
                self.drop_work();
                self.standing = Standing::Out;
                self.member = None;
            }
            Class::Invalid | Class::Fatal => match error {
                loki_log::Error::OutOfRange { position, end, .. } => {
                    self.short = (position > end).then_some(end);
                    tracing::warn!(projection = self.report.name(), error = %error, "reading begins again");
                    self.astray = true;
                    return;
                }
                loki_log::Error::NoSuchTopic(_) => {}
                error => {
                    self.fatal = Some(Error::Log(error));
                    return;
                }
            },
        }
        metrics::retry(self.report.name(), metrics::CAUSE_LOG);
        self.report.log_away(error.to_string());
        self.away = true;
        let wait = self.backoff.step();
        task::sleep(wait).await;
    }
}
