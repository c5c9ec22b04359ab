//! `loki deploy list`: runs, the newest first.

use loki_domain::NodePath;
use loki_wire::envelope::write_time;
use serde_json::Value;

use super::state::{Listed, what};
use crate::exit::{Exit, Failure};
use crate::flags::Session;
use crate::output::table::Table;

/// List runs, the newest first
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Only those of this node and of the nodes below
    node: Option<NodePath>,
    /// Only those that have not ended
    #[arg(long)]
    unfinished: bool,
    /// At most so many
    #[arg(short = 'n', long, default_value = "20", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
}

impl Options {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let request = session.client.get(&["v1", "runs"]).with("node", self.node.as_ref());
        let request = request.with("unfinished", self.unfinished.then_some(true));
        if session.out.is_json() {
            let runs = session.client.list::<Value>(&request, self.count as usize).await?;
            session.out.json(&runs)?;
            return Ok(Exit::Ok);
        }
        let runs = session.client.list::<Listed>(&request, self.count as usize).await?;
        let mut table = Table::new(["RUN", "BEGUN", "STATE", "WHAT", "SERVERS", "BY", "NODE"]);
        for Listed { run, path } in runs.items {
            let what = what(&run, None);
            let node = path.unwrap_or_else(|| format!("{}, which is gone", run.node));
            table.row([run.id, write_time(run.begun_ms), run.state, what, run.servers.to_string(), run.by, node]);
        }
        session.out.text(&table.render())?;
        Ok(Exit::Ok)
    }
}
