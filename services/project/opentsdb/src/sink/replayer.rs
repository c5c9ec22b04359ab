//! The judge over a log that is read as a whole, for `replay`: nothing is committed, and nothing is written but points.

use loki_domain::Sample;
use loki_log::Record;
use loki_wire::sample::{READER_BYTES_MAX, Reader};
use std::collections::VecDeque;

use super::Ticket;
use super::history::Allowance;
use super::judge::{Judge, Rules, Verdict};
use crate::config::SinkConfig;
use crate::port::{Found, Newest};
use crate::replay::Replay;

/// What became of a point that was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replayed {
    Stored,
    Refused,
}

pub(crate) struct Replayer {
    reader: Reader,
    judge: Judge,
    /// Not judged yet, with the log's time.
    points: VecDeque<(Ticket, Sample, i64)>,
    looks: Vec<(Sample, bool)>,
    puts: Vec<Sample>,
}

impl Replayer {
    pub(crate) fn new(partition: u32, config: &SinkConfig, allowance: Allowance) -> Self {
        let judge = Judge::new(Rules::new(partition, config), allowance);
        Self { reader: Reader::new(READER_BYTES_MAX), judge, points: VecDeque::new(), looks: Vec::new(), puts: Vec::new() }
    }

    pub(crate) fn take(&mut self, record: &Record, total: &mut Replay) {
        let points = match self.reader.read(record.value.as_ref(), &record.headers) {
            Ok(points) => points,
            Err(_) => {
                total.dead += 1;
                return;
            }
        };
        for (index, point) in (0..).zip(points) {
            match point {
                Ok(sample) => self.points.push_back((Ticket { offset: record.offset, index }, sample, record.timestamp_ms)),
                Err(_) => total.dead += 1,
            }
        }
        self.judge(total);
    }

    /// How many points are not settled.
    pub(crate) fn open(&self) -> usize {
        self.points.len() + self.looks.len() + self.puts.len()
    }

    /// Nothing more can be judged before something is settled.
    pub(crate) fn is_held_up(&self) -> bool {
        !self.points.is_empty()
    }

    /// Judges what can be judged; whether that was anything.
    pub(crate) fn has_more(&mut self, total: &mut Replay) -> bool {
        self.judge(total);
        !self.points.is_empty() || !self.looks.is_empty() || !self.puts.is_empty()
    }

    fn judge(&mut self, total: &mut Replay) {
        while let Some((ticket, sample, log_ms)) = self.points.pop_front() {
            match self.judge.judge(ticket, &sample, log_ms) {
                Verdict::Put => self.puts.push(sample),
                Verdict::Look { newest } => self.looks.push((sample, newest)),
                Verdict::Waits => {}
                Verdict::Repeat => total.there += 1,
                Verdict::Misplaced => total.misplaced += 1,
                Verdict::Dead(_) => total.dead += 1,
                Verdict::After => {
                    self.points.push_front((ticket, sample, log_ms));
                    return;
                }
            }
        }
    }

    /// Points to be looked up, and whether with how new their series are.
    pub(crate) fn looks(&mut self) -> Vec<(Sample, bool)> {
        std::mem::take(&mut self.looks)
    }

    pub(crate) fn found(&mut self, sample: &Sample, found: Found, newest: Option<Newest>, total: &mut Replay) {
        for (_, value, verdict) in self.judge.found(&sample.series, sample.at, found, newest) {
            match verdict {
                Verdict::Put => self.puts.push(Sample { value, ..sample.clone() }),
                Verdict::Repeat => total.there += 1,
                _ => total.dead += 1,
            }
        }
    }

    /// Points to be put.
    pub(crate) fn puts(&mut self) -> Vec<Sample> {
        std::mem::take(&mut self.puts)
    }

    pub(crate) fn settled(&mut self, sample: &Sample, became: Replayed, total: &mut Replay) {
        match became {
            Replayed::Stored => {
                self.judge.stored(&sample.series, sample.at);
                total.put += 1;
            }
            Replayed::Refused => {
                self.judge.refused(&sample.series, sample.at);
                total.dead += 1;
            }
        }
    }
}
