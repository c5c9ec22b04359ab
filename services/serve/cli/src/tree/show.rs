//! `loki tree show`: the tree as it is, or as it was.

use loki_domain::NodePath;
use loki_domain::path::DEPTH_MAX;

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
        let request = node::request(&session.client, &self.path, self.depth).with("at", self.at).with("after", self.after);
        let answer = session.client.send(&request).await?;
        if session.out.is_json() {
            session.out.json(&answer.raw()?)?;
        } else {
            session.out.text(&render(&answer.json()?))?;
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
