//! Structured logs on standard error: one JSON object a line, or plain text for a terminal.

use std::io::IsTerminal;

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Text on a terminal, JSON otherwise.
    Auto,
    Json,
    Text,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`logs.filter`: {0}")]
    Filter(String),
    #[error("logs are set up already")]
    Twice,
}

/// Whether this is a filter.
pub fn check(filter: &str) -> Result<(), Error> {
    parse(filter).map(drop)
}

fn parse(filter: &str) -> Result<EnvFilter, Error> {
    EnvFilter::try_new(filter).map_err(|error| Error::Filter(error.to_string()))
}

/// Starts logging with a filter such as `info,loki_runner=debug`.
pub fn start(filter: &str, format: Format) -> Result<(), Error> {
    let filter = parse(filter)?;
    // a line that cannot be written is lost; telling that would panic, as it goes to standard error too
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    let json = match format {
        Format::Json => true,
        Format::Text => false,
        Format::Auto => !std::io::stderr().is_terminal(),
    };
    let started =
        if json { builder.json().flatten_event(true).try_init() } else { builder.with_ansi(std::io::stderr().is_terminal()).try_init() };
    started.map_err(|_| Error::Twice)
}
