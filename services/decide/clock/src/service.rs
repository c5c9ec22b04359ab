//! The loop: stand by; with the partition read all facts, then fire what is due and go on reading.

use std::sync::Arc;
use std::time::Duration;

use loki_domain::{Command, Key, Kind};
use loki_log::{Event, Log, Member, NewRecord, Partition, Record};
use loki_runtime::{Backoff, Clock, Shutdown, task};
use loki_telemetry::Component;
use loki_wire::fact::{self, Change};
use loki_wire::{Envelope, command};

use crate::config::Config;
use crate::error::Error;
use crate::metrics;
use crate::timers::Timers;

/// The actor of the commands.
const ACTOR: &str = "clock";
/// A member has to be attended that often, and metrics be told.
const STEP: Duration = Duration::from_secs(1);
const READ_MAX: usize = 2_000;
/// Commands of one append.
const FIRED_MAX: usize = 500;
/// Leaving the group must not hold up a shutdown.
const LEAVE_MAX: Duration = Duration::from_secs(5);

/// One member of the clocks' group: it fires, or stands by.
pub struct TimerService {
    config: Config,
    log: Arc<dyn Log>,
    clock: Clock,
    component: Component,
}

/// What the holder of the partition knows.
#[derive(Default)]
struct Held {
    timers: Timers,
    /// All facts were read that there were when it began.
    is_live: bool,
}

impl TimerService {
    pub fn new(config: Config, log: Arc<dyn Log>, clock: Clock, component: Component) -> Self {
        Self { config, log, clock, component }
    }

    /// Runs until shutdown, or until an error that no repetition can help. A stand-by is ready: it does all that it has to.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), Error> {
        let mut backoff = Backoff::for_backend();
        while !shutdown.has_begun() {
            let result = self.take_part(&shutdown, &mut backoff).await;
            metrics::timers(0, 0);
            match result {
                Ok(()) => {}
                Err(error) if error.passes() => {
                    self.component.not_ready(error.to_string());
                    shutdown.unless(backoff.wait()).await;
                }
                Err(error) => {
                    self.component.not_ready(error.to_string());
                    tracing::error!(error = %error, "the clock stops");
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Joins the group, and leaves it whatever happens: another member should not have to wait for a timeout.
    async fn take_part(&self, shutdown: &Shutdown, backoff: &mut Backoff) -> Result<(), Error> {
        let facts = self.config.facts();
        let mut member = self.log.member(&self.config.group(), std::slice::from_ref(&facts.topic)).await?;
        let result = self.attend(&mut *member, &facts, shutdown, backoff).await;
        match task::timeout(LEAVE_MAX, member.leave()).await {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::warn!(error = %error, "the group was not left in order"),
            None => tracing::warn!("the group was not left in time"),
        }
        result
    }

    async fn attend(&self, member: &mut dyn Member, facts: &Partition, shutdown: &Shutdown, backoff: &mut Backoff) -> Result<(), Error> {
        let group = self.config.group();
        let mut held: Option<Held> = None;
        self.component.ready();
        loop {
            let wait = held.as_ref().map_or(STEP, |held| self.wait(held));
            let Some(event) = shutdown.unless(member.next(READ_MAX, wait)).await else { return Ok(()) };
            let event = event?;
            loki_log::metrics::told(&group, &event);
            match event {
                Event::Assigned(partitions) if partitions.contains(facts) => {
                    self.component.not_ready("reads the timers");
                    member.start(facts, 0).await?;
                    held = Some(Held::default());
                }
                Event::Revoked(partitions) => {
                    if partitions.contains(facts) {
                        held = self.stand_by();
                    }
                    member.release(&partitions).await?;
                }
                Event::Lost(partitions) if partitions.contains(facts) => held = self.stand_by(),
                Event::Records { batch, .. } => {
                    if let Some(held) = &mut held {
                        batch.records.iter().try_for_each(|record| self.read(record, &mut held.timers))?;
                        if batch.at_end && !held.is_live {
                            held.is_live = true;
                            backoff.reset();
                            self.component.ready();
                        }
                    }
                }
                Event::Assigned(_) | Event::Lost(_) | Event::Idle => {}
            }
            if let Some(held) = held.as_mut().filter(|held| held.is_live) {
                self.fire(&mut held.timers).await?;
            }
        }
    }

    fn stand_by(&self) -> Option<Held> {
        self.component.ready();
        metrics::timers(0, 0);
        None
    }

    fn wait(&self, held: &Held) -> Duration {
        let next = held.timers.wait_ms(self.clock.now_ms()).filter(|_| held.is_live);
        next.map_or(STEP, |ms| Duration::from_millis(ms).min(STEP))
    }

    /// Takes a record in if it is about a timer. All others, which are many, are not even read.
    fn read(&self, record: &Record, timers: &mut Timers) -> Result<(), Error> {
        let is_timer = |key: &[u8]| key.strip_prefix(Kind::Timer.as_str().as_bytes()).is_some_and(|rest| rest.starts_with(b"/"));
        if !record.key.as_deref().is_some_and(is_timer) {
            return Ok(());
        }
        let fact = fact::read(record.offset, record.key.as_ref(), record.value.as_ref(), &record.headers)
            .map_err(|reason| Error::Unreadable { topic: record.partition.topic.as_str().to_owned(), offset: record.offset, reason })?;
        match fact.change {
            Change::Set(loki_domain::Entity::Timer(timer)) => timers.set(timer),
            Change::Removed(Key::Timer(run)) => timers.remove(run),
            Change::Set(_) | Change::Removed(_) | Change::Log(_) => {}
        }
        Ok(())
    }

    async fn fire(&self, timers: &mut Timers) -> Result<(), Error> {
        let now_ms = self.clock.now_ms();
        let due = timers.fire(now_ms, FIRED_MAX);
        if !due.is_empty() {
            let records = due.iter().map(|timer| fired(*timer)).collect();
            self.log.append(&self.config.commands(), records).await?;
            metrics::fired(due.len());
        }
        metrics::timers(timers.count(), timers.late_ms(now_ms));
        Ok(())
    }
}

/// It has no id: the same timer may have to be fired again, and that would be a duplicate.
fn fired(timer: loki_domain::Timer) -> NewRecord {
    let command = Command::TimerFire { run: timer.run, due_ms: timer.due_ms };
    let mut envelope = Envelope::new(command.type_name(), command::write(&command));
    ACTOR.clone_into(&mut envelope.actor);
    envelope.source = Some("loki/clock".to_owned());
    NewRecord { key: None, value: Some(envelope.data.clone()), headers: envelope.headers(), timestamp_ms: None }
}
