//! The task of one partition: reads, judges, hands on, and says how far it is.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use loki_domain::Sample;
use loki_log::{Partition, Record};
use loki_runner::{Gone, Hold};
use loki_runtime::task;
use loki_wire::dead::DeadReason;
use loki_wire::sample::Reader;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use super::append::Append;
use super::judge::{Judge, Verdict};
use super::late::Look;
use super::letter::{self, MOVED};
use super::progress::Progress;
use super::refill::Entered;
use super::trouble::Troubles;
use super::write::Put;
use super::{Common, Home, Looked, Stored, Ticket, Told, refill};
use crate::metrics::{self, Counts};

/// Points that are judged before anything else is looked at.
const POINTS_PER_TURN: usize = 2_000;
/// Records that may be begun behind one that does not get finished. They cost little, but not nothing.
const RECORDS_OPEN_MAX: usize = 50_000;

/// Works on a partition until it goes.
pub(crate) async fn run(common: Arc<Common>, mut hold: Hold) -> Result<(), loki_runner::Error> {
    match Task::begin(common, &mut hold).await {
        Ok(task) => Box::pin(task.run(hold)).await,
        Err(Gone) => Ok(()),
    }
}

struct Task {
    common: Arc<Common>,
    partition: Partition,
    home: Home,
    inbox: mpsc::UnboundedReceiver<Told>,
    troubles: watch::Receiver<Troubles>,
    points: Reader,
    judge: Judge,
    progress: Progress<Kept>,
    /// Read, and not begun.
    records: VecDeque<Record>,
    /// The position after them.
    read_to: u64,
    /// The next record, for which there is no room yet.
    next: Option<Next>,
    /// The record that is being judged.
    current: Option<Current>,
    counts: Counts,
    /// Dead letters by reason, to be counted with the rest.
    dead: BTreeMap<String, u64>,
    committed: u64,
    /// What it said last of what is wrong.
    said: Option<String>,
}

/// What is kept of a record until all its points are finished.
struct Kept {
    record: Record,
    /// Bytes of it that its dead letters keep.
    spent: usize,
    _room: OwnedSemaphorePermit,
}

struct Next {
    record: Record,
    points: Points,
    weight: u32,
}

type Points = Result<Vec<Result<Sample, loki_wire::Error>>, loki_wire::Error>;

struct Current {
    offset: u64,
    log_ms: i64,
    was_moved: bool,
    points: std::iter::Enumerate<std::vec::IntoIter<Result<Sample, loki_wire::Error>>>,
    /// Judged already, and to be judged once more.
    again: Option<(u32, Sample)>,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// There is more to be judged.
    More,
    /// Everything that was read is judged.
    Empty,
    /// Something has to be settled first.
    Blocked,
    /// The next record needs so much room.
    NoRoom(u32),
}

impl Task {
    async fn begin(common: Arc<Common>, hold: &mut Hold) -> Result<Self, Gone> {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let partition = hold.partition().clone();
        let (told, inbox) = mpsc::unbounded_channel();
        let home = Home { number: NUMBER.fetch_add(1, Ordering::Relaxed), told: Arc::new(told) };
        let Entered { beginning, points, judge } = refill::enter(&common, hold).await?;
        hold.start(beginning).await?;
        tracing::debug!(partition = %partition, offset = beginning, "samples are stored from here on");
        Ok(Self {
            troubles: common.trouble.watch(),
            common,
            partition,
            home,
            inbox,
            points,
            judge,
            progress: Progress::new(beginning),
            records: VecDeque::new(),
            read_to: beginning,
            next: None,
            current: None,
            counts: Counts::default(),
            dead: BTreeMap::new(),
            committed: beginning,
            said: None,
        })
    }

    async fn run(mut self, mut hold: Hold) -> Result<(), loki_runner::Error> {
        let end = hold.end().clone();
        let mut room: Option<OwnedSemaphorePermit> = None;
        loop {
            let is_away = self.tell_trouble(&hold);
            let turn = if is_away { Turn::Blocked } else { self.turn(&mut room) };
            self.commit(&hold);
            if end.has_begun() {
                break;
            }
            tokio::select! {
                biased;
                () = end.begun() => break,
                Some(told) = self.inbox.recv() => self.hear_all(told)?,
                changed = self.troubles.changed() => if changed.is_err() { break },
                () = tokio::task::yield_now(), if turn == Turn::More => {}
                permit = self.common.room.clone().acquire_many_owned(weight(turn)), if weight(turn) > 0 => match permit {
                    Ok(permit) => room = Some(permit),
                    Err(_) => break,
                },
                batch = hold.next(), if turn == Turn::Empty => match batch {
                    Ok(batch) => {
                        self.records.extend(batch.records);
                        self.read_to = batch.position;
                    }
                    Err(Gone) => break,
                },
            }
        }
        self.drain(&hold).await?;
        self.commit(&hold);
        Ok(())
    }

    /// Judges what was read, as far as that goes without waiting.
    fn turn(&mut self, room: &mut Option<OwnedSemaphorePermit>) -> Turn {
        for _ in 0..POINTS_PER_TURN {
            if self.judge.looking() >= self.common.config.late_max || self.progress.len() >= RECORDS_OPEN_MAX {
                return Turn::Blocked;
            }
            let Some(current) = &mut self.current else {
                match self.begin_record(room) {
                    None => continue,
                    Some(turn) => return turn,
                }
            };
            let next = match current.again.take() {
                Some((index, sample)) => Some((index, Ok(sample))),
                // a record has at most a thousand points
                None => current.points.next().map(|(index, point)| (u32::try_from(index).unwrap_or(u32::MAX), point)),
            };
            match next {
                None => self.current = None,
                Some((index, point)) => {
                    if !self.judge_point(index, point) {
                        return Turn::Blocked;
                    }
                }
            }
        }
        Turn::More
    }

    /// Begins the next record, or says why not.
    fn begin_record(&mut self, room: &mut Option<OwnedSemaphorePermit>) -> Option<Turn> {
        let next = match self.next.take().or_else(|| self.records.pop_front().map(|record| Next::of(record, &mut self.points))) {
            Some(next) => next,
            None => {
                self.progress.read_to(self.read_to);
                return Some(Turn::Empty);
            }
        };
        let permit = match room.take() {
            Some(permit) => permit,
            None => match self.common.room.clone().try_acquire_many_owned(next.weight) {
                Ok(permit) => permit,
                Err(_) => {
                    let weight = next.weight;
                    self.next = Some(next);
                    return Some(Turn::NoRoom(weight));
                }
            },
        };
        let Next { record, points, .. } = next;
        let (offset, log_ms) = (record.offset, record.timestamp_ms);
        let was_moved = record.header(MOVED).is_some();
        let kept = Kept { record, spent: 0, _room: permit };
        match points {
            Ok(points) => {
                self.progress.begin(offset, u32::try_from(points.len()).unwrap_or(u32::MAX), kept);
                self.current = Some(Current { offset, log_ms, was_moved, points: points.into_iter().enumerate(), again: None });
            }
            Err(error) => {
                self.progress.begin(offset, 1, kept);
                self.bury(Ticket { offset, index: 0 }, (&error).into(), None);
            }
        }
        None
    }

    /// `false`: it is to be judged once more, when something was settled.
    fn judge_point(&mut self, index: u32, point: Result<Sample, loki_wire::Error>) -> bool {
        let Some(current) = &mut self.current else { return true };
        let ticket = Ticket { offset: current.offset, index };
        let sample = match point {
            Ok(sample) => sample,
            Err(error) => {
                self.bury(ticket, (&error).into(), None);
                return true;
            }
        };
        match self.judge.judge(ticket, &sample, current.log_ms) {
            Verdict::After => {
                current.again = Some((index, sample));
                return false;
            }
            Verdict::Misplaced if current.was_moved => {
                let reason = letter::misplaced_again(&sample, self.common.config.partitions);
                self.bury(ticket, reason, Some(&sample));
            }
            Verdict::Misplaced => self.move_point(ticket, &sample),
            Verdict::Look { newest } => {
                self.counts.late += 1;
                // the ways end with the process
                let _ended = self.common.looks.send(Look { sample, newest, home: self.home.clone() });
            }
            verdict => self.carry_out(ticket, sample, verdict),
        }
        true
    }

    /// What was judged for good.
    fn carry_out(&mut self, ticket: Ticket, sample: Sample, verdict: Verdict) {
        match verdict {
            Verdict::Put => {
                let _ended = self.common.puts.send(Put::new(sample, ticket, self.judge.place(), self.home.clone()));
            }
            Verdict::Repeat => {
                self.counts.repeat += 1;
                self.progress.finish(ticket.offset);
            }
            Verdict::Dead(dead) => self.bury(ticket, dead.reason(&sample), Some(&sample)),
            // these are no end of it
            Verdict::Look { .. } | Verdict::Waits | Verdict::Misplaced | Verdict::After => {}
        }
    }

    /// Everything that it was told, the first of it already taken.
    fn hear_all(&mut self, told: Told) -> Result<(), loki_runner::Error> {
        self.hear(told)?;
        while let Ok(told) = self.inbox.try_recv() {
            self.hear(told)?;
        }
        Ok(())
    }

    fn hear(&mut self, told: Told) -> Result<(), loki_runner::Error> {
        match told {
            Told::Stored(stored) => {
                self.counts.stored += stored.len() as u64;
                for Stored { ticket, place, at } in stored {
                    self.judge.stored_in(place, at);
                    self.progress.finish(ticket.offset);
                }
            }
            Told::Refused { ticket, sample, why } => {
                self.judge.refused(&sample.series, sample.at);
                self.bury(ticket, letter::refused(&sample, &why), Some(&sample));
            }
            Told::Found(looked) => {
                for Looked { sample, found, newest } in looked {
                    for (ticket, value, verdict) in self.judge.found(&sample.series, sample.at, found, newest) {
                        self.carry_out(ticket, Sample { series: sample.series.clone(), at: sample.at, value }, verdict);
                    }
                }
            }
            Told::Appended(tickets) => {
                for ticket in tickets {
                    self.progress.finish(ticket.offset);
                }
            }
            Told::Failed(error) => return Err(loki_runner::Error::Log(error)),
        }
        Ok(())
    }

    /// Writes a dead letter; the point is finished when the log has it.
    fn bury(&mut self, ticket: Ticket, reason: DeadReason, sample: Option<&Sample>) {
        let Some(Kept { record, spent, .. }) = self.progress.kept(ticket.offset) else { return };
        match self.dead.get_mut(&reason.code) {
            Some(number) => *number += 1,
            None => drop(self.dead.insert(reason.code.clone(), 1)),
        }
        let record = letter::letter(record, ticket.index, reason, sample, spent);
        self.counts.dead += 1;
        let to = Partition::only(&self.common.dead);
        let _ended = self.common.appends.send(Append { to, record, ticket, home: self.home.clone() });
    }

    fn move_point(&mut self, ticket: Ticket, sample: &Sample) {
        let Some(Kept { record, .. }) = self.progress.kept(ticket.offset) else { return };
        let record = letter::moved(record, ticket.index, sample);
        self.counts.moved += 1;
        let to = Partition::new(self.partition.topic.clone(), sample.series.partition(self.common.config.partitions));
        let _ended = self.common.appends.send(Append { to, record, ticket, home: self.home.clone() });
    }

    fn commit(&mut self, hold: &Hold) {
        let done = self.progress.done();
        if done > self.committed {
            self.committed = done;
            hold.commit(done);
        }
        metrics::points(std::mem::take(&mut self.counts));
        for (reason, number) in std::mem::take(&mut self.dead) {
            metrics::dead(reason, number);
        }
        metrics::open(self.common.config.open_max.saturating_sub(self.common.room.available_permits()));
        match self.judge.take_evicted() {
            0 => {}
            evicted => metrics::evicted(evicted),
        }
    }

    /// Says what is wrong, if anything; whether nothing is to be read for it.
    fn tell_trouble(&mut self, hold: &Hold) -> bool {
        let troubles = self.troubles.borrow_and_update();
        if troubles.first() != self.said.as_deref() {
            self.said = troubles.first().map(str::to_owned);
            match &self.said {
                Some(why) => hold.ails(why),
                None => hold.is_well(),
            }
        }
        troubles.put.is_some()
    }

    /// Waits for what is under way, while the store takes it.
    async fn drain(&mut self, hold: &Hold) -> Result<(), loki_runner::Error> {
        // half of what the loop allows: the rest is for the commit
        let bound = self.common.config.drain / 2;
        let finished = task::timeout(bound, async {
            while !self.progress.is_idle() && self.troubles.borrow_and_update().first().is_none() {
                tokio::select! {
                    biased;
                    Some(told) = self.inbox.recv() => self.hear_all(told)?,
                    changed = self.troubles.changed() => if changed.is_err() { break },
                }
                self.commit(hold);
            }
            Ok(())
        });
        finished.await.unwrap_or(Ok(()))
    }
}

impl Next {
    fn of(record: Record, points: &mut Reader) -> Self {
        let points = points.read(record.value.as_ref(), &record.headers);
        let number = points.as_ref().map_or(1, Vec::len);
        let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let bytes = record.value.as_ref().map_or(0, bytes::Bytes::len) + record.key.as_ref().map_or(0, bytes::Bytes::len) + headers;
        let weight = u32::try_from(number + (bytes >> 10)).unwrap_or(u32::MAX);
        Self { record, points, weight }
    }
}

fn weight(turn: Turn) -> u32 {
    match turn {
        Turn::NoRoom(weight) => weight,
        Turn::More | Turn::Empty | Turn::Blocked => 0,
    }
}
