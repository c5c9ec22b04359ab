//! The loop over a topic of many partitions: this process' share of them, each with a task of its own.
//!
//! `runner` fills a store from one partition, in steps that the store accepts or refuses. Samples are the volume and lie in many partitions, and
//! what takes them differs: the live state compares positions, the sink of the time series commits the group's. So only what is the same for
//! both is here: the membership. It is polled whatever the tasks do; a task that does not take its records pauses its partition and no other; one
//! whose partition is taken away is told, finishes, and only then the partition goes.
//!
//! A task gets a [`Hold`]: it begins to read where it wants, takes records, says how far it is and what keeps it from getting on. It ends when the
//! hold is [`Gone`]. One that ends before that is started again, with a wait in between.

mod backlog;
mod hold;
mod slot;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use loki_log::{Class, Event, Log, Member, Partition, Topic};
use loki_runtime::clock::Stopwatch;
use loki_runtime::process::belonging;
use loki_runtime::{Backoff, Clock, Shutdown, task};
use loki_telemetry::Component;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use hold::Request;
pub use hold::{Gone, Hold};
use slot::Slot;

use crate::error::Error;
use crate::metrics;

/// The longest wait in one poll: the loop looks up at least so often.
const POLL: Duration = Duration::from_secs(1);
/// How often the groups' offsets are stored.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// How often the ends of the partitions are asked for, to tell how far behind this process is.
const LAG_EVERY: Duration = Duration::from_secs(10);
/// Waits after an error of the log stay below the session of 6 s.
const LOG_BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// A member without a partition for so long is a stand-by, and ready as such.
const STAND_BY_AFTER: Duration = Duration::from_secs(10);

/// What the loop is told.
#[derive(Debug, Clone)]
pub struct ShareConfig {
    /// In metrics and logs.
    pub name: &'static str,
    pub topic: Topic,
    /// The consumer group, prefix included.
    pub group: String,
    /// The most records in one read.
    pub batch_records_max: usize,
    /// How long tasks may go on when their partition is taken away or the process stops.
    pub drain: Duration,
}

/// The loop, ready to run.
pub struct Share {
    log: Arc<dyn Log>,
    config: ShareConfig,
    clock: Clock,
    health: Component,
}

impl Share {
    pub fn new(log: Arc<dyn Log>, config: ShareConfig, clock: Clock, health: Component) -> Self {
        Self { log, config, clock, health }
    }

    /// Runs `work` for each partition that this process holds, until shutdown begins. A log that is away is waited for; an error is one that waiting
    /// cannot mend, of the log or of a task.
    pub async fn run<W, F>(self, work: W, shutdown: Shutdown) -> Result<(), Error>
    where
        W: Fn(Hold) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let (requests, asked) = mpsc::channel(64);
        let looped = Loop {
            log: self.log,
            config: self.config,
            clock: self.clock,
            health: self.health,
            requests,
            asked,
            taken: Arc::default(),
            member: None,
            slots: BTreeMap::new(),
            tasks: JoinSet::new(),
            backoff: Backoff::new(LOG_BACKOFF.0, LOG_BACKOFF.1),
            log_away: None,
            alone: Stopwatch::start(),
            committed: Stopwatch::start(),
            lagged: None,
        };
        Box::pin(looped.run(Arc::new(work), shutdown)).await
    }
}

struct Loop {
    log: Arc<dyn Log>,
    config: ShareConfig,
    clock: Clock,
    health: Component,
    requests: mpsc::Sender<Request>,
    asked: mpsc::Receiver<Request>,
    /// A task took a batch.
    taken: Arc<Notify>,
    member: Option<Box<dyn Member>>,
    slots: BTreeMap<Partition, Slot>,
    tasks: JoinSet<(Partition, u64, Result<(), Error>)>,
    backoff: Backoff,
    /// Why the log cannot be used now.
    log_away: Option<String>,
    /// Since when it holds no partition.
    alone: Stopwatch,
    /// When offsets were stored last.
    committed: Stopwatch,
    /// When the ends were asked for last.
    lagged: Option<Stopwatch>,
}

impl Loop {
    async fn run<W, F>(mut self, work: Arc<W>, shutdown: Shutdown) -> Result<(), Error>
    where
        W: Fn(Hold) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let result = loop {
            tokio::select! {
                biased;
                () = shutdown.begun() => break Ok(()),
                Some(request) = self.asked.recv() => self.serve(request).await,
                Some(ended) = self.tasks.join_next() => match ended {
                    Ok((partition, number, Ok(()))) => self.ended(&partition, number).await,
                    Ok((_, _, Err(error))) => break Err(error),
                    Err(error) if error.is_cancelled() => {}
                    Err(error) => break Err(Error::Work(error.to_string())),
                },
                () = self.taken.notified() => {}
                polled = poll(&mut self.member, &self.log, &self.config) => match polled {
                    Ok(event) => {
                        self.log_is_back();
                        self.take(event).await;
                    }
                    Err(error) => if let Err(error) = self.fault(error).await { break Err(error) },
                },
            }
            self.upkeep(&work).await;
        };
        if let Err(error) = &result {
            tracing::error!(projection = self.config.name, error = %error, "the loop ends");
        }
        self.leave().await;
        result
    }

    /// A request of a task.
    async fn serve(&mut self, request: Request) {
        let Request::Start { partition, number, offset, reply } = request;
        let Some(slot) = self.slots.get_mut(&partition).filter(|slot| slot.is(number) && !slot.is_leaving()) else {
            let _gone = reply.send(Err(Gone));
            return;
        };
        let Some(member) = &mut self.member else {
            let _gone = reply.send(Err(Gone));
            return;
        };
        match member.start(&partition, offset).await {
            Ok(()) => {
                let _gone = reply.send(Ok(slot.started()));
            }
            Err(error) => {
                tracing::warn!(projection = self.config.name, partition = %partition, offset, error = %error, "reading does not begin there");
                let _gone = reply.send(Err(Gone));
            }
        }
    }

    async fn take(&mut self, event: Event) {
        loki_log::metrics::told(&self.config.group, &event);
        match event {
            Event::Assigned(partitions) => {
                if !partitions.is_empty() {
                    let numbers: Vec<u32> = partitions.iter().map(|partition| partition.number).collect();
                    tracing::info!(projection = self.config.name, topic = %self.config.topic, partitions = ?numbers, "holds partitions");
                }
                for partition in partitions {
                    self.drop_slot(&partition);
                    self.slots.insert(partition, Slot::new());
                }
            }
            Event::Revoked(partitions) => {
                for partition in partitions {
                    match self.slots.get_mut(&partition) {
                        Some(slot) => slot.leave(),
                        None => self.release(&partition).await,
                    }
                }
            }
            Event::Lost(partitions) => {
                for partition in partitions {
                    self.drop_slot(&partition);
                }
            }
            Event::Records { partition, batch } => {
                if let Some(slot) = self.slots.get_mut(&partition) {
                    if !batch.records.is_empty() {
                        metrics::read(self.config.name, batch.records.len());
                    }
                    slot.push(batch);
                }
            }
            Event::Idle => {}
        }
    }

    /// A task has ended: its partition goes, or it is started again.
    async fn ended(&mut self, partition: &Partition, number: u64) {
        let Some(slot) = self.slots.get_mut(partition).filter(|slot| slot.is(number)) else { return };
        slot.rest();
        if slot.is_leaving() {
            self.commit(partition).await;
            self.drop_slot(partition);
            self.release(partition).await;
        }
    }

    /// What is due after each event: tasks that are to be started, batches that find room, pauses, offsets, readiness.
    async fn upkeep<W, F>(&mut self, work: &Arc<W>)
    where
        W: Fn(Hold) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let mut going = Vec::new();
        for (partition, slot) in &mut self.slots {
            if let Some(number) = slot.due() {
                let (hold, desk) = Hold::new(partition.clone(), number, self.requests.clone(), self.taken.clone());
                slot.begin(desk);
                let (log, group, work) = (self.log.clone(), self.config.group.clone(), work.clone());
                let task = self.tasks.spawn(belonging(async move {
                    let partition = hold.partition().clone();
                    let result = match hold.opened(&log, &group).await {
                        Ok(hold) => work(hold).await,
                        Err(Gone) => Ok(()),
                    };
                    (partition, number, result)
                }));
                slot.runs(task);
            } else if slot.may_go(self.config.drain) {
                going.push(partition.clone());
            }
        }
        for partition in going {
            self.commit(&partition).await;
            self.drop_slot(&partition);
            self.release(&partition).await;
        }
        self.flow().await;
        if self.committed.elapsed() >= COMMIT_EVERY {
            self.committed = Stopwatch::start();
            let held: Vec<_> = self.slots.keys().cloned().collect();
            for partition in &held {
                self.commit(partition).await;
            }
        }
        if self.lagged.is_none_or(|watch| watch.elapsed() >= LAG_EVERY) {
            self.lagged = Some(Stopwatch::start());
            self.tell_lag();
        }
        self.tell_health();
    }

    /// Pauses what is not taken, and resumes what found room.
    async fn flow(&mut self) {
        let Some(member) = &mut self.member else { return };
        let mut refused = None;
        for (partition, slot) in &mut self.slots {
            let changed = match slot.wants_pause() {
                Some(true) => member.pause(partition).await,
                Some(false) => member.resume(partition).await,
                None => continue,
            };
            match changed {
                Ok(()) => slot.paused_is(),
                // it is being lost, and the member tells so when it is polled next
                Err(loki_log::Error::Invalid(_)) => {}
                Err(error) => refused = Some(error),
            }
        }
        if let Some(error) = refused {
            metrics::retry(self.config.name, metrics::CAUSE_LOG);
            self.log_away = Some(error.to_string());
        }
    }

    /// Stores the group's offset of a partition, and what keeps it from getting on, if either has changed.
    async fn commit(&mut self, partition: &Partition) {
        let now_ms = self.clock.now_ms();
        let (Some(slot), Some(member)) = (self.slots.get_mut(partition), &mut self.member) else { return };
        let Some((position, told)) = slot.uncommitted(now_ms) else { return };
        let note = told.map(|told| told.to_note());
        match member.commit(partition, position, note.as_deref()).await {
            Ok(()) => slot.was_committed(),
            Err(error) => {
                metrics::retry(self.config.name, metrics::CAUSE_COMMIT);
                tracing::debug!(projection = self.config.name, partition = %partition, error = %error, "the group's offset was not stored");
            }
        }
    }

    async fn release(&mut self, partition: &Partition) {
        if let Some(member) = &mut self.member
            && let Err(error) = member.release(std::slice::from_ref(partition)).await
        {
            tracing::debug!(projection = self.config.name, partition = %partition, error = %error, "a partition was not given back in order");
        }
    }

    /// Its task is dropped where it is.
    fn drop_slot(&mut self, partition: &Partition) {
        if let Some(slot) = self.slots.remove(partition) {
            let finished = slot.drop_work();
            tracing::info!(projection = self.config.name, partition = %partition, finished, "a partition goes");
        }
        if self.slots.is_empty() {
            self.alone = Stopwatch::start();
        }
    }

    /// Waits after an error of the member; gives it back when nothing will mend it.
    async fn fault(&mut self, error: loki_log::Error) -> Result<(), Error> {
        match error.class() {
            Class::Retry => {}
            Class::Abort | Class::Fenced => {
                self.member = None;
                for partition in self.slots.keys().cloned().collect::<Vec<_>>() {
                    self.drop_slot(&partition);
                }
            }
            Class::Invalid | Class::Fatal => match error {
                // retention has passed a reader: its task looks where the log begins and starts again
                loki_log::Error::OutOfRange { ref partition, .. } => {
                    tracing::warn!(projection = self.config.name, error = %error, "reading begins again");
                    for (held, slot) in &mut self.slots {
                        if held.to_string() == *partition {
                            slot.begin_again();
                        }
                    }
                    return Ok(());
                }
                loki_log::Error::NoSuchTopic(_) => {}
                error => return Err(Error::Log(error)),
            },
        }
        metrics::retry(self.config.name, metrics::CAUSE_LOG);
        self.log_away = Some(error.to_string());
        self.tell_health();
        let wait = self.backoff.step();
        task::sleep(wait).await;
        Ok(())
    }

    fn log_is_back(&mut self) {
        if self.log_away.take().is_some() {
            self.backoff.reset();
        }
    }

    /// How far behind this process is, in records over all its partitions and in time by the oldest of them. The ends are asked for beside the loop:
    /// a log that answers slowly does not hold it up.
    fn tell_lag(&mut self) {
        let oldest_ms = self.slots.values_mut().filter_map(Slot::oldest_ms).min();
        metrics::lag_ms(self.config.name, oldest_ms.map_or(0, |oldest_ms| (self.clock.now_ms() - oldest_ms).max(0)));
        let places: Vec<_> = self.slots.iter().map(|(held, slot)| (held.clone(), slot.position())).collect();
        let (log, name, group) = (self.log.clone(), self.config.name, self.config.group.clone());
        task::spawn("lag", async move {
            let asked = async {
                let mut lag = 0;
                for (partition, said) in places {
                    let bounds = log.bounds(&partition).await.ok()?;
                    // a task that has not got on yet goes on where the group is
                    let position = match said {
                        Some(position) => position,
                        None => log.committed(&group, &partition).await.ok()?.map_or(bounds.start, |committed| committed.position),
                    };
                    lag += bounds.end.saturating_sub(position);
                }
                Some(lag)
            };
            if let Some(Some(lag)) = task::timeout(LAG_EVERY, asked).await {
                metrics::lag(name, lag);
            }
        });
    }

    fn tell_health(&self) {
        metrics::away(self.config.name, metrics::WHAT_LOG, self.log_away.is_some());
        let ailing = self.slots.values().filter(|slot| slot.trouble().is_some()).count();
        metrics::partitions(self.config.name, self.slots.len(), ailing);
        if let Some(why) = &self.log_away {
            return self.health.not_ready(format!("the log: {why}"));
        }
        if self.member.is_none() || (self.slots.is_empty() && self.alone.elapsed() < STAND_BY_AFTER) {
            return self.health.not_ready("joining");
        }
        let troubles: BTreeSet<String> = self.slots.values().filter_map(Slot::trouble).collect();
        match troubles.first() {
            None => self.health.ready(),
            Some(first) if troubles.len() == 1 => self.health.not_ready(first),
            Some(first) => self.health.not_ready(format!("{first}, and {} more", troubles.len() - 1)),
        }
    }

    /// Lets the tasks finish, stores offsets, and leaves the group at once.
    async fn leave(mut self) {
        self.slots.values_mut().for_each(Slot::leave);
        let watch = Stopwatch::start();
        while !self.tasks.is_empty() && watch.elapsed() < self.config.drain {
            tokio::select! {
                biased;
                Some(request) = self.asked.recv() => self.serve(request).await,
                Some(ended) = self.tasks.join_next() => if let Ok((partition, number, _)) = ended
                    && let Some(slot) = self.slots.get_mut(&partition).filter(|slot| slot.is(number))
                {
                    slot.rest();
                },
                // it stays in the group meanwhile; nothing that comes is taken any more
                polled = poll(&mut self.member, &self.log, &self.config) => match polled {
                    Ok(Event::Lost(partitions)) => partitions.iter().for_each(|partition| self.drop_slot(partition)),
                    Ok(_) => {}
                    Err(_) => task::sleep(LOG_BACKOFF.0).await,
                },
            }
        }
        if !self.tasks.is_empty() {
            tracing::warn!(projection = self.config.name, "work on partitions was not finished in time");
            self.tasks.shutdown().await;
        }
        let held: Vec<_> = self.slots.keys().cloned().collect();
        for partition in &held {
            self.commit(partition).await;
        }
        if let Some(member) = self.member.take() {
            match task::timeout(self.config.drain, member.leave()).await {
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::warn!(projection = self.config.name, error = %error, "the group was not left in order"),
                None => tracing::warn!(projection = self.config.name, "the group was not left in time"),
            }
        }
    }
}

/// One poll, at most about a second. Cancel safe.
async fn poll(member: &mut Option<Box<dyn Member>>, log: &Arc<dyn Log>, config: &ShareConfig) -> loki_log::Result<Event> {
    match member {
        Some(member) => member.next(config.batch_records_max, POLL).await,
        None => {
            *member = Some(log.member(&config.group, std::slice::from_ref(&config.topic)).await?);
            Ok(Event::Idle)
        }
    }
}
