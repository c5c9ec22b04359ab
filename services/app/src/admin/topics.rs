//! `loki topics plan|apply`: the log's topics against `topics/*.toml`.

use std::process::ExitCode;

use loki_log::TopicChange;

use crate::backends::{Backends, Set};
use crate::settings::Settings;

#[derive(Debug, Clone, Copy, clap::Subcommand)]
pub(crate) enum Action {
    /// Print what `apply` would change; exit 1 when something can never be changed in place.
    Plan,
    /// Create missing topics and alter settings. Partition counts and replication are never changed.
    Apply,
}

#[expect(clippy::print_stdout, reason = "what the command is for")]
pub(crate) async fn run(settings: &Settings, action: Action) -> anyhow::Result<ExitCode> {
    let backends = Backends::open(settings, Set::of(settings, false)?).await?;
    let apply = matches!(action, Action::Apply);
    let changes = backends.log.reconcile_topics(&backends.specs, apply).await?;
    let (create, alter) = if apply { ("created", "altered") } else { ("would create", "would alter") };
    let mut refused = false;
    for change in &changes {
        match change {
            TopicChange::Create { topic } => println!("{create} {topic}"),
            TopicChange::Alter { topic, setting, from, to } => println!("{alter} {topic}: {setting} from {from} to {to}"),
            TopicChange::Refuse { topic, setting, from, to, reason } => {
                refused = true;
                println!("cannot change {topic}: {setting} is {from}, declared {to}: {reason}");
            }
        }
    }
    if changes.is_empty() {
        println!("the topics are as declared");
    }
    backends.close().await;
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
