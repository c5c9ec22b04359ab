//! Points as a careless world sends them, a record at a time: in many spellings, late, twice, with another value, to the wrong partition, or no
//! points at all. The same for the same seed and time of beginning.

use std::fmt::Write;

use loki_core::generate::Random;

const METRICS: [&str; 4] = ["fault.cpu", "fault.disk", "fault.mem", "fault.net"];
/// Names are few: OpenTSDB takes some milliseconds for each new one.
const HOSTS: usize = 10;
const CORES: usize = 10;
pub(super) const SERIES: usize = METRICS.len() * HOSTS * CORES;

const HOUR_MS: i64 = 3_600_000;
/// Late points lie in this many hours of the last days: each costs the sink a question for every hour of a metric.
const LATE_HOURS: usize = 12;

/// Where a record goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To the API.
    Post,
    /// To this partition, past the platform.
    Append(u32),
}

/// A record, or the body of a request.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) way: Way,
    pub(super) text: String,
    /// Series and instants of it that have to be stored, with one value or another.
    pub(super) good: Vec<(String, i64)>,
    /// Points that can be used by nobody.
    pub(super) bad: usize,
}

struct Line {
    metric: &'static str,
    host: usize,
    core: usize,
    partition: u32,
    /// The instant of the next fresh point.
    next_ms: i64,
    sent: Vec<(i64, f64)>,
}

pub(super) struct Generator {
    random: Random,
    lines: Vec<Line>,
    partitions: u32,
    begin_ms: i64,
    /// Given so far.
    pub(super) points: usize,
}

impl Generator {
    /// `points`: how many are to be given, so that the last ones are dated about `now_ms`.
    pub(super) fn new(seed: u64, points: usize, partitions: u32, now_ms: i64) -> Self {
        let next_ms = (now_ms - (points / SERIES) as i64 * 1_000).div_euclid(1_000) * 1_000;
        let line = |number: usize| {
            let (metric, host, core) = (METRICS[number % METRICS.len()], number / METRICS.len() % HOSTS, number / METRICS.len() / HOSTS);
            let mut line = Line { metric, host, core, partition: 0, next_ms, sent: Vec::new() };
            let read = loki_wire::sample::read(Some(&line.written("1", "1").into()), &[]).unwrap().remove(0).unwrap();
            line.partition = read.series.partition(partitions);
            line
        };
        Self { random: Random::new(seed), lines: (0..SERIES).map(line).collect(), partitions, begin_ms: now_ms, points: 0 }
    }

    pub(super) fn metrics() -> &'static [&'static str] {
        &METRICS
    }

    /// The next 50 to 500 points.
    pub(super) fn record(&mut self) -> Given {
        let way = if self.random.chance(50) { Way::Post } else { Way::Append(self.random.below(self.partitions as usize) as u32) };
        let mut given = Given { way, text: String::from("["), good: Vec::new(), bad: 0 };
        let count = 50 + self.random.below(451);
        self.points += count;
        if way != Way::Post && self.random.chance(4) {
            return self.torn(given);
        }
        for number in 0..count {
            let line = self.line(way);
            let point = self.point(line, &mut given);
            given.text.push_str(if number == 0 { "" } else { "," });
            given.text.push_str(&point);
        }
        given.text.push(']');
        given
    }

    /// What a producer leaves that dies in the middle of a record; what it holds was sent before.
    fn torn(&mut self, mut given: Given) -> Given {
        let line = self.line(given.way);
        for (at_ms, value) in self.lines[line].sent.clone() {
            let point = self.spelt(line, at_ms, value);
            let _ = write!(given.text, "{point},");
        }
        let end = given.text.len().saturating_sub(1 + self.random.below(30)).max(1);
        given.text.truncate(end);
        given.bad = 1;
        given
    }

    /// One that lies in the partition, but for one in a hundred.
    fn line(&mut self, way: Way) -> usize {
        let placed = match way {
            Way::Append(partition) if !self.random.chance(1) => Some(partition),
            _ => None,
        };
        loop {
            let line = self.random.below(self.lines.len());
            if placed.is_none_or(|partition| self.lines[line].partition == partition) {
                return line;
            }
        }
    }

    fn point(&mut self, line: usize, given: &mut Given) -> String {
        let sent = self.lines[line].sent.len();
        let (at_ms, value) = match self.random.below(1_000) {
            0..8 => {
                given.bad += 1;
                return self.unusable(line);
            }
            8 if sent > 20 => return self.dated(line, -9 * 24 * HOUR_MS),
            9 => return self.dated(line, HOUR_MS),
            10..30 => {
                let hours = 5 + 10 * self.random.below(LATE_HOURS) as i64;
                let late = self.begin_ms.div_euclid(HOUR_MS) - hours;
                (late * HOUR_MS + self.random.below(3_600) as i64 * 1_000, self.value())
            }
            30..70 if sent > 0 => self.lines[line].sent[self.random.below(sent)],
            70..76 if sent > 0 => (self.lines[line].sent[self.random.below(sent)].0, self.value()),
            _ => {
                let step_ms = [500, 1_000, 1_000, 1_500, 1 + self.random.below(2_000) as i64][self.random.below(5)];
                self.lines[line].next_ms += step_ms;
                (self.lines[line].next_ms, self.value())
            }
        };
        self.lines[line].sent.push((at_ms, value));
        given.good.push((self.lines[line].series(), at_ms));
        self.spelt(line, at_ms, value)
    }

    /// Too old, or ahead of the log by more than it allows.
    fn dated(&mut self, line: usize, away_ms: i64) -> String {
        let (at_ms, value) = (self.begin_ms + away_ms + self.random.below(10_000) as i64, self.value());
        self.spelt(line, at_ms, value)
    }

    fn unusable(&mut self, line: usize) -> String {
        let Line { metric, host, next_ms, .. } = &self.lines[line];
        match self.random.below(6) {
            0 => format!(r#"{{"metric":"{metric}","timestamp":{next_ms},"value":1}}"#),
            1 => format!(r#"{{"metric":"{metric}","timestamp":{next_ms},"value":1,"tags":{{}}}}"#),
            2 => format!(r#"{{"metric":"{metric}","timestamp":{next_ms},"value":"NaN","tags":{{"host":"h{host}"}}}}"#),
            3 => format!(r#"{{"metric":"{metric} usage","timestamp":{next_ms},"value":1,"tags":{{"host":"h{host}"}}}}"#),
            4 => format!(r#"{{"metric":"{metric}","timestamp":{next_ms},"value":1,"tags":{{"host":"h{host} in rack 7"}}}}"#),
            _ => format!(r#"{{"metric":"{metric}","timestamp":0,"value":1,"tags":{{"host":"h{host}"}}}}"#),
        }
    }

    fn value(&mut self) -> f64 {
        let number = self.random.below(1_000_000) as f64;
        match self.random.below(8) {
            0 | 1 => number % 100.0,
            2 => number * number,
            3 => number / 3.0,
            4 => -number / 1_000.0,
            5 => [0.0, -0.0, 1e300, 5e-324, 0.1][self.random.below(5)],
            _ => number / 100.0,
        }
    }

    /// In one of the ways in which a point may be written.
    fn spelt(&mut self, line: usize, at_ms: i64, value: f64) -> String {
        let value = match self.random.below(4) {
            0 if value.fract() == 0.0 && value.abs() < 1e15 => (value as i64).to_string(),
            1 => format!("\"{value:?}\""),
            2 => format!("{value:e}"),
            _ => format!("{value:?}"),
        };
        let at = if at_ms % 1_000 == 0 && self.random.chance(50) { at_ms / 1_000 } else { at_ms };
        let at = if self.random.chance(10) { format!("\"{at}\"") } else { at.to_string() };
        self.lines[line].written(&at, &value)
    }
}

impl Line {
    fn written(&self, at: &str, value: &str) -> String {
        let Self { metric, host, core, .. } = self;
        format!(r#"{{"metric":"{metric}","timestamp":{at},"value":{value},"tags":{{"host":"h{host}","core":"c{core}"}}}}"#)
    }

    /// As the platform writes a series.
    fn series(&self) -> String {
        format!("{}{{core=c{},host=h{}}}", self.metric, self.core, self.host)
    }
}
