//! Archives of packages: `/v1/artifacts/{sha256}` for whoever has no place of their own for them, and a package's, wherever it lies.

pub(crate) mod get;
mod give;
pub(crate) mod package;
pub(crate) mod put;

use loki_artifacts::Artifacts;
use loki_domain::Sha256;

use crate::App;
use crate::problem::{Problem, Result};
use crate::read;

fn store(app: &App) -> Result<&Artifacts> {
    app.artifacts.as_ref().ok_or_else(|| {
        Problem::new(axum::http::StatusCode::NOT_FOUND, "no_artifacts", "there is no store of archives here: set `artifacts.url`")
    })
}

fn missing(sha256: &Sha256) -> Problem {
    Problem::not_found(format!("no archive `{sha256}`: `loki package push` brings one"))
}

fn digest(text: &str) -> Result<Sha256> {
    read::value("sha256", text)
}

impl From<loki_artifacts::Error> for Problem {
    fn from(error: loki_artifacts::Error) -> Self {
        Problem::not_ready(error.to_string())
    }
}
