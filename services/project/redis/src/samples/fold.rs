//! Records become steps: of each series the value that is left, of each host when it was heard last. Pure.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use loki_domain::{Sample, Series};
use loki_log::Record;
use loki_wire::sample::{READER_BYTES_MAX, Reader};

use super::lines::{Last, bounded, replaces};
use super::port::Shape;

/// Metrics of hosts begin with it.
const HOST_METRICS: &str = "host.";
/// The tag that names the host.
const HOST_TAG: &str = "host";
/// What one series takes in a call beside its name and value, about.
const OVERHEAD: usize = 64;

/// How large a step may become. It is cut between records; one record has 1,000 points at most and is a step of its own when need be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub series: usize,
    pub bytes: usize,
}

/// What is written in one atomic step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    /// The partition's position must equal this.
    pub from: u64,
    /// The partition's position afterwards.
    pub to: u64,
    /// The newest log time among its records.
    pub newest_ms: Option<i64>,
    /// One value for each series, by the series as it is written.
    pub values: Vec<(String, Last)>,
    /// The log time of each host's last sample.
    pub hosts: Vec<(String, i64)>,
}

/// What became of some records.
#[derive(Debug, Default, PartialEq)]
pub struct Folded {
    /// One at least, each beginning where the one before ends.
    pub steps: Vec<Step>,
    /// Points that cannot be read. The sink of the series' store makes dead letters of them, and nobody else.
    pub unreadable: u64,
    /// Points whose series belongs to another partition. The sink appends a copy there.
    pub misplaced: u64,
}

/// Folds records of one partition, in their order, from `from` to `to`.
pub fn fold(records: &[Record], from: u64, to: u64, partition: u32, shape: Shape, limits: Limits) -> Folded {
    let mut folded = Folded::default();
    let mut open = Open::new(from);
    let mut reader = Reader::new(READER_BYTES_MAX);
    for record in records {
        // a record that cannot be read counts as one point
        let points = reader.read(record.value.as_ref(), &record.headers).unwrap_or_else(|error| vec![Err(error)]);
        let before = points.len();
        let samples: Vec<Sample> = points.into_iter().flatten().collect();
        folded.unreadable += (before - samples.len()) as u64;
        if open.step.newest_ms.is_some() && (open.step.values.len() + samples.len() > limits.series || open.bytes > limits.bytes) {
            let next = Open::new(record.offset);
            folded.steps.push(std::mem::replace(&mut open, next).closed(record.offset));
        }
        let log_ms = bounded(record.timestamp_ms);
        open.step.newest_ms = open.step.newest_ms.max(Some(log_ms));
        for sample in samples {
            if !open.series.contains_key(&sample.series) && sample.series.partition(shape.partitions) != partition {
                folded.misplaced += 1;
                continue;
            }
            open.take(&sample, log_ms, shape);
        }
    }
    folded.steps.push(open.closed(to));
    folded
}

/// A step that is being made.
struct Open {
    step: Step,
    series: HashMap<Series, usize>,
    hosts: HashMap<String, i64>,
    bytes: usize,
}

impl Open {
    fn new(from: u64) -> Self {
        Self { step: Step { from, to: from, ..Step::default() }, series: HashMap::new(), hosts: HashMap::new(), bytes: 0 }
    }

    fn take(&mut self, sample: &Sample, log_ms: i64, shape: Shape) {
        let last = Last { at: sample.at, value: sample.value, log_ms };
        match self.series.entry(sample.series.clone()) {
            Entry::Vacant(vacant) => {
                let written = vacant.key().to_string();
                self.bytes += written.len() + OVERHEAD;
                self.step.values.push((written, last));
                vacant.insert(self.step.values.len() - 1);
            }
            Entry::Occupied(at) => {
                let before = &mut self.step.values[*at.get()].1;
                let oldest_ms = shape.oldest_ms(self.step.newest_ms.unwrap_or(log_ms));
                if replaces(&last, before, oldest_ms) {
                    *before = last;
                }
            }
        }
        if sample.series.metric.as_str().starts_with(HOST_METRICS)
            && let Some(host) = sample.series.tags.get(HOST_TAG)
        {
            match self.hosts.get_mut(host) {
                Some(heard_ms) => *heard_ms = log_ms.max(*heard_ms),
                None => {
                    self.bytes += host.len() + OVERHEAD;
                    self.hosts.insert(host.to_owned(), log_ms);
                }
            }
        }
    }

    fn closed(self, to: u64) -> Step {
        let mut hosts: Vec<_> = self.hosts.into_iter().collect();
        hosts.sort_unstable();
        Step { to, hosts, ..self.step }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use loki_domain::{Instant, Series, Tags, Value};
    use loki_log::{Partition, Topic};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const SMALL: Limits = Limits { series: 3, bytes: 1 << 20 };
    const LARGE: Limits = Limits { series: usize::MAX, bytes: usize::MAX };

    fn record(offset: u64, log_ms: i64, value: &str) -> Record {
        let partition = Partition::only(&Topic::new("samples"));
        let value = Some(Bytes::copy_from_slice(value.as_bytes()));
        Record { partition, offset, timestamp_ms: log_ms, key: None, value, headers: vec![] }
    }

    fn point(metric: &str, host: &str, at: i64, value: f64) -> String {
        format!(r#"{{"metric":"{metric}","timestamp":{at},"value":{value:?},"tags":{{"host":"{host}"}}}}"#)
    }

    #[test]
    fn what_is_not_for_this_partition_is_counted_and_skipped() {
        let series = |host: &str| Series::new("m".parse().unwrap(), Tags::new([("host", host)]).unwrap());
        let shape = Shape::new(4);
        let hosts: Vec<String> = (0..20).map(|number| format!("h{number}")).collect();
        let here: Vec<&String> = hosts.iter().filter(|host| series(host).partition(4) == 2).collect();
        let points: Vec<String> = hosts.iter().map(|host| point("m", host, 1, 1.0)).collect();
        let records = [
            record(3, 5, &format!("[{}]", points.join(","))),
            record(4, 6, "no points at all"),
            record(7, 9, &format!("[{},7,{}]", point("m", here[0], 2, f64::MAX), r#"{"metric":"m"}"#)),
        ];
        let folded = fold(&records, 2, 8, 2, shape, LARGE);
        assert_eq!((folded.unreadable, folded.misplaced as usize), (3, hosts.len() - here.len()));
        let [step] = &folded.steps[..] else { panic!("{:?}", folded.steps) };
        // the time of a record counts whatever is in it
        assert_eq!((step.from, step.to, step.newest_ms, step.values.len()), (2, 8, Some(9), here.len()));
        assert_eq!(step.values[0].1, Last { at: Instant::new(2).unwrap(), value: Value::new(f64::MAX).unwrap(), log_ms: 9 });
        assert!(step.hosts.is_empty());
    }

    #[test]
    fn steps_are_cut_between_records() {
        let records: Vec<Record> = (0..6)
            .map(|n| record(10 + 2 * n, 1, &format!("[{},{}]", point("host.up", &format!("h{n}"), 1, 0.0), point("m", "h0", 1, 0.0))))
            .collect();
        let shape = Shape::new(1);
        let steps = fold(&records, 8, 30, 0, shape, SMALL).steps;
        let cuts: Vec<(u64, u64)> = steps.iter().map(|step| (step.from, step.to)).collect();
        assert_eq!(cuts, [(8, 12), (12, 14), (14, 16), (16, 18), (18, 20), (20, 30)]);
        assert_eq!(steps[2].hosts, [("h2".to_owned(), 1)]);
        let by_bytes = fold(&records, 8, 30, 0, shape, Limits { bytes: 1, ..LARGE }).steps;
        assert_eq!(by_bytes.len(), 6);
        assert_eq!(fold(&[], 8, 30, 0, shape, SMALL).steps, [Step { from: 8, to: 30, ..Step::default() }]);
    }

    proptest! {
        #[test]
        fn of_each_series_the_first_of_the_latest_instant_is_left(points in vec((0..5u32, 1..6i64, 0..9u32), 0..60), cut in 1..8usize) {
            // all within the window: whatever the records and the steps are
            let records: Vec<Record> = points.chunks(cut).enumerate().map(|(n, points)| {
                let points: Vec<String> = points.iter().map(|(host, at, value)| point("host.up", &format!("h{host}"), *at, f64::from(*value))).collect();
                record(n as u64, n as i64, &format!("[{}]", points.join(",")))
            }).collect();
            let mut expected: BTreeMap<String, (i64, f64)> = BTreeMap::new();
            for (host, at, value) in &points {
                let last = expected.entry(format!("host.up{{host=h{host}}}")).or_insert((*at, f64::from(*value)));
                if *at > last.0 {
                    *last = (*at, f64::from(*value));
                }
            }
            for limits in [SMALL, LARGE] {
                let end = records.len() as u64;
                let steps = fold(&records, 0, end, 0, Shape::new(1), limits).steps;
                prop_assert!(steps[0].from == 0 && steps[steps.len() - 1].to == end);
                prop_assert!(steps.windows(2).all(|pair| pair[0].to == pair[1].from));
                let mut left: BTreeMap<String, (i64, f64)> = BTreeMap::new();
                for (series, last) in steps.iter().flat_map(|step| &step.values) {
                    let last = (last.at.ms() / 1_000, last.value.get());
                    let before = left.entry(series.clone()).or_insert(last);
                    if last.0 > before.0 {
                        *before = last;
                    }
                }
                prop_assert_eq!(&left, &expected);
            }
        }
    }
}
