//! Samples into the log: each in the partition of its series, many to a record.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::try_join_all;
use loki_domain::Sample;
use loki_log::{Log, NewRecord, Partition, Topic};
use loki_runtime::clock::Stopwatch;
use loki_wire::sample::{self, POINTS_MAX, RECORD_BYTES_MAX};

use crate::metrics::{self, Via};

/// What headers and framing may add to a record's value.
const OVERHEAD_BYTES: usize = 4 << 10;

/// The way into the topic of samples. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    log: Arc<dyn Log>,
    topic: Topic,
    partitions: u32,
}

impl Intake {
    /// `partitions`: how many the topic is declared with.
    pub fn new(log: Arc<dyn Log>, topic: Topic, partitions: u32) -> Self {
        Self { log, topic, partitions }
    }

    /// Appends them; those of one series keep their order. Returns when all are durable. On an error some may be in the log.
    pub async fn append(&self, samples: &[Sample], via: Via) -> loki_log::Result<()> {
        if samples.is_empty() {
            return Ok(());
        }
        let watch = Stopwatch::start();
        let appends = records(samples, self.partitions)
            .into_iter()
            .map(|(number, records)| async move { self.log.append(&Partition::new(self.topic.clone(), number), records).await });
        try_join_all(appends).await?;
        metrics::taken(via, samples.len(), watch.elapsed());
        Ok(())
    }
}

/// The records of each partition that has any.
fn records(samples: &[Sample], partitions: u32) -> Vec<(u32, Vec<NewRecord>)> {
    let mut placed: Vec<Vec<&Sample>> = vec![Vec::new(); partitions.max(1) as usize];
    for sample in samples {
        placed[sample.series.partition(partitions) as usize].push(sample);
    }
    let filled = (0..).zip(placed).filter(|(_, samples)| !samples.is_empty());
    filled
        .map(|(number, samples)| {
            let mut records = Vec::new();
            for part in samples.chunks(POINTS_MAX) {
                write(part, &mut records);
            }
            (number, records)
        })
        .collect()
}

/// One record, or more where names are so long that one would be too large.
fn write(samples: &[&Sample], records: &mut Vec<NewRecord>) {
    let (value, headers) = sample::write(samples.iter().copied());
    if value.len() + OVERHEAD_BYTES > RECORD_BYTES_MAX && samples.len() > 1 {
        let (first, second) = samples.split_at(samples.len() / 2);
        write(first, records);
        write(second, records);
        return;
    }
    let headers: Vec<(String, Bytes)> = headers;
    records.push(NewRecord { key: None, value: Some(value), headers, timestamp_ms: None });
}

#[cfg(test)]
mod tests {
    use loki_domain::{Instant, Series, Tags, Value};

    use super::*;

    fn sample(host: &str, at: i64) -> Sample {
        let series = Series::new("host.cpu.usage".parse().unwrap(), Tags::new([("host", host)]).unwrap());
        Sample { series, at: Instant::new(at).unwrap(), value: Value::new(1.5).unwrap() }
    }

    fn read(record: &NewRecord) -> Vec<Sample> {
        let points = sample::read(record.value.as_ref(), &record.headers).unwrap();
        points.into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn each_series_lies_in_its_partition_in_order() {
        let samples: Vec<_> = (0..5_000).map(|n| sample(&format!("web{}", n % 50), 1_700_000_000 + n / 50)).collect();
        let records = records(&samples, 12);
        assert!(records.len() > 6, "they spread: {}", records.len());
        let mut seen = 0;
        for (number, records) in &records {
            let read: Vec<Sample> = records.iter().flat_map(read).collect();
            let wanted: Vec<Sample> = samples.iter().filter(|sample| sample.series.partition(12) == *number).cloned().collect();
            assert_eq!(read, wanted);
            seen += read.len();
        }
        assert_eq!(seen, samples.len());
    }

    #[test]
    fn no_record_is_too_large() {
        let long = "x".repeat(255);
        let names: Vec<String> = (0..8).map(|n| format!("{n}{}", &long[1..])).collect();
        let tags = Tags::new(names.iter().map(|name| (name.as_str(), long.as_str()))).unwrap();
        let series = Series::new(long.parse().unwrap(), tags);
        let samples: Vec<_> = (0..2_500)
            .map(|n| Sample { series: series.clone(), at: Instant::new(1_700_000_000 + n).unwrap(), value: Value::new(0.1).unwrap() })
            .collect();
        let records = records(&samples, 12);
        assert_eq!(records.len(), 1);
        let records = &records[0].1;
        assert!(records.len() > 3 && records.iter().all(|record| record.value.as_ref().unwrap().len() <= RECORD_BYTES_MAX));
        assert_eq!(records.iter().flat_map(read).collect::<Vec<_>>(), samples);
    }
}
