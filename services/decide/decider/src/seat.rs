//! The place in the group: who holds it may decide. Everything that takes long is done beside it, so that the place is kept meanwhile, and
//! that its loss is noticed.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use loki_log::{Class, Event, Group, Log, Member, Partition, Record};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Backoff, task};
use loki_telemetry::Component;

/// How long one call waits for something to happen.
const STEP: Duration = Duration::from_millis(500);
/// A call of the log that takes longer is attended: the member is asked for news meanwhile.
const ATTENDED_AFTER: Duration = Duration::from_secs(1);

/// How the place stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Waiting,
    Held,
    /// Asked back: it is given up by `release`.
    Revoked,
    /// Gone without being asked. It may have come `again` since: that is another turn, which begins after `release`.
    Lost {
        again: bool,
    },
}

pub(crate) struct Seat {
    group: String,
    member: Box<dyn Member>,
    partition: Partition,
    place: Place,
    paused: bool,
    /// Records that came and are not decided yet.
    pub(crate) waiting: VecDeque<Record>,
    /// Nothing readable lay behind the last of them.
    at_end: bool,
    component: Component,
    away: bool,
    /// The log was away and is back, and nobody has been told.
    recovered: bool,
    backoff: Backoff,
}

impl Seat {
    pub(crate) async fn join(log: &dyn Log, group: &str, partition: &Partition, component: &Component) -> loki_log::Result<Self> {
        let member = log.member(group, std::slice::from_ref(&partition.topic)).await?;
        Ok(Self {
            group: group.to_owned(),
            member,
            partition: partition.clone(),
            place: Place::Waiting,
            paused: false,
            waiting: VecDeque::new(),
            at_end: false,
            component: component.clone(),
            away: false,
            recovered: false,
            backoff: Backoff::for_backend(),
        })
    }

    pub(crate) fn is_held(&self) -> bool {
        self.place == Place::Held
    }

    /// Nothing lay behind what was read last.
    pub(crate) fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// Whether the log was away and is back since this was asked last: the component has said so and must be told.
    pub(crate) fn has_recovered(&mut self) -> bool {
        std::mem::take(&mut self.recovered)
    }

    /// Waits a moment for the place; whether it is held now.
    pub(crate) async fn wait_for_place(&mut self) -> loki_log::Result<bool> {
        if !self.is_held() {
            self.listen(1, STEP).await?;
        }
        Ok(self.is_held())
    }

    /// Does work beside the place; `None` when the place was lost first.
    pub(crate) async fn while_held<T>(&mut self, work: impl Future<Output = T>) -> loki_log::Result<Option<T>> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(Some(done)),
                told = self.listen(1, STEP) => told?,
            }
            if !self.is_held() {
                return Ok(None);
            }
        }
    }

    /// Waits for one call of the log, to its end: what it did must be known. When it takes long the member is attended.
    pub(crate) async fn beside<T>(&mut self, call: impl Future<Output = loki_log::Result<T>>) -> loki_log::Result<T> {
        let mut call = pin!(call);
        loop {
            if let Some(done) = task::timeout(ATTENDED_AFTER, &mut call).await {
                return done;
            }
            self.pause().await?;
            self.listen(1, Duration::from_millis(1)).await?;
        }
    }

    /// Begins to read at this offset.
    pub(crate) async fn start(&mut self, offset: u64) -> loki_log::Result<()> {
        self.waiting.clear();
        self.paused = false;
        self.at_end = false;
        self.member.start(&self.partition, offset).await
    }

    /// Waits a moment for commands; with the first it goes on for `wait`, or until there are `max`, or nothing lies behind them.
    pub(crate) async fn gather(&mut self, max: usize, wait: Duration) -> loki_log::Result<()> {
        self.resume().await?;
        if self.waiting.is_empty() {
            self.listen(max, STEP).await?;
        }
        let watch = Stopwatch::start();
        while self.is_held() && !self.waiting.is_empty() && self.waiting.len() < max && !self.at_end {
            let left = wait.saturating_sub(watch.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            self.listen(max - self.waiting.len(), left).await?;
        }
        Ok(())
    }

    /// Waits without taking records, for the log to come back.
    pub(crate) async fn bide(&mut self, time: Duration) -> loki_log::Result<()> {
        self.pause().await?;
        let watch = Stopwatch::start();
        while self.is_held() {
            let left = time.saturating_sub(watch.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            self.listen(1, left.min(STEP)).await?;
        }
        Ok(())
    }

    /// For the transaction that is to be committed next.
    pub(crate) fn group(&self) -> loki_log::Result<Group> {
        self.member.group()
    }

    /// Gives up what was asked back, or is gone already; the place may come again.
    pub(crate) async fn release(&mut self) -> loki_log::Result<()> {
        self.waiting.clear();
        match std::mem::replace(&mut self.place, Place::Waiting) {
            Place::Revoked => self.member.release(std::slice::from_ref(&self.partition)).await?,
            Place::Lost { again: true } => self.place = Place::Held,
            Place::Lost { again: false } | Place::Held | Place::Waiting => {}
        }
        Ok(())
    }

    /// Leaves the group at once, so that a stand-by need not wait.
    pub(crate) async fn leave(self) -> loki_log::Result<()> {
        self.member.leave().await
    }

    /// One event, or none within `wait`. A log that is away is waited for: the place may still be ours when it is back.
    async fn listen(&mut self, max: usize, wait: Duration) -> loki_log::Result<()> {
        let event = match self.member.next(max, wait).await {
            Ok(event) => event,
            Err(error) if error.class() == Class::Retry => {
                self.away = true;
                self.component.not_ready(error.to_string());
                task::sleep(self.backoff.step().min(wait)).await;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if std::mem::take(&mut self.away) {
            self.recovered = true;
            self.backoff.reset();
        }
        loki_log::metrics::told(&self.group, &event);
        match event {
            Event::Assigned(partitions) if partitions.contains(&self.partition) => self.assigned(),
            Event::Revoked(partitions) if self.is_held() && partitions.contains(&self.partition) => self.place = Place::Revoked,
            // Nothing was begun with what came again, so it may go at once.
            Event::Revoked(partitions) => {
                if matches!(self.place, Place::Lost { .. }) && partitions.contains(&self.partition) {
                    self.place = Place::Lost { again: false };
                }
                self.member.release(&partitions).await?;
            }
            Event::Lost(partitions) if self.place != Place::Waiting && partitions.contains(&self.partition) => {
                self.place = Place::Lost { again: false };
            }
            Event::Records { batch, .. } => {
                self.at_end = batch.at_end;
                self.waiting.extend(batch.records);
            }
            Event::Assigned(_) | Event::Lost(_) | Event::Idle => {}
        }
        Ok(())
    }

    fn assigned(&mut self) {
        self.place = if matches!(self.place, Place::Lost { .. }) { Place::Lost { again: true } } else { Place::Held };
    }

    async fn pause(&mut self) -> loki_log::Result<()> {
        if !self.paused && self.is_held() {
            self.member.pause(&self.partition).await?;
            self.paused = true;
        }
        Ok(())
    }

    async fn resume(&mut self) -> loki_log::Result<()> {
        if self.paused && self.is_held() {
            self.member.resume(&self.partition).await?;
            self.paused = false;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;
    use loki_log::Topic;
    use loki_telemetry::Health;

    use super::*;

    /// Tells what it was made with, then nothing.
    struct Scripted {
        events: VecDeque<Event>,
        released: Arc<Mutex<Vec<Partition>>>,
    }

    #[async_trait]
    impl Member for Scripted {
        async fn next(&mut self, _max: usize, _wait: Duration) -> loki_log::Result<Event> {
            Ok(self.events.pop_front().unwrap_or(Event::Idle))
        }

        async fn start(&mut self, _partition: &Partition, _offset: u64) -> loki_log::Result<()> {
            Ok(())
        }

        async fn pause(&mut self, _partition: &Partition) -> loki_log::Result<()> {
            Ok(())
        }

        async fn resume(&mut self, _partition: &Partition) -> loki_log::Result<()> {
            Ok(())
        }

        async fn release(&mut self, partitions: &[Partition]) -> loki_log::Result<()> {
            self.released.lock().unwrap().extend_from_slice(partitions);
            Ok(())
        }

        async fn commit(&mut self, _partition: &Partition, _position: u64, _note: Option<&str>) -> loki_log::Result<()> {
            Ok(())
        }

        fn group(&self) -> loki_log::Result<Group> {
            Err(loki_log::Error::Invalid("a scripted member has no group".to_owned()))
        }

        async fn leave(self: Box<Self>) -> loki_log::Result<()> {
            Ok(())
        }
    }

    /// A seat that is told these.
    pub(crate) async fn told(partition: &Partition, events: Vec<Event>) -> (Seat, Arc<Mutex<Vec<Partition>>>) {
        let released = Arc::default();
        let count = events.len();
        let mut seat = Seat {
            group: "decider".to_owned(),
            member: Box::new(Scripted { events: events.into(), released: Arc::clone(&released) }),
            partition: partition.clone(),
            place: Place::Waiting,
            paused: false,
            waiting: VecDeque::new(),
            at_end: false,
            component: Health::new().component("decider"),
            away: false,
            recovered: false,
            backoff: Backoff::for_backend(),
        };
        for _ in 0..count {
            seat.listen(1, STEP).await.unwrap();
        }
        (seat, released)
    }

    /// Whether the place is held once all was told in one turn and the turn is over, and how often it was given back.
    async fn after(events: &[fn(Vec<Partition>) -> Event]) -> (bool, usize) {
        let partition = Partition::only(&Topic::new("t"));
        let (mut seat, released) = told(&partition, events.iter().map(|event| event(vec![partition.clone()])).collect()).await;
        seat.release().await.unwrap();
        let count = released.lock().unwrap().len();
        (seat.is_held(), count)
    }

    #[tokio::test]
    async fn a_place_that_came_again_is_held_unless_it_went_again() {
        use Event::{Assigned, Lost, Revoked};
        assert_eq!(after(&[Assigned, Revoked]).await, (false, 1));
        assert_eq!(after(&[Assigned, Lost]).await, (false, 0));
        assert_eq!(after(&[Assigned, Lost, Assigned]).await, (true, 0));
        assert_eq!(after(&[Assigned, Lost, Assigned, Lost]).await, (false, 0));
        assert_eq!(after(&[Assigned, Lost, Assigned, Revoked]).await, (false, 1));
        assert_eq!(after(&[Assigned, Lost, Assigned, Revoked, Assigned]).await, (true, 1));
    }
}
