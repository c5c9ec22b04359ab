//! What becomes of a point: one value per series and instant, that of the lowest log offset, whatever the batches are.
//!
//! The judge gets a partition's points in the order of the log. It knows a series' last points (`ring`) and its unfinished ones (`open`), and above
//! which instant that is all that the store can hold (the floor): there it decides alone. Below, the store is asked first; until it has answered,
//! the instant is taken, and later points of it wait.
//!
//! A floor is known in two ways. When a partition is taken over, a quarter of an hour of the log is read again. Records before that were written
//! when the log's time was lower, and no point may be dated further ahead of it than `ahead_max`: so what lies beyond the beginning of that
//! quarter by more than this was in no earlier record. For a series that is not seen there, and one that was forgotten, the store says how new it is.
//!
//! A repeat is done with at once: the point that it repeats has a lower offset, so that a crash brings both back. If the store then refuses that one,
//! its letter speaks for both.
//!
//! What is judged before a crash is judged alike afterwards: by log order, never by what happened to be stored. There is one thing that the store
//! cannot tell: whether its newest point of a series came before or after the one in question. Hence a point waits (`After`) while one that would
//! be too old beside it is not stored yet.

use std::time::Duration;

use loki_domain::{Instant, Sample, Series, Value};

use super::Ticket;
use super::history::{Allowance, Histories, History, Place};
use super::open::Open;
use crate::config::SinkConfig;
use crate::port::{Found, Newest};

/// What to do with a point.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// To be put.
    Put,
    /// To be looked up, and with `newest` how new its series is as well.
    Look {
        newest: bool,
    },
    /// Its instant is being looked up; the answer settles it too.
    Waits,
    /// It is there already, or will be.
    Repeat,
    /// It belongs to another partition.
    Misplaced,
    Dead(Dead),
    /// Something older of its series has to be stored first: to be judged once more when anything was settled.
    After,
}

/// Of the first 2^32 milliseconds of 1970 OpenTSDB takes the milliseconds of a question for seconds, and so those of what it has: a point there could
/// never be looked up. It comes of a clock that was not set, or of another unit. A margin is for what a question looks at before its start.
const FIRST_MS: i64 = 50 * 86_400_000;

/// Why a point is dead.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Dead {
    /// Another value is stored, or will be.
    Conflict(Value),
    /// Two values are stored.
    Conflicting,
    TooOld {
        newest_ms: i64,
    },
    AheadOfLog {
        ahead_ms: i64,
    },
    /// It lies in the first days of 1970.
    BeforeAll,
}

/// A point that was looked up, or waited for one, and what becomes of it.
pub(super) type Settled = (Ticket, Value, Verdict);

/// What the rules are measured by.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) partition: u32,
    pub(super) partitions: u32,
    pub(super) too_old_ms: i64,
    pub(super) ahead_max_ms: i64,
}

impl Rules {
    pub(super) fn new(partition: u32, config: &SinkConfig) -> Self {
        let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
        Self { partition, partitions: config.partitions, too_old_ms: ms(config.too_old), ahead_max_ms: ms(config.ahead_max) }
    }
}

#[derive(Debug)]
pub(super) struct Judge {
    rules: Rules,
    histories: Histories,
    /// Points that are being looked up, and those that wait for one.
    looking: usize,
}

impl Judge {
    pub(super) fn new(rules: Rules, allowance: Allowance) -> Self {
        Self { rules, histories: Histories::new(allowance), looking: 0 }
    }

    pub(super) fn looking(&self) -> usize {
        self.looking
    }

    pub(super) fn take_evicted(&mut self) -> u64 {
        self.histories.take_evicted()
    }

    /// A point of the quarter of an hour before the beginning: it is known, and nothing is done with it. `before_ms` is the log's time before which
    /// records were not read.
    pub(super) fn remember(&mut self, sample: &Sample, log_ms: i64, before_ms: i64) {
        let place = self.histories.find(&sample.series);
        if self.is_misplaced(place, &sample.series) || self.ahead_ms(sample.at, log_ms).is_some() {
            return;
        }
        let floor_ms = before_ms.saturating_add(self.rules.ahead_max_ms);
        // what was read of a series before it was forgotten is not known any more
        let is_first = place.is_none() && !self.histories.has_evicted();
        let place = place.unwrap_or_else(|| self.histories.add(&sample.series));
        self.histories.at(place, |history| {
            if is_first {
                history.set_floor(floor_ms);
            }
            // further down the first one that was read need not be the first one that was written
            if history.is_known(sample.at) {
                history.ring.insert(sample.at, sample.value);
            }
            history.saw(sample.at);
        });
    }

    /// The next point of the partition, of a record that the log has dated `log_ms`.
    pub(super) fn judge(&mut self, ticket: Ticket, sample: &Sample, log_ms: i64) -> Verdict {
        let place = self.histories.find(&sample.series);
        if self.is_misplaced(place, &sample.series) {
            return Verdict::Misplaced;
        }
        if sample.at.ms() < FIRST_MS {
            return Verdict::Dead(Dead::BeforeAll);
        }
        if let Some(ahead_ms) = self.ahead_ms(sample.at, log_ms) {
            return Verdict::Dead(Dead::AheadOfLog { ahead_ms });
        }
        let too_old_ms = self.rules.too_old_ms;
        let place = place.unwrap_or_else(|| self.histories.add(&sample.series));
        let verdict = self.histories.at(place, |history| judge(history, ticket, sample, too_old_ms));
        if matches!(verdict, Verdict::Look { .. } | Verdict::Waits) {
            self.looking += 1;
        }
        verdict
    }

    /// The store's answer about an instant that was to be looked up: what becomes of the point, then of those that waited for it. Only the first of
    /// them can be one to be put.
    pub(super) fn found(&mut self, series: &Series, at: Instant, found: Found, newest: Option<Newest>) -> Vec<Settled> {
        let too_old_ms = self.rules.too_old_ms;
        let settled = self.histories.with(series, |history| settle(history, at, found, newest, too_old_ms));
        self.looking -= settled.len().min(self.looking);
        settled
    }

    /// Where the series lies whose point was judged, or found, last.
    pub(super) fn place(&self) -> Place {
        self.histories.last()
    }

    /// A point is stored, durably.
    pub(super) fn stored(&mut self, series: &Series, at: Instant) {
        self.histories.with(series, |history| history.open.remove(at));
    }

    /// The same, of the series that lies there.
    pub(super) fn stored_in(&mut self, place: Place, at: Instant) {
        self.histories.at(place, |history| history.open.remove(at));
    }

    /// The store will never take a point.
    pub(super) fn refused(&mut self, series: &Series, at: Instant) {
        self.histories.with(series, |history| {
            history.open.remove(at);
            history.ring.remove(at);
        });
    }

    /// A series that is known was found to belong here.
    fn is_misplaced(&self, place: Option<Place>, series: &Series) -> bool {
        place.is_none() && series.partition(self.rules.partitions) != self.rules.partition
    }

    fn ahead_ms(&self, at: Instant, log_ms: i64) -> Option<i64> {
        Some(at.ms().saturating_sub(log_ms)).filter(|ahead_ms| *ahead_ms > self.rules.ahead_max_ms)
    }
}

fn judge(history: &mut History, ticket: Ticket, sample: &Sample, too_old_ms: i64) -> Verdict {
    let (at, value) = (sample.at, sample.value);
    match history.open.get_mut(at) {
        Some(Open::Put(first)) => return beside(*first, value),
        Some(Open::Look { waiting, .. }) => {
            waiting.push((ticket, value));
            return Verdict::Waits;
        }
        None => {}
    }
    if let Some(first) = history.ring.get(at) {
        return beside(first, value);
    }
    let is_known = history.is_known(at);
    if let Some(dead) = too_old(history, at, too_old_ms).filter(|_| is_known) {
        return Verdict::Dead(dead);
    }
    if history.open.oldest().is_some_and(|oldest| oldest.ms().saturating_add(too_old_ms) < at.ms()) {
        return Verdict::After;
    }
    history.saw(at);
    if is_known {
        history.ring.insert(at, value);
        history.open.insert(at, Open::Put(value));
        return Verdict::Put;
    }
    history.open.insert(at, Open::Look { ticket, value, waiting: Vec::new() });
    Verdict::Look { newest: history.may_be_newer_than(at.ms().saturating_add(too_old_ms)) }
}

fn settle(history: &mut History, at: Instant, found: Found, newest: Option<Newest>, too_old_ms: i64) -> Vec<Settled> {
    if let Some(newest) = newest {
        history.learn(newest);
    }
    let Some(Open::Look { ticket, value, waiting }) = history.open.remove(at) else { return Vec::new() };
    let (first, to_put) = match found {
        Found::Value(stored) => (Ok(stored), false),
        Found::Nothing => match too_old(history, at, too_old_ms) {
            Some(dead) => (Err(dead), false),
            None => (Ok(value), true),
        },
        Found::Conflicting => (Err(Dead::Conflicting), false),
    };
    if let Ok(first) = first {
        history.ring.insert(at, first);
    }
    let told = |value: Value| match &first {
        Ok(first) => beside(*first, value),
        Err(dead) => Verdict::Dead(dead.clone()),
    };
    let mut settled = Vec::with_capacity(1 + waiting.len());
    if to_put {
        history.open.insert(at, Open::Put(value));
        settled.push((ticket, value, Verdict::Put));
    } else {
        settled.push((ticket, value, told(value)));
    }
    settled.extend(waiting.into_iter().map(|(ticket, value)| (ticket, value, told(value))));
    settled
}

/// What becomes of a point whose instant has a value.
fn beside(first: Value, value: Value) -> Verdict {
    if first == value { Verdict::Repeat } else { Verdict::Dead(Dead::Conflict(first)) }
}

fn too_old(history: &History, at: Instant, too_old_ms: i64) -> Option<Dead> {
    let newest_ms = history.newest_ms.filter(|newest_ms| at.ms().saturating_add(too_old_ms) < *newest_ms)?;
    Some(Dead::TooOld { newest_ms })
}

#[cfg(test)]
mod tests;
