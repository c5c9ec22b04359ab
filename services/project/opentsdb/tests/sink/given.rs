//! Points as a careless world sends them: late, twice, with another value, in other words, to the wrong partition, or not even points.

use loki_domain::{Instant, Sample, Series, Value};
use loki_opentsdb::contract::{at, series};

use crate::world::PARTITIONS;

/// A generator that gives the same for the same seed.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// Below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }

    pub(crate) fn happens(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What a record holds, and where it goes.
pub(crate) struct Sent {
    pub(crate) partition: u32,
    pub(crate) value: String,
    pub(crate) points: usize,
}

pub(crate) struct Generator {
    pub(crate) chance: Chance,
    sent: Vec<Sample>,
    /// Refused points are not sent twice, nor moved: while the first one is on its way the second one is a repeat, afterwards it is refused as well.
    refused: i64,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { chance: Chance::new(seed), sent: Vec::new(), refused: 0 }
    }

    /// A record of points around the log's time.
    pub(crate) fn record(&mut self, log_ms: i64) -> Sent {
        if self.chance.happens(1) {
            let value = ["", "{", "[]", "17", r#"{"metric":"m"}"#, "[1]]"][self.chance.below(6) as usize].to_owned();
            return Sent { partition: self.chance.below(u64::from(PARTITIONS)) as u32, value, points: 1 };
        }
        let partition = self.chance.below(u64::from(PARTITIONS)) as u32;
        let points: Vec<String> = (0..=self.chance.below(30)).map(|_| self.point(partition, log_ms)).collect();
        Sent { partition, points: points.len(), value: format!("[{}]", points.join(",")) }
    }

    fn point(&mut self, partition: u32, log_ms: i64) -> String {
        if self.chance.happens(2) {
            let bad = [
                r#"{"metric":"m","timestamp":1,"value":"NaN","tags":{"host":"a"}}"#,
                r#"{"metric":"m","timestamp":1700000000,"value":1,"tags":{}}"#,
                r#"{"metric":"m m","timestamp":1700000000,"value":1,"tags":{"host":"a"}}"#,
                r#"{"metric":"m","timestamp":0,"value":1,"tags":{"host":"a"}}"#,
                r#"{"metric":"m","timestamp":1.5,"value":1,"tags":{"host":"a"}}"#,
            ];
            return bad[self.chance.below(5) as usize].to_owned();
        }
        if self.chance.happens(1) {
            self.refused += 1;
            let of = self.placed("refused.m", partition);
            let sample = Sample { series: of, at: at(log_ms - self.refused), value: Value::new(1.0).unwrap() };
            return self.written(&sample);
        }
        let sample = match self.chance.below(100) {
            // once more, with the same or with another value
            0..10 if !self.sent.is_empty() => {
                let index = self.chance.below(self.sent.len() as u64) as usize;
                self.changed(index)
            }
            10..20 if self.sent.len() > 200 => {
                let index = self.sent.len() - 1 - self.chance.below(200) as usize;
                self.changed(index)
            }
            _ => {
                let metric = ["m", "host.cpu", "host.mem"][self.chance.below(3) as usize];
                Sample { series: self.series(metric, partition), at: self.instant(log_ms), value: self.value() }
            }
        };
        self.sent.push(sample.clone());
        self.written(&sample)
    }

    fn changed(&mut self, index: usize) -> Sample {
        let sample = self.sent[index].clone();
        if self.chance.happens(50) { sample } else { Sample { value: self.value(), ..sample } }
    }

    /// Mostly one of this partition.
    fn series(&mut self, metric: &str, partition: u32) -> Series {
        let partition = if self.chance.happens(3) { (partition + 1) % PARTITIONS } else { partition };
        self.placed(metric, partition)
    }

    fn placed(&mut self, metric: &str, partition: u32) -> Series {
        loop {
            let host = format!("web{}", self.chance.below(12));
            let of = series(&metric.parse().unwrap(), &[("host", &host), ("core", "0")]);
            if of.partition(PARTITIONS) == partition {
                return of;
            }
        }
    }

    fn instant(&mut self, log_ms: i64) -> Instant {
        let whole = log_ms.div_euclid(1_000) * 1_000;
        let (second, minute, day) = (1_000, 60_000, 86_400_000);
        let ms = match self.chance.below(100) {
            0..70 => whole - self.chance.below(20) as i64 * second,
            70..78 => whole - self.chance.below(20) as i64 * second + self.chance.below(1_000) as i64,
            78..88 => whole - self.chance.below(60) as i64 * minute,
            88..94 => whole - self.chance.below(6 * 24) as i64 * 60 * minute,
            94..96 => whole - 7 * day - self.chance.below(3) as i64 * day,
            96..98 => whole + self.chance.below(5) as i64 * minute,
            _ => whole + 5 * minute + 1 + self.chance.below(100) as i64 * minute,
        };
        at(ms)
    }

    fn value(&mut self) -> Value {
        let number = self.chance.below(5) as f64;
        Value::new(if self.chance.happens(50) { number } else { number / 3.0 }).unwrap()
    }

    /// In one of the ways in which a point may be written.
    fn written(&mut self, sample: &Sample) -> String {
        let Sample { series, at, value } = sample;
        let number = value.get();
        let value = match self.chance.below(3) {
            0 if number.fract() == 0.0 => format!("{}", number as i64),
            1 => format!("\"{value}\""),
            _ => value.to_string(),
        };
        let at = if self.chance.happens(50) { at.sent() } else { at.ms() };
        let tags: Vec<String> = series.tags.iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
        format!(r#"{{"metric":"{}","timestamp":{at},"value":{value},"tags":{{{}}}}}"#, series.metric, tags.join(","))
    }
}
