//! One run of `wrk`.

use std::time::Duration;

use anyhow::{Context, Result};
use loki_runtime::task;
use tokio::process::Command;

const CONNECTIONS: usize = 32;
/// Short: the machine's speed may change from one second to the next, and what is compared should meet the same.
const SECONDS: usize = 1;

/// Requests a second; an answer that is neither 2xx nor 3xx is an error.
pub(crate) async fn run(url: &str, header: Option<&str>) -> Result<f64> {
    let mut command = Command::new("wrk");
    command.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{SECONDS}s")]);
    if let Some(header) = header {
        command.args(["-H", header]);
    }
    let output = task::timeout(Duration::from_secs(30), command.arg(url).kill_on_drop(true).output()).await;
    let output = output.context("wrk does not end")?.context("`wrk` is not installed")?;
    let text = String::from_utf8_lossy(&output.stdout);
    anyhow::ensure!(
        output.status.success() && !text.contains("Non-2xx") && !text.contains("Socket errors"),
        "wrk {url}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    rate.context("wrk gave no rate")?.trim().parse().context("the rate of wrk")
}
