//! Steps, and where they are taken.

use loki_runner::{Applied, State, Stored};
use tokio::join;

use super::given::{Writer, log, sample, steps};
use super::{PARTITIONS, SamplesWorld};
use crate::samples::{SamplesReader, Step, Write};

pub async fn a_new_partition_is_empty(world: &dyn SamplesWorld) {
    let mut writer = Writer::new(world);
    for partition in 0..PARTITIONS {
        assert_eq!(writer.place(partition).await, None);
        assert_eq!(writer.write(partition, &[sample("m", "a=1", 1, 1.0)], 1).await, Applied::Refused);
        assert_eq!(world.size(partition).await, (0, 0));
    }
    assert_eq!(writer.reader.status().await, Ok(vec![None; PARTITIONS as usize]));
    assert!(writer.reader.presence(&["web01"]).await.is_err());
}

pub async fn a_step_moves_the_position_with_its_values(world: &dyn SamplesWorld) {
    let mut writer = Writer::live(world).await;
    let place = writer.place(0).await.unwrap();
    assert_eq!(place.stored, Stored { log: log(1), position: 0, state: State::Live, ended_ms: 0 });
    assert_eq!(writer.write(0, &[sample("m", "a=1", 10, 1.5), sample("m", "b=1", 10, -2e-7)], 9_000).await, Applied::Done);
    let after = writer.place(0).await.unwrap();
    assert_eq!((after.stored.position, after.newest_ms, after.filled), (1, 9_000, place.filled));
    assert_eq!(writer.values("m", "").await, ["m{a=1} 10 1.5", "m{b=1} 10 -2e-7"]);
    assert_eq!(writer.write(0, &[sample("m", "b=1", 4_294_967_296_123, 3.0)], 9_001).await, Applied::Done);
    assert_eq!(writer.values("m", "").await, ["m{a=1} 10 1.5", "m{b=1} 4294967296123 3.0"]);
    // a record that is older than the one before does not turn the time back
    assert_eq!(writer.write(0, &[], 5).await, Applied::Done);
    assert_eq!(writer.place(0).await.unwrap().newest_ms, 9_001);
}

pub async fn another_position_is_refused(world: &dyn SamplesWorld) {
    let mut writer = Writer::live(world).await;
    for at in 1..4 {
        assert_eq!(writer.write(0, &[sample("m", "a=1", at, 1.0)], 1).await, Applied::Done);
    }
    for wrong in [0, 1, 2, 4, 30] {
        writer.at[0] = wrong;
        assert_eq!(writer.write(0, &[sample("m", "a=1", 99, 9.0)], 1).await, Applied::Refused, "from {wrong}");
        assert_eq!(writer.state(0, State::Building).await, Applied::Refused, "at {wrong}");
    }
    assert_eq!(writer.values("m", "").await, ["m{a=1} 3 1.0"]);
    writer.at[0] = 3;
    assert_eq!(writer.write(0, &[sample("m", "a=1", 99, 9.0)], 1).await, Applied::Done);
    assert_eq!(writer.values("m", "").await, ["m{a=1} 99 9.0"]);
}

pub async fn another_log_is_refused(world: &dyn SamplesWorld) {
    let mut writer = Writer::live(world).await;
    assert_eq!(writer.write(0, &[sample("m", "a=1", 1, 1.0)], 1).await, Applied::Done);
    writer.log = log(2);
    assert_eq!(writer.write(0, &[sample("m", "a=1", 2, 2.0)], 1).await, Applied::Refused);
    assert_eq!(writer.store.begin(0, Some((log(2), 1)), log(2), 0).await.unwrap(), Applied::Refused);
    assert_eq!(writer.values("m", "").await, ["m{a=1} 1 1.0"]);
    assert_eq!(writer.begin(0, 7).await, Applied::Done);
    assert_eq!(writer.place(0).await.unwrap().stored, Stored { log: log(2), position: 7, state: State::Building, ended_ms: 0 });
}

pub async fn a_step_without_values_moves_the_rest(world: &dyn SamplesWorld) {
    let writer = Writer::live(world).await;
    let mut at = 0;
    for (to, state, ended_ms, expected) in
        [(5, State::Live, None, 0), (5, State::Building, Some(7), 7), (9, State::Building, None, 7), (9, State::Live, Some(8), 8)]
    {
        let step = Step { from: at, to, ..Step::default() };
        let write = Write { log: writer.log, step: &step, state, ended_ms };
        assert_eq!(writer.store.apply(0, write).await.unwrap(), Applied::Done);
        at = to;
        let stored = Stored { log: log(1), position: to, state, ended_ms: expected };
        assert_eq!(writer.place(0).await.map(|place| place.stored), Some(stored));
    }
}

pub async fn a_partition_is_begun_where_it_was_seen(world: &dyn SamplesWorld) {
    let mut writer = Writer::live(world).await;
    assert_eq!(writer.write(0, &[sample("m", "a=1", 1, 1.0)], 1).await, Applied::Done);
    for wrong in [None, Some((log(1), 0)), Some((log(1), 2)), Some((log(2), 1))] {
        assert_eq!(writer.store.begin(0, wrong, log(1), 5).await.unwrap(), Applied::Refused, "{wrong:?}");
    }
    assert_eq!(writer.values("m", "").await, ["m{a=1} 1 1.0"]);
    let before = writer.place(0).await.unwrap();
    assert_eq!(writer.store.begin(0, Some((log(1), 1)), log(1), 5).await.unwrap(), Applied::Done);
    let after = writer.place(0).await.unwrap();
    assert_eq!(after.stored, Stored { log: log(1), position: 5, state: State::Building, ended_ms: 0 });
    assert!(after.filled > before.filled && after.newest_ms == 0, "{after:?}");
    assert_eq!(world.size(0).await, (0, 0));
}

pub async fn of_two_writers_one_wins(world: &dyn SamplesWorld) {
    let (mut first, mut second) = (Writer::live(world).await, Writer::new(world));
    for round in 1..40 {
        let (ours, theirs) = ([sample("m", "a=1", round, 1.0)], [sample("m", "a=1", round, 2.0)]);
        let (ours, theirs) = join!(first.write(0, &ours, 1), second.write(0, &theirs, 1));
        assert!((ours == Applied::Done) != (theirs == Applied::Done), "round {round}: {ours:?}, {theirs:?}");
        let won = if ours == Applied::Done { "1.0" } else { "2.0" };
        assert_eq!(first.values("m", "").await, [format!("m{{a=1}} {round} {won}")]);
        let at = first.at[0].max(second.at[0]);
        (first.at[0], second.at[0]) = (at, at);
    }
}

pub async fn partitions_do_not_mix(world: &dyn SamplesWorld) {
    let mut writer = Writer::live(world).await;
    for partition in 0..PARTITIONS {
        let tags = format!("a={partition}");
        assert_eq!(writer.write(partition, &[sample("m", &tags, 1, 1.0)], i64::from(partition)).await, Applied::Done);
    }
    assert_eq!(writer.begin(1, 0).await, Applied::Done);
    let places = [writer.place(0).await, writer.place(1).await, writer.place(2).await].map(Option::unwrap);
    assert_eq!(places.map(|place| place.stored.position), [1, 0, 1]);
    assert_eq!(places.map(|place| place.newest_ms), [0, 0, 2]);
    assert_eq!(writer.state(1, State::Live).await, Applied::Done);
    assert_eq!(writer.values("m", "").await, ["m{a=0} 1 1.0", "m{a=2} 1 1.0"]);
}

pub async fn emptied_it_takes_nothing(world: &dyn SamplesWorld) {
    let mut writer = Writer::live(world).await;
    assert_eq!(writer.write(0, &[sample("m", "a=1", 1, 1.0), sample("host.up", "host=web01", 1, 1.0)], 1).await, Applied::Done);
    world.empty().await;
    assert_eq!(writer.place(0).await, None);
    assert_eq!(writer.write(0, &[sample("m", "a=1", 2, 1.0)], 1).await, Applied::Refused);
    assert!(writer.reader.presence(&["web01"]).await.is_err());
    assert_eq!(writer.store.begin(0, Some((log(1), 1)), log(1), 1).await.unwrap(), Applied::Refused);
    assert_eq!(world.size(0).await, (0, 0));
    // a step may be the first of its partition
    assert_eq!(writer.begin(0, 1).await, Applied::Done);
    let step = steps(1, &[sample("m", "a=1", 2, 1.0)], 1, writer.store.shape()).remove(0);
    assert_eq!(writer.apply(0, &step, State::Live).await.unwrap(), Applied::Done);
    assert_eq!(world.size(0).await, (1, 0));
}
