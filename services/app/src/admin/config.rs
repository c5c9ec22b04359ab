//! `loki config`: the settings in force.

use crate::settings::Settings;

#[expect(clippy::print_stdout, reason = "what the command is for")]
pub(crate) fn print(settings: &Settings) -> anyhow::Result<()> {
    print!("{}", settings.print()?);
    Ok(())
}
