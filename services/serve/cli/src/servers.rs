//! `loki servers`: the servers of a node, with their weights.

use std::collections::BTreeMap;

use loki_domain::{NodePath, Ratio};
use serde::Deserialize;

use crate::exit::{Exit, Failure};
use crate::flags::Session;
use crate::output::table::Table;
use crate::output::text::labels;

const HELP: &str = "\
Examples:
  loki servers /acme/shop/web
  loki servers /acme --recursive -o json | jq -r '.servers[].name'

WEIGHT is what a load balancer needs: 0 while the server or its mount takes no traffic. RATIO is the share of the node's traffic that was \
set by hand, `-` where it is shared equally.";

/// List the servers of a node
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Options {
    /// The node
    node: NodePath,
    /// Also those of the nodes below
    #[arg(short, long)]
    recursive: bool,
    /// Not before this fact is seen, `f42`
    #[arg(long, value_name = "POSITION")]
    after: Option<String>,
}

/// `GET /v1/servers?node=`.
#[derive(Debug, Deserialize)]
pub(crate) struct OfNode {
    pub(crate) servers: Vec<Mounted>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Mounted {
    pub(crate) name: String,
    state: String,
    #[serde(default)]
    addresses: Vec<String>,
    idc: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) mounts: Vec<Mount>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Mount {
    /// The node's path.
    pub(crate) node: String,
    #[serde(default)]
    offline: bool,
    ratio: Option<u32>,
    weight: Option<u64>,
}

impl Options {
    pub(crate) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let request = session.client.get(&["v1", "servers"]).with("node", Some(&self.node)).with("after", self.after);
        let request = request.with("recursive", self.recursive.then_some(true));
        let answer = session.client.send(&request).await?;
        if session.out.is_json() {
            session.out.json(&answer.raw()?)?;
        } else {
            session.out.text(&render(&answer.json()?))?;
        }
        Ok(Exit::Ok)
    }
}

/// A line for each mount.
fn render(answer: &OfNode) -> String {
    let mut table = Table::new(["NAME", "STATE", "WEIGHT", "RATIO", "IDC", "ADDRESSES", "NODE", "LABELS"]);
    for server in &answer.servers {
        for mount in &server.mounts {
            table.row([
                server.name.clone(),
                if mount.offline { format!("{}, mounted offline", server.state) } else { server.state.clone() },
                mount.weight.map(|weight| weight.to_string()).unwrap_or_default(),
                mount.ratio.map(percent).unwrap_or_default(),
                server.idc.clone().unwrap_or_default(),
                server.addresses.join(","),
                mount.node.clone(),
                labels(&server.labels),
            ]);
        }
    }
    table.render()
}

/// Parts per million as people say them, exact.
fn percent(ppm: u32) -> String {
    let one = Ratio::ONE / 100;
    let digits = format!("{}.{:04}", ppm / one, ppm % one);
    format!("{}%", digits.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents() {
        for (ppm, text) in [(0, "0%"), (1_000_000, "100%"), (250_000, "25%"), (333_333, "33.3333%"), (1, "0.0001%"), (100_000, "10%")] {
            assert_eq!(percent(ppm), text);
        }
    }
}
