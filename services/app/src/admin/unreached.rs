//! What commands say that prepare the backends of the real set: which setting they went by, and that the embedded set needs none of them.

use anyhow::{anyhow, ensure};

use crate::settings::{Backends, Settings};

/// Refuses a command that the embedded set does not need.
pub(super) fn need_real(settings: &Settings, command: &str) -> anyhow::Result<()> {
    ensure!(
        settings.backends != Backends::Embedded,
        "`backends` is `embedded`, which needs no `loki {command}`: `loki all` does that by itself when it starts"
    );
    Ok(())
}

/// A backend that did not do what it was asked for.
pub(super) struct Unreached {
    pub(super) setting: String,
    /// Without secrets.
    pub(super) value: String,
    pub(super) command: &'static str,
}

impl Unreached {
    /// `away`: nothing answered there.
    pub(super) fn tell(&self, error: anyhow::Error, away: bool, settings: &Settings) -> anyhow::Error {
        let Self { setting, value, command } = self;
        if !away {
            return error.context(format!("`{setting}` is `{value}`"));
        }
        let variable = format!("LOKI__{}", setting.to_uppercase().replace('.', "__"));
        let embedded = match settings.backends {
            Backends::Auto => format!("; `loki all` on the embedded set needs no `loki {command}`: it does that by itself when it starts"),
            Backends::Embedded | Backends::Real => String::new(),
        };
        anyhow!(
            "`{setting}` is `{value}`: {error:#}: does it run, and is that its address? otherwise set `{setting}` ({variable}){embedded}"
        )
    }
}
