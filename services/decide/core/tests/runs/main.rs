//! Runs under any order of reports, timers, repetitions and people: none is left without a next step, and one release is good.

use std::collections::BTreeMap;

use loki_core::generate::Random;
use loki_domain::{Command, NodeRef, RunState, Settings};

mod world;

use world::{NODE, World};

#[test]
fn every_run_ends_and_one_release_is_good() {
    let mut ends: BTreeMap<RunState, usize> = BTreeMap::new();
    let mut strays = 0;
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let mut world = World::new(1 + random.below(30));
        for _ in 0..120 {
            world.happens(&mut random);
        }
        world.end();
        world.check_journal();
        strays += world.strays;
        for run in world.state.runs().iter() {
            *ends.entry(run.state).or_default() += 1;
        }
    }
    // whatever a run may come to was met
    for state in RunState::ALL.into_iter().filter(|state| state.is_ended()) {
        assert!(ends.get(&state).is_some_and(|count| *count >= 10), "{ends:?}");
    }
    assert!(strays >= 5, "{strays}");
}

#[test]
fn a_large_batch_takes_several_commands() {
    let mut world = World::new(2_300);
    let settings = Settings {
        package: "web".parse().ok(),
        version: "1".parse().ok(),
        batches: "1 100%".parse().ok(),
        pause_ms: Some(0),
        ..Settings::default()
    };
    assert!(world.ask(&Command::RunStart { node: NodeRef::Id(NODE), template: "standard-deploy".parse().unwrap(), settings }));
    // the lists of its batches are enough for the first command
    assert!(world.open().is_empty());
    world.settle();
    let mut told = Vec::new();
    while !world.open().is_empty() {
        let open = world.open();
        told.push(open.len());
        for (run, server, attempt, _) in open {
            world.report_unchecked(run, server, attempt);
        }
        world.settle();
    }
    let run = world.state.runs().iter().next().unwrap();
    assert_eq!((run.state, run.batches), (RunState::Succeeded, 4), "{:?}", run.why);
    assert_eq!(told, [1, 1_000, 1_000, 299]);
}
