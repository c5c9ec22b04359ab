//! How many commands a second are decided and evolved on one core: an everyday stream over 200 nodes, 1,000 servers and 10 rules.
//!
//! `cargo run --release -p loki-core --example throughput`

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement prints its figure and reads the clock")]

use std::time::Instant;

use loki_core::generate::{Asked, Everyday, inventory};
use loki_core::{First, IdKey, Ids, State, decide};

const COMMANDS: usize = 500_000;
const ROUNDS: usize = 5;

fn main() {
    let stream: Vec<Asked> = Everyday::new(1, 200, 1_000).take(COMMANDS).collect();
    let mut best = 0.0_f64;
    for round in 1..=ROUNDS {
        let mut state = State::default();
        for asked in inventory(200, 1_000, 10) {
            apply(&mut state, &asked);
        }
        let start = Instant::now();
        let rejected = stream.iter().filter(|asked| !apply(&mut state, asked)).count();
        let rate = COMMANDS as f64 / start.elapsed().as_secs_f64();
        best = best.max(rate);
        println!(
            "round {round}: {rate:.0} commands/s, {rejected} rejected, {} servers, {} mounts",
            state.servers().len(),
            state.mounts().len()
        );
    }
    let start = Instant::now();
    let mut ids = Ids::default();
    for (offset, asked) in stream.iter().enumerate() {
        let key = IdKey::of(&asked.origin());
        if ids.seen(key, &[0; 32], 0) == loki_core::Seen::Never {
            drop(ids.remember(key, &[0; 32], 0, offset as u64, First::Accepted { after: None }));
        }
    }
    println!("table of ids: {:.0} commands/s", COMMANDS as f64 / start.elapsed().as_secs_f64());
    println!("best: {best:.0} commands/s decide + evolve");
}

fn apply(state: &mut State, asked: &Asked) -> bool {
    let Ok(decision) = decide(state, &asked.command, &asked.origin(), 0) else { return false };
    for (key, entity) in decision.facts {
        drop(state.evolve(key, entity));
    }
    true
}
