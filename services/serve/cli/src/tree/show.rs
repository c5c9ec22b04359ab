//! `loki tree show`: the tree as it is, or as it was.

use loki_domain::NodePath;
use loki_domain::path::DEPTH_MAX;
use serde::Deserialize;

use super::node::{self, TreeNode};
use crate::exit::{Exit, Failure};
use crate::flags::Session;
use crate::output::text::{count, labels, printable};

const HELP: &str = "\
Examples:
  loki tree show
  loki tree show /acme/shop --depth 2
  loki tree show /acme --at c17                      as it was after command c17
  loki tree show /acme --at 2026-01-31T12:00:00Z     as it was then";

/// Show a node and what is below it
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Options {
    /// The node
    #[arg(default_value = "/")]
    path: NodePath,
    /// How many levels below it
    #[arg(long, default_value_t = DEPTH_MAX)]
    depth: usize,
    /// As it was at this position (`c17`) or time
    #[arg(long, value_name = "MOMENT")]
    at: Option<String>,
    /// Not before this fact is seen, `f42`
    #[arg(long, value_name = "POSITION")]
    after: Option<String>,
}

impl Options {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let Session { client, out } = session;
        let request = node::request(client, &self.path, self.depth).with("at", self.at.as_ref()).with("after", self.after.as_ref());
        let answer = match client.send(&request).await {
            Err(error) if error.code() == Some(node::TOO_MANY) && self.at.is_none() => return self.in_parts(session).await,
            answer => answer?,
        };
        if out.is_json() {
            out.json(&answer.raw()?)?;
        } else {
            out.text(&render(&answer.json()?))?;
        }
        Ok(Exit::Ok)
    }

    /// Too many nodes for one answer: what is shown is not of one moment, and says so.
    async fn in_parts(self, Session { client, out }: &mut Session) -> Result<Exit, Failure> {
        out.note("the tree is too large for one answer and is read in parts: what moves meanwhile may be shown twice, or not at all");
        let tree = node::in_parts(client, &self.path, self.depth, self.after.as_ref()).await?;
        if out.is_json() {
            out.json(&tree)?;
        } else {
            let wrong = |error: serde_json::Error| Failure::new(Exit::Failed, format!("a node cannot be read: {error}"));
            out.text(&render(&TreeNode::deserialize(serde_json::Value::Object(tree)).map_err(wrong)?))?;
        }
        Ok(Exit::Ok)
    }
}

fn render(top: &TreeNode) -> String {
    let mut out = line(&printable(&top.path), top);
    branches(&mut out, top, "");
    out
}

fn branches(out: &mut String, parent: &TreeNode, indent: &str) {
    let last = parent.children.len().saturating_sub(1);
    for (index, child) in parent.children.iter().enumerate() {
        let (branch, below) = if index == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let name = printable(child.name.as_deref().unwrap_or(&child.path));
        out.push_str(&format!("{indent}{branch}{}", line(&name, child)));
        branches(out, child, &format!("{indent}{below}"));
    }
}

fn line(name: &str, node: &TreeNode) -> String {
    let mut line = name.to_owned();
    if node.servers > 0 {
        line.push_str(&format!("  {}", count(node.servers as usize, "server")));
    }
    if !node.labels.is_empty() {
        line.push_str(&format!("  {}", printable(&labels(&node.labels))));
    }
    line.push('\n');
    line
}
