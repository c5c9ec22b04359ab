//! The commands of `loki-cli`.

use std::process::ExitCode;

use crate::settings::Settings;

pub(crate) async fn run(command: loki_cli::Command, settings: Settings) -> anyhow::Result<ExitCode> {
    let _unused = (command, settings);
    anyhow::bail!("not wired")
}
