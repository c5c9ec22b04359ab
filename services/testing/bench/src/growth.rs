//! What ten and a hundred times as much costs: the whole platform as one process on the embedded set, with 1,000 to 100,000 nodes and half as many
//! servers, and 100,000 series that were never seen before.
//!
//! Each size has a folder of its own. The inventory is appended to its log while nothing runs; then the process is started, has to decide and to
//! project all of it, is started once more, and is asked and told. The plots are for README.md.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::stream::{self, StreamExt, TryStreamExt};
use loki_core::generate::{Asked, Everyday, inventory};
use loki_log::sqlite::{Options, SqlitePair};
use loki_log::{Log, Partition, Topic, declared};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, task};
use loki_wire::Topics;
use serde_json::{Value, json};

use crate::figure::{Figure, median};
use crate::process::{Process, loki};
use crate::site::record;

const SIZES: [Size; 5] = [
    Size { nodes: 1_000, servers: 1_000 },
    Size { nodes: 3_000, servers: 2_000 },
    Size { nodes: 10_000, servers: 5_000 },
    Size { nodes: 30_000, servers: 15_000 },
    Size { nodes: 100_000, servers: 50_000 },
];
const RULES: usize = 10;
/// Everyday commands at each size, how many wait for their outcomes at once, and how often a question is asked.
const COMMANDS: usize = 4_000;
const AT_ONCE: usize = 16;
const ASKED: usize = 15;
const SERIES: usize = 100_000;
/// Points of one post.
const POSTED: usize = 1_000;
/// More than that is not flat any more: commands that wait for each other on two cores differ by a tenth from run to run.
const FLAT: f64 = 1.5;
const PATIENCE: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Copy)]
struct Size {
    nodes: usize,
    servers: usize,
}

/// At one size.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// Of the process' processor time, microseconds for a command with everything that comes of it.
    command: f64,
    /// Seconds until it is ready, with all of it there.
    start: f64,
    /// Milliseconds for all that is there, page by page.
    query: f64,
    /// Milliseconds for one node with its servers.
    one: f64,
    /// Megabytes.
    memory: f64,
}

pub(crate) async fn run() -> Result<Vec<Figure>> {
    let mut costs = Vec::new();
    for size in SIZES {
        let cost = measure(size).await?;
        println!(
            "{} nodes, {} servers: {:.0} µs of a processor a command, ready after {:.2} s, all servers in {:.1} ms, one node in {:.2} ms, {:.0} MB",
            size.nodes, size.servers, cost.command, cost.start, cost.query, cost.one, cost.memory
        );
        costs.push(cost);
    }
    plot("a command, µs of a processor", &costs, |cost| cost.command);
    plot("start, s", &costs, |cost| cost.start);
    plot("all servers, ms", &costs, |cost| cost.query);
    plot("one node with its servers, ms", &costs, |cost| cost.one);
    plot("memory, MB", &costs, |cost| cost.memory);
    let (first, last) = (costs[0], costs[costs.len() - 1]);
    let grown = SIZES[SIZES.len() - 1].servers as f64 / SIZES[0].servers as f64;
    let (known, unseen) = unseen_series().await?;
    Ok(vec![
        Figure::at_most("growth command", last.command / first.command, "times", FLAT),
        Figure::at_most("growth one node", last.one / first.one / grown, "of linear", 1.0),
        Figure::at_most("growth start", last.start / first.start / grown, "of linear", 1.0),
        Figure::at_most("growth all servers", last.query / first.query / grown, "of linear", 1.0),
        Figure::told("growth known series", format!("{known:.0}/s")),
        Figure::told("growth unseen series", format!("{unseen:.0}/s")),
    ])
}

async fn measure(size: Size) -> Result<Cost> {
    let folder = tempfile::tempdir()?;
    fill(folder.path(), inventory(size.nodes, size.servers, RULES)).await?;
    let platform = Platform::start(folder.path()).await?;
    platform.settled().await?;
    platform.stop().await?;

    let watch = Stopwatch::start();
    let mut platform = Platform::start(folder.path()).await?;
    platform.settled().await?;
    let start = watch.elapsed().as_secs_f64();

    let commands = Everyday::new(2, size.nodes, size.servers).take(COMMANDS);
    let before = platform.process.processor_time()?;
    stream::iter(commands).map(|asked| platform.send(asked)).buffered(AT_ONCE).try_collect::<Vec<()>>().await?;
    platform.settled().await?;
    let used = platform.process.processor_time()? - before;

    let (mut all, mut one) = (Vec::new(), Vec::new());
    for _ in 0..ASKED {
        let watch = Stopwatch::start();
        let found = platform.servers().await?;
        anyhow::ensure!(found * 10 > size.servers * 9, "{found} of {} servers were found", size.servers);
        all.push(watch.elapsed().as_secs_f64() * 1e3);
        // as many servers lie at one node at each size, so that its answer is as large
        let watch = Stopwatch::start();
        platform.get("/v1/servers?node=/acme/g0/n0").await?;
        platform.get("/v1/nodes/%2Facme%2Fg0%2Fn0").await?;
        one.push(watch.elapsed().as_secs_f64() * 1e3);
    }
    platform.process.check()?;
    let memory = platform.process.memory()? as f64 / 1e6;
    platform.stop().await?;
    Ok(Cost {
        command: used.as_secs_f64() * 1e6 / COMMANDS as f64,
        start,
        query: median(all.into_iter()),
        one: median(one.into_iter()),
        memory,
    })
}

/// Puts commands into the log of a platform that does not run.
async fn fill(folder: &Path, commands: Vec<Asked>) -> Result<()> {
    let topics = Topics::new("");
    let log = SqlitePair::open(Options::new(folder), vec![Topic::new(&topics.samples)]).await?;
    log.reconcile_topics(&declared("").into_iter().map(|topic| topic.spec).collect::<Vec<_>>(), true).await?;
    let partition = Partition::only(&Topic::new(&topics.commands));
    for some in commands.chunks(5_000) {
        log.append(&partition, some.iter().map(record).collect()).await?;
    }
    // the process that comes next has the folder for itself
    log.close().await;
    Ok(())
}

/// Points a second of series that were seen before, and of ones that were not: as many, one point of each.
async fn unseen_series() -> Result<(f64, f64)> {
    let folder = tempfile::tempdir()?;
    let platform = Platform::start(folder.path()).await?;
    platform.settled().await?;
    // connections, and what is made once
    platform.put("warm", 1_000, 0).await?;
    let unseen = platform.put("all", SERIES, 0).await?;
    let known = platform.put("all", SERIES, 1).await?;
    println!("{SERIES} series: {unseen:.0} points/s when none of them was seen before, {known:.0} points/s when all were");
    platform.stop().await?;
    Ok((known, unseen))
}

struct Platform {
    process: Process,
    url: String,
    http: reqwest::Client,
}

impl Platform {
    async fn start(folder: &Path) -> Result<Self> {
        let any_port = || "127.0.0.1:0".to_owned();
        let settings =
            [("LOKI__DATA_DIR", folder.display().to_string()), ("LOKI__API__LISTEN", any_port()), ("LOKI__TELNET__LISTEN", any_port())];
        // a file of its own, in which nothing is said yet
        let log = tempfile::Builder::new().prefix("loki-").tempfile_in(folder)?.into_temp_path().keep()?;
        let mut process = Process::start(&loki()?, &["all"], &settings, &log)?;
        let ready = process.says("loki is ready: ").await?;
        let url = ready.split(' ').next().context("no address")?.trim_end_matches('/').to_owned();
        Ok(Self { process, url, http: loki_cli::client::plain().build()? })
    }

    async fn stop(self) -> Result<()> {
        self.process.stop().await
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        anyhow::ensure!(status.is_success(), "{path} is answered {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// Waits for its outcome, whichever that is.
    async fn send(&self, asked: Asked) -> Result<()> {
        let data: Value = serde_json::from_slice(&loki_wire::command::write(&asked.command))?;
        let body = json!({ "id": asked.id, "actor": asked.actor, "type": asked.command.type_name(), "data": data });
        let answer = self.http.post(format!("{}/v1/commands?wait=30s", self.url)).body(body.to_string()).send().await?;
        anyhow::ensure!(answer.status() == 200, "{body} is answered {}: {}", answer.status(), answer.text().await?);
        Ok(())
    }

    /// Every command has its outcome, and every store everything.
    async fn settled(&self) -> Result<()> {
        let wait = async {
            loop {
                let status = self.get("/v1/status").await?;
                let projections = status["projections"].as_array().context("no projections")?;
                if status["undecided"] == 0 && projections.iter().all(|of| of["state"] == "live" && of["lag"] == 0) {
                    return Ok(());
                }
                task::sleep(Duration::from_millis(20)).await;
            }
        };
        task::timeout(PATIENCE, wait).await.context("it does not settle")?
    }

    /// How many there are, page by page.
    async fn servers(&self) -> Result<usize> {
        let (mut found, mut path) = (0, "/v1/servers?limit=1000".to_owned());
        loop {
            let page = self.get(&path).await?;
            found += page["items"].as_array().context("no items")?.len();
            match page["next"].as_str() {
                Some(next) => path = format!("/v1/servers?limit=1000&cursor={next}"),
                None => return Ok(found),
            }
        }
    }

    /// One point of each series, of some second; gives points a second until all are stored.
    async fn put(&self, tag: &str, series: usize, second: i64) -> Result<f64> {
        let at = Clock::system().now_ms() / 1_000 - 60 + second;
        let bodies: Vec<String> = (0..series.div_ceil(POSTED))
            .map(|post| {
                let mut body = String::from("[");
                for number in post * POSTED..((post + 1) * POSTED).min(series) {
                    let comma = if body.len() > 1 { "," } else { "" };
                    let _ = write!(
                        body,
                        r#"{comma}{{"metric":"growth.{tag}","timestamp":{at},"value":{number},"tags":{{"host":"h{}","part":"p{}"}}}}"#,
                        number / 100,
                        number % 100
                    );
                }
                body + "]"
            })
            .collect();
        let watch = Stopwatch::start();
        let post = |body: String| async move {
            let answer = self.http.post(format!("{}/api/put", self.url)).body(body).send().await?;
            anyhow::ensure!(answer.status() == 204, "points are answered {}: {}", answer.status(), answer.text().await?);
            Ok(())
        };
        stream::iter(bodies).map(post).buffer_unordered(4).try_collect::<Vec<()>>().await?;
        self.settled().await?;
        Ok(series as f64 / watch.elapsed().as_secs_f64())
    }
}

/// For README.md; nodes in thousands.
fn plot(title: &str, costs: &[Cost], of: impl Fn(&Cost) -> f64) {
    let names: Vec<String> = SIZES.iter().map(|size| format!("{}k", size.nodes / 1_000)).collect();
    let values: Vec<String> = costs.iter().map(|cost| format!("{:.2}", of(cost))).collect();
    println!(
        "```mermaid\nxychart-beta\n    title \"{title}\"\n    x-axis \"nodes\" [{}]\n    line [{}]\n```",
        names.join(", "),
        values.join(", ")
    );
}
