//! Real backends of the benchmark's own: nobody else's load is in the figures, and data is forced to the disk as in production.

use anyhow::{Context, Result};
use loki_runtime::task;
use loki_testing::real::{Backend, Durability, Running};

/// Starts an empty one.
pub(crate) async fn start(backend: &'static dyn Backend) -> Result<Running> {
    let name = backend.name();
    let started = task::spawn_blocking("backend", move || Running::start_with(backend, Durability::Machine));
    started.await.context("the start was given up")?.with_context(|| format!("cannot start {name}"))
}
