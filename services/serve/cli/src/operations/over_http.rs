//! The running process does it, and tells over HTTP.

use std::time::Duration;

use async_trait::async_trait;
use loki_runtime::clock::Stopwatch;
use loki_runtime::task::sleep;
use reqwest::Method;

use super::{Built, OnFinding, OnProgress, Operations, Store};
use crate::client::{Client, Error};
use crate::exit::{Exit, Failure};
use crate::output::text::printable;
use crate::status::{Projection, Status};

/// Comparing a large store, the server may be silent for so long.
const SILENCE_MAX: Duration = Duration::from_secs(600);

/// A finding shows two entities.
const LINE_BYTES: usize = 4 << 20;

/// Asks the process behind a client.
pub struct OverHttp<'c> {
    client: &'c Client,
    /// A rebuild so short that no status shows it is over when the projections have been live for so long.
    settle: Duration,
}

impl<'c> OverHttp<'c> {
    pub fn new(client: &'c Client) -> Self {
        Self { client, settle: Duration::from_secs(2) }
    }

    /// With another wait for a rebuild that no status shows.
    #[must_use]
    pub fn settling_in(self, settle: Duration) -> Self {
        Self { settle, ..self }
    }
}

#[async_trait]
impl Operations for OverHttp<'_> {
    async fn verify(&self, on_finding: &mut OnFinding<'_>) -> Result<(), Failure> {
        let request = self.client.request(Method::POST, &["v1", "operations", "verify"]).repeatable().waiting(SILENCE_MAX);
        let mut stream = self.client.open(&request).await?;
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

    async fn rebuild(&self, store: Store, on_progress: &mut OnProgress<'_>) -> Result<(), Failure> {
        let before = self.client.status().await?;
        let request = self.client.request(Method::POST, &["v1", "operations", "rebuild", store.name()]);
        self.client.send(&request).await?;
        let mut begun = false;
        let mut live = Stopwatch::start();
        let mut pause = Duration::from_millis(25);
        loop {
            match self.client.status().await {
                Ok(now) => {
                    let projections = of(&now, store)?;
                    let all_live = projections.iter().all(|projection| projection.is_live());
                    begun |= !all_live || has_gone_back(&before, &projections);
                    if !all_live {
                        live = Stopwatch::start();
                        on_progress(built(&projections));
                    } else if begun || live.elapsed() >= self.settle {
                        on_progress(built(&projections));
                        return Ok(());
                    }
                }
                // the store that is being built may be why
                Err(error) if error.is_passing() && !error.is_unsent() => begun = true,
                Err(error) => return Err(error.into()),
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }
}

fn of(status: &Status, store: Store) -> Result<Vec<&Projection>, Failure> {
    let found = |name: &&str| status.projections.iter().find(|projection| projection.name == *name);
    let missing = || Failure::new(Exit::Failed, format!("the status does not name all projections of `{}`", store.name()));
    store.projections().iter().map(found).collect::<Option<_>>().ok_or_else(missing)
}

/// A projection is behind where it was: it has begun anew since.
fn has_gone_back(before: &Status, now: &[&Projection]) -> bool {
    now.iter().any(|now| {
        let before = before.projections.iter().find(|before| before.name == now.name);
        before.is_some_and(|before| offset(now.position.as_deref()) < offset(before.position.as_deref()))
    })
}

fn built(projections: &[&Projection]) -> Built {
    let done = projections.iter().map(|projection| offset(projection.position.as_deref())).sum();
    Built { done, of: projections.iter().map(|projection| offset(Some(&projection.end))).sum() }
}

/// The number in `f42`; 0 while there is none.
fn offset(position: Option<&str>) -> u64 {
    position.and_then(|text| text.get(1..)).and_then(|digits| digits.parse().ok()).unwrap_or(0)
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
