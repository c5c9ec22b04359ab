//! Pure decide and evolve on one core: an everyday stream over 200 nodes, 1,000 servers and 10 rules.

use loki_core::generate::{Asked, Everyday, inventory};
use loki_core::{State, decide};
use loki_runtime::clock::Stopwatch;

use crate::figure::{Figure, median};

const COMMANDS: usize = 500_000;
const ROUNDS: usize = 7;
const BAR: f64 = 500_000.0;

pub(crate) fn run() -> anyhow::Result<Vec<Figure>> {
    let stream: Vec<Asked> = Everyday::new(1, 200, 1_000).take(COMMANDS).collect();
    let mut rates = Vec::new();
    for round in 1..=ROUNDS {
        let mut state = State::default();
        for asked in inventory(200, 1_000, 10) {
            anyhow::ensure!(apply(&mut state, &asked), "the inventory is not accepted: {asked:?}");
        }
        let watch = Stopwatch::start();
        let accepted = stream.iter().filter(|asked| apply(&mut state, asked)).count();
        let rate = COMMANDS as f64 / watch.elapsed().as_secs_f64();
        anyhow::ensure!(accepted * 10 > COMMANDS * 9, "only {accepted} of {COMMANDS} were accepted");
        println!("round {round}: {rate:.0} commands/s, {accepted} of {COMMANDS} accepted");
        rates.push(rate);
    }
    Ok(vec![Figure::against_bar("decide", median(rates.into_iter()), BAR)])
}

fn apply(state: &mut State, asked: &Asked) -> bool {
    let Ok(decision) = decide(state, &asked.command, &asked.origin(), 0) else { return false };
    for (key, entity) in decision.facts {
        drop(state.evolve(key, entity));
    }
    true
}
