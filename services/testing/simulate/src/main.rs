//! `simulate`: courses by seed, with what happens in each step.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

/// Runs the whole platform on one thread and paused time, under faults that a seed chooses.
#[derive(Debug, Parser)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds, from there on; with one, each step is told.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Ends with the first one that fails.
    #[arg(long)]
    first: bool,
    /// How many things happen in each course.
    #[arg(long, default_value_t = 300)]
    steps: usize,
}

fn main() -> ExitCode {
    let Arguments { seed, seeds, first, steps } = Arguments::parse();
    let mut out = std::io::stdout();
    let mut failed = 0;
    for seed in seed..seed.saturating_add(seeds) {
        let result = loki_simulate::run(seed, steps, |step, what| {
            if seeds == 1 {
                let _closed = writeln!(out, "{step:>5} {what}");
            }
        });
        let is_last = first && result.is_err();
        let _closed = match result {
            Ok(summary) => writeln!(out, "seed {seed}: {summary:?}"),
            Err(failure) => {
                failed += 1;
                writeln!(out, "FAILED {failure}")
            }
        };
        if is_last {
            break;
        }
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
