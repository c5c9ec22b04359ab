//! Pure decide and evolve on one core: an everyday stream over 200 nodes, 1,000 servers and 10 rules.
//!
//! The clock is the thread's: it stands still while other processes have the core, so that the figure is what one core does. As in the decider,
//! where a command is decoded just before it is decided, the stream is made in parts; making them does not count.

use std::time::Duration;

use loki_core::generate::{Asked, Everyday, inventory};
use loki_core::{State, decide};
use loki_runtime::clock::Stopwatch;
use rustix::time::{ClockId, clock_gettime};

use crate::figure::{Figure, median};

const COMMANDS: usize = 500_000;
const PART: usize = 1_000;
const ROUNDS: usize = 7;
const BAR: f64 = 500_000.0;

pub(crate) fn run() -> anyhow::Result<Vec<Figure>> {
    let mut rates = Vec::new();
    for round in 1..=ROUNDS {
        let mut state = State::default();
        for asked in inventory(200, 1_000, 10) {
            anyhow::ensure!(apply(&mut state, &asked), "the inventory is not accepted: {asked:?}");
        }
        let mut stream = Everyday::new(1, 200, 1_000).take(COMMANDS);
        let (mut accepted, mut on_core_for, mut elapsed) = (0, Duration::ZERO, Duration::ZERO);
        loop {
            let part: Vec<Asked> = stream.by_ref().take(PART).collect();
            if part.is_empty() {
                break;
            }
            let (watch, begin) = (Stopwatch::start(), on_core());
            accepted += part.iter().filter(|asked| apply(&mut state, asked)).count();
            on_core_for += on_core() - begin;
            elapsed += watch.elapsed();
        }
        let rate = COMMANDS as f64 / on_core_for.as_secs_f64();
        anyhow::ensure!(accepted * 10 > COMMANDS * 9, "only {accepted} of {COMMANDS} were accepted");
        let share = 100.0 * on_core_for.as_secs_f64() / elapsed.as_secs_f64();
        println!("round {round}: {rate:.0} commands/s, {accepted} of {COMMANDS} accepted; the thread had {share:.0} % of a core");
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

/// How long this thread has had a core.
fn on_core() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::from_secs(now.tv_sec.unsigned_abs()) + Duration::from_nanos(now.tv_nsec.unsigned_abs())
}
