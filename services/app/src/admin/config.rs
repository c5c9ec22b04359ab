//! `loki config`: the settings in force.

use loki_cli::Output;

use crate::settings::Settings;

pub(crate) fn print(settings: &Settings, out: &mut Output) -> anyhow::Result<()> {
    for mistake in settings.unguarded() {
        out.note(format_args!("warning: {mistake}: `loki all` and `loki api` would refuse to start"));
    }
    Ok(out.text(&settings.print()?)?)
}
