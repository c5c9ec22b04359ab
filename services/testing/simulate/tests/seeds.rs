//! Courses of many seeds hold, and a seed always gives the same course.

use std::sync::atomic::{AtomicU64, Ordering};

use loki_testing::proof;

const SEEDS: u64 = 300;
const STEPS: usize = 120;

#[test]
fn all_seeds_hold() {
    let seeds = proof::count("LOKI_TEST_SEEDS", SEEDS);
    let next = AtomicU64::new(1);
    let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed <= seeds);
    let some = || -> Vec<String> {
        std::iter::from_fn(take)
            .filter_map(|seed| loki_simulate::run(seed, STEPS, |_, _| ()).err())
            .map(|failure| failure.to_string())
            .collect()
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(some)).collect();
        all.into_iter().flat_map(|thread| thread.join().expect("a course does not panic")).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    proof::tell("seeds", &format!("simulated courses of {STEPS} steps: seeds 1 to {seeds} hold"));
}

#[test]
fn a_seed_gives_the_same_course() {
    for seed in [1, 2, 3, 4] {
        let course = || {
            let mut steps = Vec::new();
            (loki_simulate::run(seed, 200, |_, what| steps.push(what.to_owned())), steps)
        };
        assert_eq!(course(), course());
    }
}
