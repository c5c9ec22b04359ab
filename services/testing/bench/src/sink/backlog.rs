//! What is carried: points of hosts that are measured once a second, in the records that the intake makes of what collectors post.

use anyhow::{Context, Result};
use bytes::Bytes;
use loki_domain::{Instant, Sample, Series, Tags, Value};
use loki_log::NewRecord;
use loki_wire::sample;

const METRICS: [&str; 10] = [
    "host.cpu.user",
    "host.cpu.system",
    "host.cpu.iowait",
    "host.mem.used",
    "host.disk.read",
    "host.disk.written",
    "host.net.in",
    "host.net.out",
    "host.load.1",
    "host.procs",
];
const HOSTS: usize = 600;
/// So many are measured at each second.
pub(super) const SERIES: usize = HOSTS * METRICS.len();
/// Points of one post, which the intake spreads over the partitions.
const POSTED: usize = 1_200;

/// The points of some seconds.
pub(super) struct Backlog {
    samples: Vec<Sample>,
    /// First and last second.
    pub(super) seconds: (i64, i64),
}

impl Backlog {
    /// Whoever is to carry them has series of its own, by the tag `by`.
    pub(super) fn make(by: &str, from: i64, seconds: usize) -> Result<Self> {
        let mut series = Vec::with_capacity(SERIES);
        for host in 0..HOSTS {
            let host = format!("web{host:04}.bj1");
            let tags = Tags::new([("by", by), ("host", host.as_str())])?;
            for metric in METRICS {
                series.push(Series::new(metric.parse()?, tags.clone()));
            }
        }
        let mut samples = Vec::with_capacity(SERIES * seconds);
        for at in (from..).take(seconds) {
            for (number, series) in (0..).zip(&series) {
                // two digits after the point, as what is measured has
                let value = (number * 7_919 + at * 31) % 100_000;
                samples.push(Sample { series: series.clone(), at: Instant::new(at)?, value: Value::new(value as f64 / 100.0)? });
            }
        }
        let last = samples.last().context("no seconds")?.at.sent();
        Ok(Self { samples, seconds: (from, last) })
    }

    pub(super) fn points(&self) -> usize {
        self.samples.len()
    }

    /// The records of each partition.
    pub(super) fn records(&self, partitions: u32) -> Vec<Vec<NewRecord>> {
        let mut records: Vec<Vec<NewRecord>> = (0..partitions).map(|_| Vec::new()).collect();
        for posted in self.samples.chunks(POSTED) {
            let mut placed: Vec<Vec<&Sample>> = vec![Vec::new(); records.len()];
            for sample in posted {
                placed[sample.series.partition(partitions) as usize].push(sample);
            }
            for (records, samples) in records.iter_mut().zip(placed).filter(|(_, samples)| !samples.is_empty()) {
                let (value, headers) = sample::write(samples);
                records.push(NewRecord { key: None, value: Some(value), headers, timestamp_ms: None });
            }
        }
        records
    }

    /// The bodies of bare puts.
    pub(super) fn bodies(&self, points: usize) -> Vec<Bytes> {
        let body = |samples: &[Sample]| {
            let (value, _) = sample::write(samples);
            // the list in `{"points":[…]}`
            let from = value.iter().position(|byte| *byte == b'[').unwrap_or(0);
            value.slice(from..value.len() - 1)
        };
        self.samples.chunks(points).map(body).collect()
    }

    /// A question for the number of these points, and what its answer says. A metric may have been given more of a name.
    pub(super) fn count_question(&self, by: &str, suffix: &str) -> String {
        // what is counted lies before the end
        let (first, end) = (self.seconds.0, self.seconds.1 + 1);
        let metrics = METRICS.iter().map(|metric| format!("&m=sum:0all-count:{metric}{suffix}%7B{by}%7D"));
        format!("start={first}&end={end}&arrays=true{}", metrics.collect::<String>())
    }
}

/// The sum of an answer's numbers.
pub(super) fn count(answer: &[u8]) -> Result<usize> {
    #[derive(serde::Deserialize)]
    struct Line {
        dps: Vec<(i64, f64)>,
    }
    let lines: Vec<Line> = serde_json::from_slice(answer).with_context(|| String::from_utf8_lossy(answer).into_owned())?;
    Ok(lines.iter().flat_map(|line| &line.dps).map(|(_, number)| *number as usize).sum())
}
