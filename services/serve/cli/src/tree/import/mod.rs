//! `loki tree import`: brings an inventory into the tree.
//!
//! Reads the file, asks what is there, plans, and sends what is missing. Everything that decides what an inventory means is in `crate::import`.

mod current;
mod emission;
mod report;
mod source;

use std::path::PathBuf;

use loki_domain::NodePath;

use crate::emit::Sender;
use crate::exit::{Exit, Failure};
use crate::flags::Session;
use crate::import::{self, CSV_HELP, FORMAT_HELP, Format, LONG_HELP};

/// How many steps of a kind a plan shows to people; programs get them all.
const EXAMPLES: usize = 10;

const HELP: &str = "\
Examples:
  loki tree import inventory.ini --under /acme --plan
  loki tree import inventory.ini --under /acme
  ansible-inventory --list --yaml --export | loki tree import - --format yaml";

/// Import an inventory: an Ansible inventory (INI or YAML) or a CSV file
#[derive(Debug, clap::Args)]
#[command(after_help = HELP, after_long_help = format!("{HELP}\n\n{LONG_HELP}\n\n{CSV_HELP}"))]
pub(super) struct Options {
    /// The inventory; `-` reads standard input
    file: PathBuf,
    #[arg(long, help = FORMAT_HELP)]
    format: Option<Format>,
    /// Node below which everything is put; it is made when it is missing
    #[arg(long, default_value = "/", value_name = "PATH")]
    under: NodePath,
    /// Only show what would be done
    #[arg(long)]
    plan: bool,
    /// Leave out labels that cannot be kept, with a warning, instead of refusing the file
    #[arg(long)]
    lenient: bool,
    #[command(flatten)]
    sender: Sender,
}

impl Options {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let file = source::name(&self.file);
        let problems = |problems: Vec<import::Problem>, session: &mut Session| {
            problems.iter().for_each(|problem| session.out.error(report::located(&file, problem.line, &problem.message)));
            Failure::usage("nothing was imported: mend the file first")
        };
        let options = import::Options { lenient: self.lenient };
        let (inventory, warnings) = source::read(&self.file, self.format, options).map_err(|found| problems(found, session))?;
        report::warnings(&file, &warnings, &mut session.out);

        let there = current::read(&session.client, &self.under, &inventory).await?;
        let planned = import::plan(&inventory, &there.current, &self.under.to_string(), &there.position);
        let mut plan = planned.map_err(|found| problems(found, session))?;
        if self.plan {
            report::plan(&plan, EXAMPLES, &mut session.out)?;
            return Ok(Exit::Ok);
        }
        report::warnings(&file, &std::mem::take(&mut plan.warnings), &mut session.out);
        let patience = session.client.patience();
        *patience = patience.for_long_work();
        let mut done = emission::Done::new(&plan);
        let ended = emission::send(session, &self.sender, plan.steps, &mut done).await;
        report::done(&file, &done, &mut session.out)?;
        // a run that was cut short has told why; what it did stays
        ended?;
        Ok(if done.rejected.is_empty() { Exit::Ok } else { Exit::Failed })
    }
}
