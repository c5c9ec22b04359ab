//! Samples from Kafka into OpenTSDB: the sink's own process beside those of Bento and Telegraf on the same topic, and beside bare puts.
//!
//! They take turns, in changing order. A turn is some hundred thousand points, in series that only its carrier writes, and each instant once: nobody
//! writes over what is there. On the stub the store costs next to nothing, so that it is the carriers themselves that are compared.

mod backlog;
mod carrier;
mod group;
mod lag;
mod putter;
mod stand;
mod stub;
mod turn;

use std::collections::BTreeMap;

use anyhow::Result;

use self::carrier::Carrier;
use self::stand::Stand;
use self::turn::{Turn, carry};
use crate::figure::Figure;

/// The first round warms up and does not count.
const ROUNDS: usize = 5;
const ROUNDS_BEHIND: usize = 3;
/// Seconds of points in a turn.
const SECONDS: usize = 66;
const SECONDS_ON_STUB: usize = 100;

/// Of each counted round: what came of a carrier's turn.
type Turns = BTreeMap<Carrier, Vec<Turn>>;

pub(crate) async fn run() -> Result<Vec<Figure>> {
    let mut stand = Stand::on_opentsdb().await?;
    let (mut turns, mut bare) = (Turns::new(), Vec::new());
    for round in 0..=ROUNDS {
        // bare puts are first in the warming up, where the names of hosts get their numbers
        let mut order = [None, Some(Carrier::Loki), Some(Carrier::Bento), Some(Carrier::Telegraf)];
        order.rotate_left(round % 4);
        for carrier in order {
            match carrier {
                Some(carrier) => take_turn(&mut stand, carrier, round, SECONDS, &mut turns).await?,
                None => {
                    let putter = putter::put(&mut stand, SECONDS).await?;
                    println!("round {round}: putter {putter:.0} points/s{}", warming_up(round));
                    bare.extend((round > 0).then_some(putter));
                }
            }
        }
    }
    let loki = &turns[&Carrier::Loki];
    let putter: Vec<(f64, f64)> = loki.iter().map(|turn| turn.rate).zip(bare).collect();
    Ok(vec![
        Figure::against_peer("sink bento", &pairs(&turns, Carrier::Bento, |turn| turn.rate), 1.1),
        Figure::against_peer("sink bento cpu", &pairs(&turns, Carrier::Bento, |turn| turn.per_processor), 2.0),
        Figure::against_peer("sink telegraf", &pairs(&turns, Carrier::Telegraf, |turn| turn.rate), 1.5),
        Figure::against_peer("sink putter", &putter, 0.9),
    ])
}

/// A backlog of millions, beside turns on what has just come: `make bench WORK=sink-lag`.
pub(crate) async fn run_behind() -> Result<Vec<Figure>> {
    let mut stand = Stand::on_opentsdb().await?;
    let (mut turns, mut pairs, mut memory) = (Turns::new(), Vec::new(), 0);
    for round in 0..=ROUNDS_BEHIND {
        take_turn(&mut stand, Carrier::Loki, round, SECONDS, &mut turns).await?;
        if round == 0 {
            continue;
        }
        let caught_up = lag::catch_up(&mut stand, round).await?;
        let lag::CaughtUp { points, from_start, from_first, .. } = caught_up;
        println!(
            "round {round}: {points} points at {from_first:.0}/s, {from_start:.0}/s from when it was started, {} MiB",
            caught_up.memory >> 20
        );
        pairs.push((from_first, turns[&Carrier::Loki][round - 1].rate));
        memory = memory.max(caught_up.memory);
    }
    Ok(vec![
        Figure::against_peer("sink-lag", &pairs, 0.9),
        Figure::at_most("sink-lag memory", memory as f64 / f64::from(1 << 20), "MiB", 256.0),
    ])
}

pub(crate) async fn run_on_stub() -> Result<Vec<Figure>> {
    let mut stand = Stand::on_stub().await?;
    let mut turns = Turns::new();
    for round in 0..=ROUNDS {
        let mut order = [Carrier::Loki, Carrier::Bento, Carrier::Telegraf];
        order.rotate_left(round % 3);
        for carrier in order {
            take_turn(&mut stand, carrier, round, SECONDS_ON_STUB, &mut turns).await?;
        }
    }
    Ok(vec![
        Figure::against_peer("sink-stub bento", &pairs(&turns, Carrier::Bento, |turn| turn.rate), 3.0),
        Figure::against_peer("sink-stub telegraf", &pairs(&turns, Carrier::Telegraf, |turn| turn.rate), 5.0),
    ])
}

async fn take_turn(stand: &mut Stand, carrier: Carrier, round: usize, seconds: usize, turns: &mut Turns) -> Result<()> {
    let turn = carry(stand, carrier, seconds).await?;
    let Turn { rate, per_processor, lost } = turn;
    let name = carrier.name();
    println!("round {round}: {name} {rate:.0} points/s, {per_processor:.0} per second of a processor, {lost} lost{}", warming_up(round));
    anyhow::ensure!(lost == 0 || carrier == Carrier::Telegraf, "{name} has lost {lost} points");
    if round > 0 {
        turns.entry(carrier).or_default().push(turn);
    }
    Ok(())
}

fn warming_up(round: usize) -> &'static str {
    if round == 0 { " (warming up)" } else { "" }
}

/// Ours and the peer's, of the same rounds.
fn pairs(turns: &Turns, peer: Carrier, what: impl Fn(&Turn) -> f64) -> Vec<(f64, f64)> {
    let of = |carrier: Carrier| turns.get(&carrier).into_iter().flatten().map(&what);
    of(Carrier::Loki).zip(of(peer)).collect()
}
