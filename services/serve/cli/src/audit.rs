//! `loki audit`: who asked for what, and what became of it, newest first.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::exit::{Exit, Failure};
use crate::flags::Session;
use crate::output::table::Table;

const HELP: &str = "\
Examples:
  loki audit
  loki audit --outcome rejected --from 2026-01-31T00:00:00Z
  loki audit --key node/0123456789abcdef --limit 1000
  loki audit --actor ci --type node.move -o json | jq '.items[].position'";

/// List commands and what became of them, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Options {
    /// Only of this actor
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only of this type, such as `node.create`
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only those that ended so: accepted, rejected, duplicate or dead
    #[arg(long)]
    outcome: Option<String>,
    /// Only those that changed this entity, such as `node/<id>`
    #[arg(long)]
    key: Option<String>,
    /// From this position (`c17`) or time on
    #[arg(long, value_name = "MOMENT")]
    from: Option<String>,
    /// Up to this position or time
    #[arg(long, value_name = "MOMENT")]
    to: Option<String>,
    /// How many at most
    #[arg(short = 'n', long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    limit: u64,
    /// Not before this command is seen, `c17`
    #[arg(long, value_name = "POSITION")]
    after: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Line {
    position: String,
    actor: String,
    #[serde(rename = "type")]
    kind: String,
    at: String,
    outcome: String,
    code: Option<String>,
    field: Option<String>,
    message: Option<String>,
    duplicate_of: Option<String>,
    #[serde(default)]
    changes: u64,
    #[serde(default)]
    keys: Vec<String>,
}

impl Options {
    pub(crate) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let Session { client, out } = session;
        let request = client.get(&["v1", "audit"]).with("actor", self.actor).with("type", self.kind).with("outcome", self.outcome);
        let request = request.with("key", self.key).with("from", self.from).with("to", self.to).with("after", self.after);
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        if out.is_json() {
            out.json(&client.list::<Box<RawValue>>(&request, limit).await?)?;
            return Ok(Exit::Ok);
        }
        let listed = client.list::<Line>(&request, limit).await?;
        out.text(&render(&listed.items))?;
        if listed.next.is_some() {
            out.note(format_args!("there are more: raise `--limit` or narrow with `--from` and `--to`"));
        }
        Ok(Exit::Ok)
    }
}

fn render(lines: &[Line]) -> String {
    let mut table = Table::new(["POSITION", "AT", "ACTOR", "TYPE", "OUTCOME", "WHAT"]);
    for line in lines {
        let what = what(line);
        table.row([line.position.clone(), line.at.clone(), line.actor.clone(), line.kind.clone(), line.outcome.clone(), what]);
    }
    table.render()
}

fn what(line: &Line) -> String {
    if let Some(first) = &line.duplicate_of {
        return format!("asked before at {first}");
    }
    if let Some(code) = &line.code {
        let field = line.field.as_ref().filter(|field| !field.is_empty()).map(|field| format!(" (field `{field}`)")).unwrap_or_default();
        return format!("{code}: {}{field}", line.message.as_deref().unwrap_or_default());
    }
    match (line.keys.first(), line.changes) {
        (None, _) => "it was so already".to_owned(),
        (Some(key), 0 | 1) => key.clone(),
        (Some(key), changes) => format!("{key} and {} more", changes - 1),
    }
}
