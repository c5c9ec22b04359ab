//! `make bench`: how fast Loki is, beside the bare parts that it is made of, on this machine.
//!
//! A work measures one thing, several times; ours and the peer take turns within one run, so that what else the machine does falls on both.
//! Every figure is a median. README.md beside this folder keeps the results.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it measures, and people read it")]

mod answers;
mod api;
mod backends;
mod bare;
mod decide;
mod deploys;
mod facts;
mod figure;
mod growth;
mod idle;
mod live;
mod process;
mod rebuild;
mod rebuild_mysql;
mod rebuild_zookeeper;
mod recorded;
mod series;
mod series_ingest;
mod servers;
mod sink;
mod site;
mod transactions;
mod turns;
mod visible;
mod wrk;

use std::process::ExitCode;

use figure::Figure;

/// The one of the binary `loki`; the peers have it as well.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// In the order in which they are run.
const WORKS: [&str; 15] = [
    "decide",
    "transactions",
    "visible",
    "servers",
    "rebuild-mysql",
    "rebuild-zookeeper",
    "series",
    "series-ingest",
    "live",
    "idle",
    "sink",
    "sink-lag",
    "sink-stub",
    "growth",
    "deploys",
];

#[tokio::main(flavor = "multi_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked: Vec<&str> = arguments.iter().flat_map(|argument| argument.split(',')).filter(|name| !name.is_empty()).collect();
    if let Some(unknown) = asked.iter().find(|name| !WORKS.contains(name)) {
        eprintln!("no work `{unknown}`; there are: {}", WORKS.join(", "));
        return ExitCode::from(2);
    }
    let mut figures = Vec::new();
    let mut failed = false;
    for work in WORKS.into_iter().filter(|work| asked.is_empty() || asked.contains(work)) {
        println!("== {work}");
        match Box::pin(run(work)).await {
            Ok(new) => figures.extend(new),
            Err(error) => {
                failed = true;
                println!("{work} failed: {error:?}");
            }
        }
    }
    figure::print(&figures);
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

async fn run(work: &str) -> anyhow::Result<Vec<Figure>> {
    match work {
        "decide" => decide::run(),
        "transactions" => transactions::run().await,
        "visible" => visible::run().await,
        "servers" => servers::run().await,
        "rebuild-mysql" => rebuild_mysql::run().await,
        "rebuild-zookeeper" => rebuild_zookeeper::run().await,
        "series" => series::run().await,
        "series-ingest" => series_ingest::run().await,
        "live" => live::run().await,
        "idle" => idle::run().await,
        "sink" => sink::run().await,
        "sink-lag" => sink::run_behind().await,
        "growth" => growth::run().await,
        "deploys" => deploys::run().await,
        "sink-stub" => sink::run_on_stub().await,
        other => anyhow::bail!("no work `{other}`"),
    }
}
