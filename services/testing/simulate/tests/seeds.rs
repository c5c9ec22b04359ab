//! Courses of many seeds hold, and a seed always gives the same course.

use std::sync::atomic::{AtomicU64, Ordering};

/// `make proof` runs more.
fn seeds() -> u64 {
    std::env::var("LOKI_TEST_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

#[test]
fn all_seeds_hold() {
    let next = AtomicU64::new(1);
    let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed <= seeds());
    let some = || -> Vec<String> {
        std::iter::from_fn(take)
            .filter_map(|seed| loki_simulate::run(seed, 120, |_, _| ()).err())
            .map(|failure| failure.to_string())
            .collect()
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(some)).collect();
        all.into_iter().flat_map(|thread| thread.join().expect("a course does not panic")).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
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
