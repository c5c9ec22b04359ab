//! Questions to the embedded time series against the same questions to OpenTSDB, both over HTTP, both on the same points.
//!
//! Ours is the API's route in this process on an embedded store; the peer is a daemon of OpenTSDB on an HBase of its own. One client asks one
//! question after the other, so that what is compared is how long an answer takes. The answers are compared first.

mod given;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use loki_cli::client::plain;
use loki_opentsdb::{Embedded, OpenTsdb, OpenTsdbConfig};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, Shutdown};
use loki_series::{Options, Store};
use loki_testing::real;
use reqwest::Client;
use serde::Deserialize;

use self::given::{BEGIN, DAY, HOUR, SERIES};
use crate::api::Given;
use crate::figure::Figure;
use crate::{answers, api, backends, turns};

const ROUNDS: usize = 12;
const TURN: Duration = Duration::from_millis(700);
/// Java's compiler needs so long before the peer answers as fast as it can.
const WARM_UP: Duration = Duration::from_secs(10);

/// What is asked, and how much faster ours is to be.
struct Question {
    name: &'static str,
    metric: &'static str,
    span: i64,
    /// How many series and points the answer has.
    expected: (usize, usize),
    bar: f64,
}

/// The braces are encoded as every client does.
const QUESTIONS: [Question; 3] = [
    Question { name: "series day", metric: "avg:host.cpu.usage%7Bhost=web0000%7D", span: DAY, expected: (1, DAY as usize / 10), bar: 5.0 },
    Question {
        name: "series day 5m-avg",
        metric: "avg:5m-avg:host.cpu.usage%7Bhost=web0000%7D",
        span: DAY,
        expected: (1, DAY as usize / 300),
        bar: 5.0,
    },
    Question {
        name: "series group-by",
        metric: "avg:1m-avg:host.cpu.usage%7Bhost=*%7D",
        span: HOUR,
        expected: (SERIES, SERIES * HOUR as usize / 60),
        bar: 3.0,
    },
];

pub(crate) async fn run() -> Result<Vec<Figure>> {
    let samples = given::samples()?;
    let opentsdb = backends::start(&real::OpenTsdb).await?;
    let peer = OpenTsdb::new(OpenTsdbConfig::new([opentsdb.url()]), Clock::system())?;
    given::put(&peer, &samples).await.context("OpenTSDB")?;

    let folder = tempfile::tempdir()?;
    let store = Store::open(&folder.path().join("series"), Options::default())?;
    given::put(&Embedded::new(Arc::new(store.clone()), Clock::system()), &samples).await?;
    // so that chunks are read, as nearly all points are that anybody asks for
    store.merge()?;
    let shutdown = Shutdown::new();
    let ours = format!("http://{}", api::start(folder.path(), Given { series: Some(store), ..Given::default() }, &shutdown).await?);
    answers::first(&format!("{ours}/api/version")).await?;

    let mut figures = Vec::new();
    for question in &QUESTIONS {
        figures.push(measure(question, [&ours, &opentsdb.url()]).await.context(question.name)?);
    }
    shutdown.begin();
    Ok(figures)
}

async fn measure(question: &Question, bases: [&str; 2]) -> Result<Figure> {
    let asked = format!("/api/query?start={BEGIN}&end={}&m={}", BEGIN + question.span - 1, question.metric);
    let [ours, peer] = bases.map(|base| format!("{base}{asked}"));
    let client = plain().build()?;
    let same = Groups::ask(&client, &ours).await?;
    anyhow::ensure!(same.size() == question.expected, "the answer has {:?} series and points", same.size());
    same.compare(&Groups::ask(&client, &peer).await?)?;
    rate(&client, &peer, WARM_UP).await?;
    let mut pairs = Vec::new();
    // the first round warms up and does not count
    for round in 0..=ROUNDS {
        let pair = turns::take(round, async || rate(&client, &ours, TURN).await, async || rate(&client, &peer, TURN).await).await?;
        println!("{}, round {round}: {:.1} and {:.1} answers/s", question.name, pair.0, pair.1);
        if round > 0 {
            pairs.push(pair);
        }
    }
    Ok(Figure::against_peer(question.name, &pairs, question.bar))
}

/// Answers a second, one after the other.
async fn rate(client: &Client, url: &str, during: Duration) -> Result<f64> {
    let (watch, mut answers) = (Stopwatch::start(), 0u32);
    while watch.elapsed() < during {
        let answer = client.get(url).send().await?.error_for_status()?;
        anyhow::ensure!(!answer.bytes().await?.is_empty(), "{url} has no answer");
        answers += 1;
    }
    Ok(f64::from(answers) / watch.elapsed().as_secs_f64())
}

/// Points by time, of each group by its tags.
#[derive(Debug)]
struct Groups(BTreeMap<BTreeMap<String, String>, BTreeMap<String, f64>>);

#[derive(Deserialize)]
struct Group {
    tags: BTreeMap<String, String>,
    dps: BTreeMap<String, f64>,
}

impl Groups {
    async fn ask(client: &Client, url: &str) -> Result<Self> {
        let answer = client.get(url).send().await?;
        let (status, body) = (answer.status(), answer.bytes().await?);
        let groups: Vec<Group> =
            serde_json::from_slice(&body).with_context(|| format!("{url} answers {status}: {}", String::from_utf8_lossy(&body)))?;
        Ok(Self(groups.into_iter().map(|group| (group.tags, group.dps)).collect()))
    }

    fn size(&self) -> (usize, usize) {
        (self.0.len(), self.0.values().map(BTreeMap::len).sum())
    }

    /// To the last bit: both compute in the same order.
    fn compare(&self, other: &Self) -> Result<()> {
        anyhow::ensure!(self.0.keys().eq(other.0.keys()), "the groups differ");
        for ((tags, ours), peer) in self.0.iter().zip(other.0.values()) {
            let differing = ours.iter().zip(peer).find(|(one, other)| one != other);
            anyhow::ensure!(ours.len() == peer.len() && differing.is_none(), "the points of {tags:?} differ: {differing:?}");
        }
        Ok(())
    }
}
