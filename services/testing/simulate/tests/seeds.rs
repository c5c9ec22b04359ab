//! Courses of many seeds hold, and a seed always gives the same course.

/// `make proof` runs more.
fn seeds() -> u64 {
    std::env::var("LOKI_TEST_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

#[test]
fn all_seeds_hold() {
    let failures: Vec<String> =
        (1..=seeds()).filter_map(|seed| loki_simulate::run(seed, 120, |_, _| ()).err()).map(|failure| failure.to_string()).collect();
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
