//! `stack up|down|status`: the shared set of real backends, for tests and for people.
#![allow(clippy::print_stdout, reason = "this is what a person reads")]
#![allow(clippy::disallowed_methods, reason = "it tells how long it took")]

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use loki_testing::real::{self, State, stack_dir};

fn main() -> Result<ExitCode> {
    let word = std::env::args().nth(1);
    match word.as_deref() {
        Some("up") => up(),
        Some("down") => down(),
        Some("status") => status(),
        _ => {
            eprintln!("usage: stack up|down|status");
            Ok(ExitCode::from(2))
        }
    }
}

fn up() -> Result<ExitCode> {
    let started = Instant::now();
    for state in real::up()? {
        print(&state);
    }
    println!("up after {:.1} s; the addresses are in {}", started.elapsed().as_secs_f64(), stack_dir().join("env").display());
    Ok(ExitCode::SUCCESS)
}

fn down() -> Result<ExitCode> {
    match real::down()?.as_slice() {
        [] => println!("nothing was running"),
        stopped => println!("stopped {}", stopped.join(", ")),
    }
    Ok(ExitCode::SUCCESS)
}

/// Succeeds when all serve.
fn status() -> Result<ExitCode> {
    let states = real::status()?;
    states.iter().for_each(print);
    Ok(if states.iter().all(|state| state.answer.is_ok()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(state: &State) {
    let process = state.pid.map_or_else(String::new, |pid| format!("process {pid}, "));
    match &state.answer {
        Ok(answer) => println!("{:<10} {:<32} {process}{answer}", state.name, state.url),
        Err(reason) => println!("{:<10} {:<32} {process}DOWN: {reason:#}", state.name, state.url),
    }
}
