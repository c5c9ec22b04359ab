//! From the log into OpenTSDB, with a sink that is killed: no hour is left that cannot be read, and each point is there with its first value.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use loki_domain::Sample;
use loki_log::sqlite::{Options, SqliteLog};
use loki_log::{Log, NewRecord, Partition, Topic, TopicSpec};
use loki_opentsdb::contract::{World, sample, series};
use loki_opentsdb::{Found, SeriesStore, Sink, SinkConfig};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, Shutdown, task};
use loki_telemetry::Health;

use crate::Real;

const PARTITIONS: u32 = 2;
const PATIENCE: Duration = Duration::from_secs(120);

fn spec(name: &str, partitions: u32) -> TopicSpec {
    TopicSpec::new(name, partitions)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn points_reach_it_once_each_whatever_is_killed() {
    let (world, folder, clock) = (Real::new().await, tempfile::tempdir().unwrap(), Clock::system());
    let log = SqliteLog::open(Options { clock: clock.clone(), ..Options::new(folder.path()) }).await.unwrap();
    log.reconcile_topics(&[spec("samples", PARTITIONS), spec("dead", 1)], true).await.unwrap();
    let config = SinkConfig { batch_points: 500, ..SinkConfig::new("samples", "dead", "sink", PARTITIONS) };
    let start = || {
        let sink = Sink::new(world.store(), Arc::new(log.clone()), config.clone(), clock.clone(), &Health::new());
        let shutdown = Shutdown::new();
        (task::spawn("sink", sink.run(shutdown.clone())), shutdown)
    };
    let (metric, ms) = (world.metric(), (clock.now_ms() - 600_000).div_euclid(1_000) * 1_000);
    let hosts: Vec<_> = (0..10).map(|host| series(&metric, &[("host", &format!("web{host}"))])).collect();
    let (mut first, mut conflicts) = (BTreeMap::new(), 0);
    let mut running = start();
    for round in 0..40_i64 {
        let mut records: BTreeMap<u32, Vec<Sample>> = BTreeMap::new();
        for (number, host) in (0_i64..).zip(&hosts) {
            for second in 0..8 {
                // some come twice, some with another value
                let at = ms + (round * 5 + second) * 1_000 + number % 2 * 500;
                let point = sample(host, at, if second < 5 { (at % 7) as f64 } else { (round % 3) as f64 / 3.0 });
                let before = *first.entry((point.series.clone(), point.at)).or_insert(point.value);
                conflicts += usize::from(before != point.value);
                records.entry(host.partition(PARTITIONS)).or_default().push(point);
            }
        }
        for (partition, samples) in records {
            let (value, headers) = loki_wire::sample::write(&samples);
            let record = NewRecord { value: Some(value), headers, ..NewRecord::default() };
            log.append(&Partition::new(Topic::new("samples"), partition), vec![record]).await.unwrap();
        }
        if round % 9 == 8 {
            task::sleep(Duration::from_millis(150)).await;
            running.0.abort();
            let _killed = running.0.await;
            running = start();
        }
    }
    let watch = Stopwatch::start();
    for number in 0..PARTITIONS {
        let partition = Partition::new(Topic::new("samples"), number);
        let end = log.bounds(&partition).await.unwrap().end;
        while log.committed("sink", &partition).await.unwrap().is_none_or(|committed| committed.position < end) {
            assert!(watch.elapsed() < PATIENCE, "{partition} is not at its end");
            task::sleep(Duration::from_millis(20)).await;
        }
    }
    running.1.begin();
    running.0.await.unwrap().unwrap();
    let points: Vec<_> = first.keys().cloned().collect();
    let expected: Vec<_> = first.values().copied().map(Found::Value).collect();
    assert_eq!(world.store.find(&points).await.unwrap(), expected);
    assert!(conflicts > 100, "{conflicts}");
    assert_eq!(loki_opentsdb::check(&*world.store, &metric, ms - 3_600_000, ms + 3_600_000, |_| {}).await.unwrap(), []);
    let dead = log.bounds(&Partition::only(&Topic::new("dead"))).await.unwrap().end;
    assert!(dead >= conflicts as u64, "{dead} letters for {conflicts} conflicts");
}
