//! The running process does it, and tells over HTTP.

use std::time::Duration;

use async_trait::async_trait;
use loki_runtime::task::sleep;
use reqwest::Method;

use super::{Asked, Built, OnFinding, OnProgress, Operations, Rebuilding, Store};
use crate::client::{Client, Error};
use crate::exit::{Exit, Failure};
use crate::output::text::printable;

/// Comparing a large store, the server may be silent for so long.
const SILENCE_MAX: Duration = Duration::from_secs(600);

/// A finding shows two entities.
const LINE_BYTES: usize = 4 << 20;

/// How often to ask how far a rebuild is, at least.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Asks the process behind a client.
pub struct OverHttp<'c> {
    client: &'c Client,
}

impl<'c> OverHttp<'c> {
    pub fn new(client: &'c Client) -> Self {
        Self { client }
    }

    async fn rebuilding(&self, projection: &str) -> Result<Rebuilding, Error> {
        self.client.send(&self.client.get(&["v1", "operations", "rebuild", projection])).await?.json()
    }
}

#[async_trait]
impl Operations for OverHttp<'_> {
    async fn verify(&self, on_finding: &mut OnFinding<'_>) -> Result<(), Failure> {
        let request = self.client.request(Method::POST, &["v1", "operations", "verify"]).repeatable().waiting(SILENCE_MAX);
        let mut stream = self.client.open(&request).await.map_err(elsewhere)?;
        let mut rest = Vec::new();
        while let Some(piece) = stream.piece(SILENCE_MAX).await? {
            for part in piece.split_inclusive(|byte| *byte == b'\n') {
                rest.extend_from_slice(part);
                if rest.len() > LINE_BYTES {
                    return Err(unreadable(format!("a line has more than {} MiB", LINE_BYTES >> 20)));
                }
                if part.ends_with(b"\n") {
                    read(&std::mem::take(&mut rest), on_finding)?;
                }
            }
        }
        read(&rest, on_finding)
    }

    /// Readers keep the present entries until the new ones are complete, so the store's state does not tell when it is done: the number of the
    /// request does.
    async fn rebuild(&self, store: Store, on_progress: &mut OnProgress<'_>) -> Result<Option<i64>, Failure> {
        let mut since_ms = None;
        let mut asked = Vec::new();
        for projection in store.projections() {
            let request = self.client.request(Method::POST, &["v1", "operations", "rebuild", projection]);
            let Asked { request } = self.client.send(&request).await.map_err(elsewhere)?.json()?;
            asked.push((*projection, request));
        }
        let mut pause = Duration::from_millis(25);
        loop {
            let mut open = Vec::new();
            let mut built = Built { done: 0, of: 0 };
            for (projection, request) in asked {
                let now = self.rebuilding(projection).await?;
                if now.wanted < request {
                    let message = format!("the process was restarted, and with it the rebuild of `{projection}` was forgotten: ask again");
                    return Err(Failure::new(Exit::Failed, message));
                }
                since_ms = now.since_ms.or(since_ms);
                built.done += now.position.unwrap_or_default();
                built.of += now.end.unwrap_or_default();
                if now.rebuilt < request {
                    open.push((projection, request));
                }
            }
            if built.of > 0 {
                on_progress(built);
            }
            if open.is_empty() {
                return Ok(since_ms);
            }
            asked = open;
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

/// Only the process that runs every service can do it for others.
fn elsewhere(error: Error) -> Failure {
    match error {
        Error::Problem(problem) if problem.code == "no_such_route" => Failure::new(
            Exit::NotFound,
            "this API's process does not run the projectors: set `backends = \"real\"` (LOKI__BACKENDS=real) and the backends' addresses, and this works on the stores themselves",
        ),
        error => error.into(),
    }
}

fn read(line: &[u8], on_finding: &mut OnFinding<'_>) -> Result<(), Failure> {
    if line.trim_ascii().is_empty() {
        return Ok(());
    }
    match serde_json::from_slice(line) {
        Ok(finding) => on_finding(finding),
        Err(error) => Err(unreadable(format!("{error} in {}", String::from_utf8_lossy(line.trim_ascii())))),
    }
}

fn unreadable(cause: impl std::fmt::Display) -> Failure {
    Error::Unreadable { path: "/v1/operations/verify".to_owned(), cause: printable(&cause.to_string()) }.into()
}
