//! The commands of `loki-cli`. On the real set `verify` and `rebuild` work on the stores themselves, so that they need no running API.

use std::process::ExitCode;
use std::time::Duration;

use async_trait::async_trait;
use loki_cli::operations::{Built, OnFinding, OnProgress, Operations, Store};
use loki_cli::{Command, Common, Exit, Failure};
use loki_log::{Partition, Topic};
use loki_opentsdb::{Replay, replay};
use loki_runner::{State, Stored};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Shutdown, task};

use super::verify;
use crate::backends::{Backends, Set};
use crate::settings::{self, Settings};

pub(crate) async fn run(command: Command, common: Common, settings: &Settings) -> anyhow::Result<ExitCode> {
    let works_on_stores = matches!(command, Command::Verify(_) | Command::Rebuild(_));
    let exit = if works_on_stores && settings.backends == settings::Backends::Real {
        let stores = Stores(Backends::open(settings, Set::Real).await?);
        command.run_with(common, Some(&stores)).await
    } else {
        command.run(common).await
    };
    Ok(exit.into())
}

/// The stores of the real set, from this process.
struct Stores(Backends);

/// How often the stores are asked how far they are.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A rebuild that has not moved for so long is given up on; the projector goes on with it when it can.
const STANDSTILL: Duration = Duration::from_secs(60);

#[async_trait]
impl Operations for Stores {
    async fn verify(&self, on_finding: &mut OnFinding<'_>) -> Result<(), Failure> {
        verify::all(&self.0, on_finding).await.map(drop).map_err(|error| match error.downcast::<Failure>() {
            Ok(failure) => failure,
            Err(error) => Failure::new(Exit::Failed, format!("{error:#}")),
        })
    }

    async fn rebuild(&self, store: Store, on_progress: &mut OnProgress<'_>) -> Result<Option<i64>, Failure> {
        let failed = |error: anyhow::Error| Failure::new(Exit::Failed, format!("{error:#}"));
        if store == Store::Opentsdb {
            return self.put_again(on_progress).await.map_err(failed);
        }
        for projection in store.projections() {
            let of = self.end(projection).await.map_err(failed)?;
            self.0.forget(projection).await.map_err(failed)?;
            let mut moved = Stopwatch::start();
            let mut before = None;
            loop {
                let stored = self.0.stored(projection).await.map_err(failed)?;
                let filling = self.0.rebuilding(projection).await.map_err(failed)?;
                let done = progress(stored, filling);
                on_progress(Built { done: done.min(of), of });
                if is_rebuilt(stored, of) {
                    break;
                }
                if before != Some((stored, filling)) {
                    (before, moved) = (Some((stored, filling)), Stopwatch::start());
                }
                if moved.elapsed() > STANDSTILL {
                    return Err(Failure::new(
                        Exit::Timeout,
                        format!("`{projection}` is still at {done} of {of}: is its projector running?"),
                    ));
                }
                task::sleep(LOOK_EVERY).await;
            }
        }
        Ok(None)
    }
}

impl Stores {
    /// Nothing is deleted, and what is there already stays.
    async fn put_again(&self, on_progress: &mut OnProgress<'_>) -> anyhow::Result<Option<i64>> {
        let (samples, shutdown) = (&self.0.samples, Shutdown::new());
        shutdown.on_signals()?;
        let told = |now: Replay| on_progress(Built { done: now.records, of: now.records + now.left });
        let done = replay(samples.store.clone(), self.0.log.clone(), &samples.sink, told, &shutdown).await?;
        Ok(done.since_ms)
    }

    async fn end(&self, projection: &str) -> anyhow::Result<u64> {
        let topics = &self.0.topics;
        let topic = match projection {
            "history" => &topics.outcomes,
            "task_logs" => &topics.task_logs,
            _ => &topics.facts,
        };
        Ok(self.0.log.bounds(&Partition::only(&Topic::new(topic))).await?.end)
    }
}

/// The store as it was before is not live any more once it has been asked, and says nothing of what is built.
fn progress(stored: Option<Stored>, filling: Option<u64>) -> u64 {
    let live = stored.filter(|stored| stored.state == State::Live).map(|stored| stored.position);
    live.or(filling).unwrap_or(0)
}

fn is_rebuilt(stored: Option<Stored>, end: u64) -> bool {
    stored.is_some_and(|stored| stored.state == State::Live && stored.position >= end)
}

#[cfg(test)]
mod tests {
    use loki_domain::LogId;

    use super::*;

    #[test]
    fn what_was_there_before_is_no_progress() {
        let at = |state| Some(Stored { log: LogId::MIN, position: 90, state, ended_ms: 0 });
        assert_eq!(progress(at(State::Building), None), 0);
        assert_eq!(progress(at(State::Building), Some(40)), 40);
        assert_eq!(progress(None, Some(40)), 40);
        // swapped: the last markers follow
        assert_eq!(progress(at(State::Live), None), 90);
        assert!(!is_rebuilt(at(State::Building), 90) && !is_rebuilt(at(State::Live), 91) && is_rebuilt(at(State::Live), 90));
    }
}
