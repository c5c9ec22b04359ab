//! Which value of a series is the last one, and for how long.

use std::sync::Arc;

use loki_runner::Applied;

use super::given::{Writer, sample, steps};
use super::{PARTITIONS, SamplesWorld};
use crate::samples::{MemorySamples, SamplesReader};

const MINUTE: i64 = 60_000;
/// Some time of the log.
const NOW: i64 = 1_700_000_000_000;

pub async fn only_a_later_value_replaces(world: &dyn SamplesWorld) {
    let mut writer = Writer::live(world).await;
    for (at, value, expected) in [
        (100, 1.0, "100 1.0"),
        // the first of an instant stays
        (100, 2.0, "100 1.0"),
        (99, 3.0, "100 1.0"),
        (101, 4.0, "101 4.0"),
        (1_000_000_000, 5.0, "1000000000 5.0"),
        (999_999_999, 6.0, "1000000000 5.0"),
    ] {
        assert_eq!(writer.write(0, &[sample("m", "a=1", at, value)], NOW).await, Applied::Done);
        assert_eq!(writer.values("m", "").await, [format!("m{{a=1}} {expected}")], "after {at} {value}");
    }
    // and of one record
    let points = [(7, 1.0), (9, 2.0), (9, 3.0), (8, 4.0)].map(|(at, value)| sample("n", "a=1", at, value));
    assert_eq!(writer.write(0, &points, NOW).await, Applied::Done);
    assert_eq!(writer.values("n", "").await, ["n{a=1} 9 2.0"]);
}

pub async fn what_is_older_than_the_window_is_not_there(world: &dyn SamplesWorld) {
    let mut writer = Writer::live(world).await;
    let points = [sample("m", "a=1", 1, 1.0), sample("host.up", "host=web01", 1, 1.0)];
    assert_eq!(writer.write(0, &points, NOW).await, Applied::Done);
    // a late value, and one of the same instant, keep nothing alive
    for minutes in [5, 10] {
        assert_eq!(writer.write(0, &[points[0].clone()], NOW + minutes * MINUTE).await, Applied::Done);
        assert_eq!(writer.values("m", "").await, ["m{a=1} 1 1.0"], "after {minutes} minutes");
        assert_eq!(writer.reader.presence(&["web01"]).await, Ok(vec![Some(NOW)]));
    }
    // the time of the partition is told by any of its records, not by those of others
    assert_eq!(writer.write(1, &[sample("m", "b=1", 1, 1.0)], NOW + 60 * MINUTE).await, Applied::Done);
    assert_eq!(writer.values("m", "a=1").await, ["m{a=1} 1 1.0"]);
    assert_eq!(writer.write(0, &[], NOW + 10 * MINUTE + 1).await, Applied::Done);
    assert_eq!(writer.values("m", "a=1").await, Vec::<String>::new());
    assert_eq!(writer.reader.presence(&["web01"]).await, Ok(vec![None]));
    assert_eq!(world.size(0).await, (0, 0));
}

pub async fn an_expired_value_gives_way(world: &dyn SamplesWorld) {
    let mut writer = Writer::live(world).await;
    // a clock that was ahead
    assert_eq!(writer.write(0, &[sample("m", "a=1", 2_000_000_000, 1.0)], NOW).await, Applied::Done);
    assert_eq!(writer.write(0, &[sample("m", "a=1", 1_700_000_600, 2.0)], NOW + 10 * MINUTE).await, Applied::Done);
    assert_eq!(writer.values("m", "").await, ["m{a=1} 2000000000 1.0"]);
    assert_eq!(writer.write(0, &[sample("m", "a=1", 1_700_000_601, 3.0)], NOW + 10 * MINUTE + 1).await, Applied::Done);
    assert_eq!(writer.values("m", "").await, ["m{a=1} 1700000601 3.0"]);
    assert_eq!(world.size(0).await, (1, 0));
}

pub async fn a_record_may_be_older_than_the_window(world: &dyn SamplesWorld) {
    let mut writer = Writer::live(world).await;
    assert_eq!(writer.write(0, &[sample("m", "a=1", 1, 1.0)], NOW).await, Applied::Done);
    let old = [sample("m", "a=1", 2, 2.0), sample("m", "b=1", 2, 2.0), sample("host.up", "host=web01", 2, 2.0)];
    assert_eq!(writer.write(0, &old, NOW - 10 * MINUTE - 1).await, Applied::Done);
    assert_eq!(writer.values("m", "").await, ["m{a=1} 1 1.0"]);
    assert_eq!(world.size(0).await, (1, 0));
    assert_eq!(writer.write(0, &old, NOW - 10 * MINUTE).await, Applied::Done);
    assert_eq!(writer.values("m", "").await, ["m{a=1} 2 2.0", "m{b=1} 2 2.0"]);
    assert_eq!(writer.reader.presence(&["web01"]).await, Ok(vec![Some(NOW - 10 * MINUTE)]));
}

pub async fn nothing_grows_without_bound(world: &dyn SamplesWorld) {
    let mut writer = Writer::live(world).await;
    // each record brings new series and hosts, and is a minute later
    let record = |round: i64| -> Vec<_> {
        let tags = |number: i64| format!("host=h{round}-{number}");
        (0..500).map(|number| sample("host.up", &tags(number), 1, 1.0)).collect()
    };
    let mut largest = 0;
    for round in 0..30 {
        assert_eq!(writer.write(0, &record(round), NOW + round * MINUTE).await, Applied::Done);
        largest = largest.max(world.size(0).await.0);
    }
    assert_eq!((largest, world.size(0).await), (5_500, (5_500, 5_500)));
    // all of it is too old at once: it goes step by step, and is not seen meanwhile
    assert_eq!(writer.write(0, &[], NOW + 60 * MINUTE).await, Applied::Done);
    assert_eq!(world.size(0).await, (4_500, 4_500));
    assert_eq!(writer.values("host.up", "").await, Vec::<String>::new());
    assert_eq!(writer.reader.presence(&["h29-7"]).await, Ok(vec![None]));
    for round in 0..9 {
        assert_eq!(writer.write(0, &record(100)[..10], NOW + (60 + round) * MINUTE).await, Applied::Done);
    }
    assert_eq!(world.size(0).await, (10, 10));
}

pub async fn random_steps_end_as_in_memory(world: &dyn SamplesWorld) {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: i64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as i64
    };
    let mut writer = Writer::live(world).await;
    let mut model = Writer::live(&Model(Arc::new(MemorySamples::new(writer.store.shape())))).await;
    let mut log_ms = NOW;
    for round in 0..150 {
        let partition = random(i64::from(PARTITIONS)) as u32;
        let points: Vec<_> = (0..random(20))
            .map(|_| {
                let (metric, tags) = (["host.up", "m"][random(2) as usize], format!("host=h{},core={}", random(9), random(3)));
                sample(metric, &tags, 1_700_000_000 + random(9), random(100) as f64)
            })
            .collect();
        log_ms += random(2 * MINUTE) - MINUTE / 2;
        for step in steps(writer.at[partition as usize], &points, log_ms, writer.store.shape()) {
            for writer in [&mut writer, &mut model] {
                assert_eq!(writer.apply(partition, &step, loki_runner::State::Live).await.unwrap(), Applied::Done);
            }
        }
        for (metric, tags) in [("host.up", ""), ("m", "core=1"), ("host.up", "host=h3,core=2")] {
            assert_eq!(writer.values(metric, tags).await, model.values(metric, tags).await, "{metric} {tags} after {round}");
        }
        let hosts: Vec<String> = (0..9).map(|host| format!("h{host}")).collect();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        assert_eq!(writer.reader.presence(&hosts).await, model.reader.presence(&hosts).await, "after {round}");
    }
}

/// A world to compare with.
struct Model(Arc<MemorySamples>);

#[async_trait::async_trait]
impl SamplesWorld for Model {
    fn store(&self) -> Arc<dyn crate::samples::SamplesStore> {
        self.0.clone()
    }

    async fn empty(&self) {
        self.0.clear();
    }

    async fn size(&self, partition: u32) -> (usize, usize) {
        self.0.size(partition)
    }
}
