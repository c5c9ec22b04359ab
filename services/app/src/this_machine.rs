//! `loki all --this-machine`: the machine that runs it becomes the first server of the tree, by the same commands that anyone would send.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use loki_runtime::Secret;
use serde_json::json;

/// Registers this machine under `/machines`. Safe to repeat: what is there already stays.
pub(crate) async fn register(api: SocketAddr, token: &Secret) -> anyhow::Result<()> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").context("the host name")?.trim().to_lowercase();
    let labels = json!({ "os": std::env::consts::OS, "arch": std::env::consts::ARCH });
    let commands = [
        ("node.create", json!({ "path": "/machines" })),
        ("server.register", json!({ "name": name, "state": "online", "labels": labels })),
        ("server.mount", json!({ "server": name, "node": "/machines" })),
    ];
    let client = reqwest::Client::builder().timeout(Duration::from_secs(15)).build()?;
    for (kind, data) in commands {
        let mut request =
            client.post(format!("http://{api}/v1/commands?wait=10s")).json(&json!({ "type": kind, "actor": "this-machine", "data": data }));
        if !token.is_empty() {
            request = request.bearer_auth(token.expose());
        }
        let answer: serde_json::Value = request.send().await?.json().await?;
        match (answer["outcome"].as_str(), answer["code"].as_str()) {
            (Some("accepted"), _) | (Some("rejected"), Some("already_exists")) => {}
            _ => bail!("`{kind}` was answered {answer}"),
        }
    }
    tracing::info!(server = %name, node = "/machines", "this machine is registered");
    Ok(())
}
