//! Whatever happens in whatever order: in the end the store is the fold of the log, and no batch was applied twice or skipped.

use std::time::Duration;

use loki_runner::testing::{Fault, Generation};
use loki_runner::{Mode, State};
use loki_runtime::task;
use proptest::prelude::*;

use crate::world::{GROUP, Running, World, eventually};

#[derive(Debug, Clone)]
enum Event {
    Append {
        facts: u32,
        flagged: bool,
        marker: bool,
    },
    Fault(Fault),
    StoreAway(bool),
    LogAway(u64),
    Emptied,
    Copied,
    SetBack,
    Revoked,
    Lost,
    Asked,
    Stopped,
    Killed,
    Second,
    Compacted,
    /// The log is an older copy of itself, of so many hundredths.
    Restored {
        kept: u64,
    },
    Passed {
        ms: u64,
    },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (1u32..12, any::<bool>(), any::<bool>()).prop_map(|(facts, flagged, marker)| Event::Append { facts, flagged, marker }),
        4 => (0..Fault::ALL.len()).prop_map(|n| Event::Fault(Fault::ALL[n])),
        1 => any::<bool>().prop_map(Event::StoreAway),
        1 => (1u64..6).prop_map(Event::LogAway),
        1 => Just(Event::Emptied),
        1 => Just(Event::Copied),
        1 => Just(Event::SetBack),
        1 => Just(Event::Revoked),
        1 => Just(Event::Lost),
        1 => Just(Event::Asked),
        1 => Just(Event::Stopped),
        1 => Just(Event::Killed),
        1 => Just(Event::Second),
        1 => Just(Event::Compacted),
        1 => (0u64..100).prop_map(|kept| Event::Restored { kept }),
        6 => (0u64..12).prop_map(|ms| Event::Passed { ms }),
    ]
}

async fn happen(events: Vec<Event>, kafka: bool) {
    let mut world = if kafka { World::as_kafka() } else { World::new() };
    world.config.store_timeout = Duration::from_millis(10);
    world.config.rebuild_timeout = Duration::from_millis(10);
    world.config.check_every = Duration::from_millis(3);
    world.config.drain = Duration::from_millis(10);
    world.config.touch_every = Duration::from_millis(7);
    (world.config.batch_records_max, world.config.rebuild_records_max) = (7, 9);
    let opening = world.end();
    let mut running: Vec<Running> = vec![world.run()];
    let mut copy: Option<Generation> = None;
    let mut compacted = false;
    for event in events {
        match event {
            Event::Append { facts, flagged, marker } => {
                let first = world.commands as u32 % 20;
                world.append_as(first..first + facts, flagged, marker);
            }
            Event::Fault(fault) => world.fail([fault]),
            Event::StoreAway(away) => world.store.set_away(away),
            Event::LogAway(calls) => world.log.away(calls),
            Event::Emptied => world.store.replace(None),
            Event::Copied => copy = world.store.main(),
            Event::SetBack => {
                if copy.is_some() {
                    world.store.replace(copy.clone());
                }
            }
            Event::Revoked => world.log.revoke(GROUP),
            Event::Lost => world.log.lose(GROUP),
            Event::Asked => running[0].control.rebuild(),
            Event::Stopped => {
                running.remove(0).stop().await;
                running.push(world.run());
            }
            Event::Killed => {
                running.remove(0).kill().await;
                running.push(world.run());
            }
            Event::Second => {
                if running.len() < 3 {
                    running.push(world.run());
                }
            }
            Event::Compacted => {
                compacted = true;
                let mut newest = std::collections::HashMap::new();
                for record in world.log.records(&world.facts) {
                    newest.insert(record.key.clone(), record.offset);
                }
                world.log.compact(&world.facts, |record| newest[&record.key] == record.offset);
            }
            Event::Restored { kept } => {
                // Of a log that grows again before anybody has looked nothing can be known, nor of what was read before: so all is at rest.
                world.store.heal();
                world.log.away(0);
                copy = None;
                let end = world.end();
                eventually("all is at rest", || {
                    let follows = |running: &Running| running.status.now().mode == Mode::Following;
                    let is_done = |running: &Running| running.control.wanted() == running.control.rebuilt();
                    let at_end = world.store.stored().is_some_and(|stored| stored.position == end && stored.state == State::Live);
                    at_end && running.iter().any(|running| follows(running) && is_done(running))
                })
                .await;
                let (swaps, end) = (world.store.swaps(), opening + (end - opening) * kept / 100);
                if end < world.end() {
                    world.log.truncate(&world.facts, end);
                    let given_up = || world.store.stored().is_some_and(|stored| stored.is_given_up());
                    eventually("it is noticed", || given_up() || world.store.swaps() > swaps).await;
                }
            }
            Event::Passed { ms } => task::sleep(Duration::from_millis(ms)).await,
        }
    }
    world.store.heal();
    world.log.away(0);
    while running.len() > 1 {
        running.remove(0).stop().await;
    }
    if compacted {
        // What was applied before it was compacted is not in the log any more: fill it anew to compare offset by offset.
        let control = running[0].control.clone();
        control.rebuild();
        // a rebuild that was begun before does not answer this request
        let asked = control.wanted();
        eventually("it is rebuilt", || control.rebuilt() >= asked).await;
        running[0].until("following", |snapshot| snapshot.mode == Mode::Following).await;
    }
    world.caught_up(&running[0]).await;
    running.remove(0).stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_the_end_the_store_is_the_fold_of_the_log(events in prop::collection::vec(event(), 1..60), kafka in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(happen(events, kafka));
    }
}
