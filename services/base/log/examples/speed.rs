//! How fast a log is: `cargo run --release -p loki-log --example speed -- sqlite <directory>` or `… -- kafka <host:port>`.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "it measures, and a person reads it")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use loki_log::kafka::{Config, KafkaLog};
use loki_log::sqlite::{Options, SqliteLog};
use loki_log::{Log, NewRecord, Partition, Topic, TopicSpec};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let log: Arc<dyn Log> = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["sqlite", directory] => Arc::new(SqliteLog::open(Options::new(directory)).await?),
        ["kafka", address] => Arc::new(KafkaLog::connect(Config::new(address))?),
        _ => return Err("usage: speed sqlite <directory> | speed kafka <host:port>".into()),
    };
    let topic = Topic::new(format!("speed-{}", std::process::id()));
    let spec = TopicSpec::new(topic.to_string(), 1);
    log.reconcile_topics(&[spec], true).await?;
    let partition = Partition::only(&topic);
    appends_in_batches(&*log, &partition).await?;
    concurrent_appends(&log, &partition).await?;
    transactions(&*log, &partition).await?;
    reading(&*log, &partition).await?;
    waking(&log, &partition).await
}

fn records(count: usize) -> Vec<NewRecord> {
    let value = Bytes::from(vec![b'x'; 300]);
    (0..count)
        .map(|n| NewRecord { key: Some(Bytes::from(format!("key-{n}"))), value: Some(value.clone()), ..NewRecord::default() })
        .collect()
}

async fn appends_in_batches(log: &dyn Log, partition: &Partition) -> Result<(), Failure> {
    let started = Instant::now();
    for _ in 0..100 {
        log.append(partition, records(1_000)).await?;
    }
    rate("append, 1,000 records a call", 100_000, started);
    Ok(())
}

async fn concurrent_appends(log: &Arc<dyn Log>, partition: &Partition) -> Result<(), Failure> {
    let started = Instant::now();
    let appenders: Vec<_> = (0..64)
        .map(|_| {
            let (log, partition) = (log.clone(), partition.clone());
            tokio::spawn(async move {
                for _ in 0..200 {
                    log.append(&partition, records(1)).await?;
                }
                Ok::<_, loki_log::Error>(())
            })
        })
        .collect();
    for appender in appenders {
        appender.await??;
    }
    rate("append, 64 callers, 1 record a call", 64 * 200, started);
    Ok(())
}

async fn transactions(log: &dyn Log, partition: &Partition) -> Result<(), Failure> {
    let mut writer = log.writer("speed-writer").await?;
    let (mut appends, mut commits) = (Vec::new(), Vec::new());
    let started = Instant::now();
    for _ in 0..200 {
        let batch = records(200);
        let begun = Instant::now();
        writer.append(partition, batch).await?;
        appends.push(begun.elapsed());
        let begun = Instant::now();
        writer.commit(None).await?;
        commits.push(begun.elapsed());
    }
    rate("transactions of 200 records", 200 * 200, started);
    spread("  append in it", appends);
    spread("  commit", commits);
    Ok(())
}

async fn reading(log: &dyn Log, partition: &Partition) -> Result<(), Failure> {
    let mut reader = log.reader(partition, 0).await?;
    let started = Instant::now();
    let mut count = 0;
    loop {
        let batch = reader.read(1_000, Duration::from_secs(5)).await?;
        count += batch.records.len();
        if batch.at_end {
            break;
        }
    }
    rate("read", count, started);
    Ok(())
}

/// From before an append to the record in the hands of a waiting reader.
async fn waking(log: &Arc<dyn Log>, partition: &Partition) -> Result<(), Failure> {
    let end = log.bounds(partition).await?.end;
    let mut reader = log.reader(partition, end).await?;
    reader.read(10, Duration::from_secs(5)).await?;
    let (mut acknowledged, mut read) = (Vec::new(), Vec::new());
    for _ in 0..500 {
        let (appending, target) = (log.clone(), partition.clone());
        let begun = Instant::now();
        let append = tokio::spawn(async move {
            appending.append(&target, records(1)).await?;
            Ok::<_, loki_log::Error>(Instant::now())
        });
        while reader.read(10, Duration::from_secs(5)).await?.records.is_empty() {}
        read.push(begun.elapsed());
        acknowledged.push(append.await?? - begun);
    }
    spread("one append, acknowledged", acknowledged);
    spread("one append, read", read);
    Ok(())
}

fn rate(what: &str, records: usize, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    println!("{what:<40} {:>10.0} records/s", records as f64 / seconds);
}

fn spread(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("{what:<40} p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms", at(0.5), at(0.99), at(1.0));
}
