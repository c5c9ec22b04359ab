//! Every input that is kept, and what a seed makes of it.

use loki_core::generate::Random;
use loki_fuzz::{TARGETS, corpus, mutated};

/// Changed inputs for each target; `LOKI_TEST_FUZZ` sets another number.
const CHANGED: usize = 3_000;

#[test]
fn every_target_holds_for_what_is_kept_and_for_changes_of_it() {
    let changed: usize = std::env::var("LOKI_TEST_FUZZ").map_or(CHANGED, |count| count.parse().expect("a number"));
    for target in TARGETS {
        let kept: Vec<Vec<u8>> = corpus::read(&target).unwrap().into_iter().collect();
        assert!(kept.len() >= 5, "{} has a corpus", target.name);
        kept.iter().for_each(|input| check(target, input));
        let mut random = Random::new(0xf022);
        for _ in 0..changed {
            let input = &kept[random.below(kept.len())];
            check(target, &mutated(&mut random, input));
        }
    }
}

fn check(target: loki_fuzz::Target, input: &[u8]) {
    if std::panic::catch_unwind(|| (target.check)(input)).is_err() {
        panic!("`{}` does not hold for {}", target.name, input.escape_ascii());
    }
}
