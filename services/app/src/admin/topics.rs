//! `loki topics plan|apply`: the log's topics against `topics/*.toml`.

use std::process::ExitCode;

use loki_cli::Output;
use loki_log::{Class, TopicChange};

use super::unreached::{Unreached, need_real};
use crate::backends::{Backends, Set};
use crate::settings::Settings;

#[derive(Debug, Clone, Copy, clap::Subcommand)]
pub(crate) enum Action {
    /// Print what `apply` would change; exit 1 when something can never be changed in place.
    Plan,
    /// Create missing topics and alter settings. Partition counts and replication are never changed.
    Apply,
}

pub(crate) async fn run(settings: &Settings, action: Action, out: &mut Output) -> anyhow::Result<ExitCode> {
    need_real(settings, "topics")?;
    let backends = Backends::open(settings, Set::Real).await?;
    let apply = matches!(action, Action::Apply);
    let brokers = Unreached { setting: "kafka.brokers".to_owned(), value: settings.kafka.brokers.clone(), command: "topics" };
    let changes = backends.log.reconcile_topics(&backends.specs, apply).await.map_err(|error| {
        let away = error.class() == Class::Retry;
        brokers.tell(error.into(), away, settings)
    })?;
    let (create, alter) = if apply { ("created", "altered") } else { ("would create", "would alter") };
    let mut refused = false;
    for change in &changes {
        match change {
            TopicChange::Create { topic } => out.line(format_args!("{create} {topic}"))?,
            TopicChange::Alter { topic, setting, from, to } => out.line(format_args!("{alter} {topic}: {setting} from {from} to {to}"))?,
            TopicChange::Refuse { topic, setting, from, to, reason } => {
                refused = true;
                out.line(format_args!("cannot change {topic}: {setting} is {from}, declared {to}: {reason}"))?;
            }
        }
    }
    if changes.is_empty() {
        out.line("the topics are as declared")?;
    }
    backends.close().await;
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
