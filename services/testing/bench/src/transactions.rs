//! Commands through the decider's Kafka transactions: appended in bulk, decided, facts and outcomes committed with the group's position.

use loki_core::generate::{Everyday, inventory};
use loki_runtime::clock::Stopwatch;

use crate::figure::{Figure, median};
use crate::site::{Site, record};

const COMMANDS: usize = 60_000;
const ROUNDS: usize = 7;
/// Rounds in which the broker's compiler is at work; they do not count.
const WARM_UP: usize = 2;
const BAR: f64 = 10_000.0;

pub(crate) async fn run() -> anyhow::Result<Vec<Figure>> {
    let site = Site::start().await?;
    let decider = site.decide();
    let last = site.append(&site.commands(), inventory(200, 1_000, 10).iter().map(record).collect()).await?;
    site.decided(last).await?;
    let mut stream = Everyday::new(1, 200, 1_000);
    let mut rates = Vec::new();
    for round in 1..=WARM_UP + ROUNDS {
        let records = stream.by_ref().take(COMMANDS).map(|asked| record(&asked)).collect();
        let watch = Stopwatch::start();
        let last = site.append(&site.commands(), records).await?;
        site.decided(last).await?;
        let rate = COMMANDS as f64 / watch.elapsed().as_secs_f64();
        let warms_up = round <= WARM_UP;
        println!(
            "round {round}: {rate:.0} commands/s from the first append to the last commit{}",
            if warms_up { " (warming up)" } else { "" }
        );
        if !warms_up {
            rates.push(rate);
        }
    }
    decider.stop().await?;
    Ok(vec![Figure::against_bar("transactions", median(rates.into_iter()), BAR)])
}
