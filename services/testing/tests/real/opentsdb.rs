//! OpenTSDB on its HBase: what it acknowledged survives a kill of either, and the runbook for conflicts does what it says.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use loki_testing::real::{OpenTsdb, Running, opentsdb_counter, opentsdb_fsck, shared, topic_prefix};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::until;

#[test]
fn the_shared_opentsdb_takes_points_answers_and_lists_series() -> Result<()> {
    let url = &shared().opentsdb;
    let metric = format!("{}orders", topic_prefix());
    put(url, &metric, minute(1)?, json!(1.5))?;
    assert_eq!(points(url, &metric)?, BTreeMap::from([(minute(1)?, json!(1.5))]));
    // written beside the point and not waited for
    let listed = || Ok(curl(&[&format!("{url}/api/search/lookup?m={metric}")])?["totalResults"] == 1);
    until("the series is listed", listed)
}

/// One daemon with one HBase for all that hurts them, as both take their time to start.
#[test]
fn opentsdb_keeps_points_over_kills_and_its_runbook_repairs_a_conflict() -> Result<()> {
    let mut server = Running::start(&OpenTsdb)?;
    keeps_points_over_kills(&mut server)?;
    is_repaired_by_its_runbook(&server)
}

fn keeps_points_over_kills(server: &mut Running) -> Result<()> {
    let (url, metric) = (server.url(), "shop.orders");
    let mut written = BTreeMap::new();
    put(&url, metric, minute(1)?, json!(1.5))?;
    written.insert(minute(1)?, json!(1.5));
    server.kill()?;
    server.restart()?;
    assert_eq!(points(&url, metric)?, written);

    put(&url, metric, minute(2)?, json!(2))?;
    written.insert(minute(2)?, json!(2));
    server.needed()?.kill()?;
    server.ask().err().context("it serves without its store")?;
    server.needed()?.restart()?;
    // the daemon finds the store that came back
    until("it serves again", || Ok(server.ask().is_ok()))?;
    assert_eq!(points(&url, metric)?, written);
    put(&url, metric, minute(3)?, json!(3))
}

fn is_repaired_by_its_runbook(server: &Running) -> Result<()> {
    let (url, metric) = (server.url(), "domain.availability");
    let runbook = Runbook::new(server)?;
    let [query, find, save, keep_first, keep_last, see] = runbook.steps.as_slice() else {
        bail!("the runbook's commands are {:?}", runbook.steps)
    };
    // the hours before and the other metric are no part of the conflict
    put(&url, metric, minute(1)? - 7_200, json!(0.5))?;
    conflict(&url, metric, minute(1)?)?;

    let failed = opentsdb_counter(&url, "tsd.compaction.duplicates")?;
    assert!(text(&runbook.run(query)?).contains("set tsd.storage.fix_duplicates=true to fix automatically or run Fsck"));
    assert_eq!(opentsdb_counter(&url, "tsd.compaction.duplicates")?, failed + 1);
    let before = curl(&[&format!("{url}/api/query?start=20d-ago&end={}&m=avg:{metric}", minute(0)? - 3_600)])?;
    assert_eq!(before[0]["dps"], json!({ (minute(1)? - 7_200).to_string(): 0.5 }), "{before}");
    points(&url, "shop.orders")?;

    let found = runbook.run(find)?;
    assert_eq!(found.status.code(), Some(1), "{}", text(&found));
    assert!(text(&found).contains("Duplicate Datapoints: 1\n"), "{}", text(&found));
    assert!(runbook.run(save)?.status.success());
    let saved = std::fs::read_to_string(runbook.folder.path().join("domain.availability.txt"))?;
    let at = minute(1)?;
    for line in [format!("{metric} {at} 1 host=web01"), format!("{metric} {at} 2.5 host=web01")] {
        assert!(saved.lines().any(|saved| saved == line), "no `{line}` in\n{saved}");
    }

    // the old form
    let alone = opentsdb_fsck(server.home(), &["--fix", "20d-ago", "avg", metric])?;
    assert!(text(&alone).contains("One or more errors found in row that were not marked for repair"), "{}", text(&alone));
    assert_eq!(alone.status.code(), Some(1));
    assert_eq!(runbook.run(see)?.status.code(), Some(1));

    for (repair, kept) in [(keep_first, json!(1)), (keep_last, json!(2.5))] {
        let repaired = runbook.run(repair)?;
        assert_eq!(repaired.status.code(), Some(1), "{}", text(&repaired));
        assert!(text(&repaired).contains("Total Errors Fixed: 1\n"), "{}", text(&repaired));
        assert!(text(&runbook.run(see)?).ends_with("no conflict left\n"));
        assert!(runbook.run(query)?.status.success());
        assert_eq!(points(&url, metric)?[&at], kept);
        // what the next round repairs
        conflict(&url, metric, at)?;
    }
    Ok(())
}

/// An integer and a float at one instant: two cells, as OpenTSDB names a cell by the value's type and width, too.
fn conflict(url: &str, metric: &str, at: u64) -> Result<()> {
    // not in one request: the tool tells the first from the last by the millisecond
    put(url, metric, at, json!(1))?;
    put(url, metric, at, json!(2.5))
}

/// The shell's blocks of the runbook, run as they stand there.
struct Runbook {
    steps: Vec<String>,
    folder: TempDir,
    path: String,
    tsd: String,
}

impl Runbook {
    fn new(server: &Running) -> Result<Self> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/runbooks/opentsdb-fsck.md");
        let steps = shell_blocks(&std::fs::read_to_string(file)?);
        // `tsdb` lies in the daemon's own folder
        let path = format!("{}:{}", server.home().display(), std::env::var("PATH")?);
        Ok(Self { steps, folder: tempfile::tempdir()?, path, tsd: server.url() })
    }

    fn run(&self, step: &str) -> Result<Output> {
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", step]).current_dir(&self.folder).env("PATH", &self.path).env("TSD", &self.tsd);
        shell.output().context("cannot run bash")
    }
}

fn shell_blocks(document: &str) -> Vec<String> {
    let blocks = document.split("```sh\n").skip(1);
    blocks.filter_map(|rest| rest.split_once("```").map(|(block, _)| block.to_owned())).collect()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A minute of the last full hour, in seconds.
fn minute(minute: u64) -> Result<u64> {
    #[expect(clippy::disallowed_methods, reason = "the runbook's commands go back from now")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    Ok(now / 3_600 * 3_600 - 3_600 + minute * 60)
}

fn put(url: &str, metric: &str, at: u64, value: Value) -> Result<()> {
    let point = json!({ "metric": metric, "timestamp": at, "value": value, "tags": { "host": "web01" } });
    let answer = curl(&["--data", &point.to_string(), &format!("{url}/api/put?sync&details")])?;
    ensure!(answer["success"] == 1, "{answer}");
    Ok(())
}

fn points(url: &str, metric: &str) -> Result<BTreeMap<u64, Value>> {
    let answer = curl(&[&format!("{url}/api/query?start=20d-ago&m=sum:{metric}")])?;
    let points = answer[0]["dps"].as_object().with_context(|| answer.to_string())?;
    points.iter().map(|(at, value)| Ok((at.parse()?, value.clone()))).collect()
}

/// With a limit that a machine which stalls for some seconds does not reach.
fn curl(arguments: &[&str]) -> Result<Value> {
    let limit = Duration::from_secs(60).as_secs().to_string();
    let output = Command::new("curl").args(["--silent", "--show-error", "--max-time", &limit]).args(arguments).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).with_context(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
