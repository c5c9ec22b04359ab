//! What Loki takes while nobody asks it anything: all of it in one process on the embedded set, and an agent alone.
//!
//! `loki all --this-machine` measures this host every ten seconds and probes its own API once a minute even then, and the second agent sends to it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;
use loki_wire::signature::Secret;

use crate::figure::Figure;
use crate::process::{self, Process};

/// By then everything that comes with starting is done, and several rounds have been measured.
const SETTLE: Duration = Duration::from_secs(60);
/// Six rounds of the agents, one of the prober.
const DURING: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Megabytes, as in the bars, are a million bytes.
const MB: f64 = 1e6;

const ALL_MB: f64 = 120.0;
const ALL_PERCENT: f64 = 1.0;
const AGENT_MB: f64 = 25.0;

pub(crate) async fn run() -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let any_port = || "127.0.0.1:0".to_owned();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let settings = [("LOKI__DATA_DIR", place("all")), ("LOKI__API__LISTEN", any_port()), ("LOKI__TELNET__LISTEN", any_port())];
    let program = process::loki()?;
    let mut all = Process::start(&program, &["all", "--this-machine"], &settings, &folder.path().join("all.log"))?;
    let ready = all.says("loki is ready: ").await?;
    let api = ready.split(' ').next().unwrap_or_default().to_owned();
    let register = r#"{"type":"server.register","data":{"name":"second","state":"online"}}"#;
    let http = loki_cli::client::plain().build()?;
    let registered = http.post(format!("{api}/v1/commands?wait=10s")).body(register).send().await?;
    anyhow::ensure!(registered.status() == 200, "the second server is not registered: {}", registered.text().await?);
    // of a name of its own: two agents of one host would contradict each other
    let settings = [
        ("LOKI__DATA_DIR", place("agent")),
        ("LOKI__AGENT__API", api),
        ("LOKI__AGENT__SERVER", "second".to_owned()),
        // it waits for tasks, as every agent does to which something may be deployed
        ("LOKI__AGENT__TASK_KEYS", format!("[\"{}\"]", Secret::random().context("no random bytes")?.public())),
        ("LOKI__TELEMETRY__LISTEN", any_port()),
    ];
    let mut agent = Process::start(&program, &["agent"], &settings, &folder.path().join("agent.log"))?;
    task::sleep(SETTLE).await;

    let watch = Stopwatch::start();
    let before = [all.processor_time()?, agent.processor_time()?];
    let mut most = [0, 0];
    while watch.elapsed() < DURING {
        all.check()?;
        agent.check()?;
        most = [most[0].max(all.memory()?), most[1].max(agent.memory()?)];
        task::sleep(LOOK_EVERY).await;
    }
    let passed = watch.elapsed();
    let used = [all.processor_time()? - before[0], agent.processor_time()? - before[1]];
    let [all_percent, agent_percent] = used.map(|used| 100.0 * used.as_secs_f64() / passed.as_secs_f64());
    let [all_mb, agent_mb] = most.map(|bytes| bytes as f64 / MB);
    agent.stop().await?;
    all.stop().await?;
    Ok(vec![
        Figure::at_most("idle all memory", all_mb, "MB", ALL_MB),
        Figure::at_most("idle all processor", all_percent, "% of a core", ALL_PERCENT),
        Figure::at_most("idle agent memory", agent_mb, "MB", AGENT_MB),
        Figure::told("idle agent processor", format!("{agent_percent:.2} % of a core")),
    ])
}
