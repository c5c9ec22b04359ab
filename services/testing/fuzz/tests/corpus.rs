//! Every input that is kept, and what a seed makes of it.

use loki_core::generate::Random;
use loki_fuzz::{TARGETS, Target, corpus, mutated};
use loki_testing::proof;

/// Changed inputs for each target.
const CHANGED: usize = 3_000;

#[test]
fn every_target_holds_for_what_is_kept_and_for_changes_of_it() {
    let changed = proof::count("LOKI_TEST_FUZZ", CHANGED);
    let counts = std::thread::scope(|scope| {
        let running = TARGETS.map(|target| (target, scope.spawn(move || holds(target, changed))));
        running.map(|(target, running)| (target.name, running.join().unwrap()))
    });
    let told = counts.map(|(name, kept)| format!("{name} {kept}")).join(", ");
    proof::tell("fuzz", &format!("fuzzing: what is kept ({told}), and {changed} changes of it for each: every target holds"));
}

/// How many inputs are kept.
fn holds(target: Target, changed: usize) -> usize {
    let kept: Vec<Vec<u8>> = corpus::read(&target).unwrap().into_iter().collect();
    assert!(kept.len() >= 5, "{} has a corpus", target.name);
    kept.iter().for_each(|input| check(target, input));
    let mut random = Random::new(0xf022);
    for _ in 0..changed {
        let input = &kept[random.below(kept.len())];
        check(target, &mutated(&mut random, input));
    }
    kept.len()
}

fn check(target: Target, input: &[u8]) {
    if std::panic::catch_unwind(|| (target.check)(input)).is_err() {
        panic!("`{}` does not hold for {}", target.name, input.escape_ascii());
    }
}
