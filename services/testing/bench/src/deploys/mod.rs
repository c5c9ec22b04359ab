//! Deploys to 2,000 simulated hosts through the real decider, clock, projection and API, each a process, on real Kafka and MariaDB.
//!
//! The same fleet waits throughout; runs of 100 to 2,000 of its servers take turns. A host takes the same time for its part whatever the run, so
//! that what a batch lasts beyond that is the engine's: deciding, telling, projecting, waking, and taking in what hosts report.

mod cell;
mod course;
mod fleet;

use std::time::Duration;

use anyhow::Result;
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;

use self::cell::{Cell, SERVICES};
use self::course::{Batch, Course};
use self::fleet::{Fleet, HOST};
use crate::figure::{Figure, median};

/// Servers of a run; the last is the whole fleet.
const SIZES: [usize; 4] = [100, 500, 1_000, 2_000];
/// A canary, a quarter, the rest.
const BATCHES: &str = "1 25% 100%";
/// The first round warms up and does not count.
const ROUNDS: usize = 5;
/// More than that is not flat any more.
const FLAT: f64 = 1.5;
/// How long the fleet only waits, for what that costs.
const IDLE: Duration = Duration::from_secs(20);

/// Of the processes, in the order of [`SERVICES`]: seconds that they had a processor.
type Used = [f64; SERVICES.len()];

/// One run.
struct Turn {
    course: Course,
    /// What waiting costs is not in it.
    used: Used,
}

/// What a host of a run costs, in milliseconds.
struct Cost {
    /// That all batches lasted beyond the hosts' own time.
    engine: f64,
    /// What each process takes of a processor.
    used: Used,
}

pub(crate) async fn run() -> Result<Vec<Figure>> {
    let mut cell = Cell::start(&SIZES).await?;
    let fleet = Fleet::start(cell.url(), SIZES[SIZES.len() - 1]).await?;
    println!("{} agents wait for tasks", SIZES[SIZES.len() - 1]);
    let mut turns: [Vec<Turn>; SIZES.len()] = Default::default();
    let mut idle = Used::default();
    for round in 0..=ROUNDS {
        for (number, size) in SIZES.into_iter().enumerate() {
            let turn = deploy(&mut cell, size, round, &idle).await?;
            let warms_up = if round == 0 { " (warming up)" } else { "" };
            println!("round {round}, {size} servers: {}{warms_up}", turn.course);
            if round > 0 {
                turns[number].push(turn);
            }
        }
        if round == 0 {
            idle = waiting(&mut cell).await?;
        }
    }
    println!("{} requests of agents were not taken at first", fleet.failed());
    fleet.stop().await;
    cell.stop().await?;
    Ok(figures(&turns))
}

/// What each process takes while the fleet only waits: seconds of a processor for each second.
async fn waiting(cell: &mut Cell) -> Result<Used> {
    let (before, watch) = (cell.used()?, Stopwatch::start());
    task::sleep(IDLE).await;
    let (after, passed) = (cell.used()?, watch.elapsed().as_secs_f64());
    let idle = std::array::from_fn(|service| (after[service] - before[service]) / passed);
    for (service, used) in SERVICES.iter().zip(&idle) {
        println!("{service}: {:.2} % of a core while the fleet waits", 100.0 * used);
    }
    Ok(idle)
}

async fn deploy(cell: &mut Cell, size: usize, round: usize, idle: &Used) -> Result<Turn> {
    // a version is a new one for all hosts
    let version = round.to_string();
    cell.register(size, &version).await?;
    let from = cell.settled().await?;
    let (before, watch) = (cell.used()?, Stopwatch::start());
    let run = cell.begin(size, &version, BATCHES).await?;
    let course = course::follow(cell, &run, from).await?;
    cell.settled().await?;
    let (after, passed) = (cell.used()?, watch.elapsed().as_secs_f64());
    cell.check()?;
    let used = std::array::from_fn(|service| after[service] - before[service] - idle[service] * passed);
    Ok(Turn { course, used })
}

fn figures(turns: &[Vec<Turn>]) -> Vec<Figure> {
    let costs: Vec<Cost> = turns.iter().map(|turns| cost(turns)).collect();
    println!("| servers | batches of | overhead of each, ms | engine a host, ms | {} |", SERVICES.join(" | "));
    for (turns, cost) in turns.iter().zip(&costs) {
        let batches = &turns[0].course.batches;
        let sizes: Vec<String> = batches.iter().map(|batch| batch.servers.to_string()).collect();
        let overheads: Vec<String> = (0..batches.len()).map(|batch| format!("{:.0}", overhead(turns, batch))).collect();
        let used = cost.used.map(|used| format!("{used:.2}"));
        let servers = turns[0].course.servers();
        println!("| {servers} | {} | {} | {:.2} | {} |", sizes.join(", "), overheads.join(", "), cost.engine, used.join(" | "));
    }
    let whole: Vec<f64> = costs.iter().map(|cost| cost.engine + cost.used[0]).collect();
    let [first, .., half, last] = whole[..] else { return Vec::new() };
    let all = &turns[turns.len() - 1];
    let largest = (0..all[0].course.batches.len()).max_by_key(|batch| all[0].course.batches[*batch].servers).unwrap_or_default();
    vec![
        Figure::at_most("deploys host", last / first, "times", FLAT),
        Figure::at_most("deploys host from half", last / half, "times", FLAT),
        Figure::at_most("deploys host decider", costs[costs.len() - 1].used[0] / costs[0].used[0], "times", FLAT),
        Figure::told("deploys canary", format!("{:.0} ms", overhead(all, 0))),
        Figure::told("deploys largest batch", format!("{:.0} ms", overhead(all, largest))),
    ]
}

/// The median of what this batch lasted beyond the hosts' own time, in milliseconds.
fn overhead(turns: &[Turn], batch: usize) -> f64 {
    median(turns.iter().map(|turn| overhead_ms(&turn.course.batches[batch])))
}

fn cost(turns: &[Turn]) -> Cost {
    let hosts: usize = turns.iter().map(|turn| turn.course.servers()).sum();
    let engine: f64 = turns.iter().flat_map(|turn| &turn.course.batches).map(overhead_ms).sum();
    let used = std::array::from_fn(|service| turns.iter().map(|turn| turn.used[service]).sum::<f64>() * 1e3 / hosts as f64);
    Cost { engine: engine / hosts as f64, used }
}

fn overhead_ms(batch: &Batch) -> f64 {
    (batch.lasted.as_secs_f64() - HOST.as_secs_f64()) * 1e3
}
