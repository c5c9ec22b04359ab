//! Whether a store could be read: asked now and then, so that `/readyz` tells of a wrong address or a missing grant before a caller does.

use std::time::Duration;

use loki_mysql::port::{NotReady, ReadError};
use loki_runner::{State, Stored};
use loki_runtime::task;

use super::Floor;
use crate::App;

/// How often a store is asked that is ready, and one that is not.
const EVERY: Duration = Duration::from_secs(2);
const SOON: Duration = Duration::from_millis(250);
/// One that takes longer is away.
const WAIT: Duration = Duration::from_secs(10);

/// Keeps a component ready while the store can be read, until shutdown.
pub(super) fn watch<F>(app: &App, name: &str, floor: Floor, stored: impl Fn() -> F + Send + Sync + 'static)
where
    F: Future<Output = Result<Option<Stored>, ReadError>> + Send + 'static,
{
    let (health, shutdown) = (app.health.component(name), app.shutdown.clone());
    let watching = async move {
        loop {
            let lowest = floor.now();
            let said = match task::timeout(WAIT, stored()).await {
                Some(Ok(stored)) => lowest.and_then(|lowest| readable(&floor, lowest, stored)).map_err(ReadError::from),
                Some(Err(error)) => Err(error),
                None => Err(ReadError::Away(format!("no answer within {}s", WAIT.as_secs()))),
            };
            match &said {
                Ok(()) => health.ready(),
                // it is asked, and answers others
                Err(ReadError::NotReady(NotReady::Crowded)) => {}
                Err(ReadError::NotReady(reason @ NotReady::Unknown)) => health.not_ready(format!("{reason}; {}", floor.failure())),
                Err(error) => health.not_ready(error.to_string()),
            }
            task::sleep(if said.is_ok() { EVERY } else { SOON }).await;
        }
    };
    task::spawn("store readiness", async move { shutdown.unless(watching).await });
}

fn readable(floor: &Floor, lowest: u64, stored: Option<Stored>) -> Result<(), NotReady> {
    let stored = stored.ok_or(NotReady::Empty)?;
    if stored.state == State::Building {
        return Err(NotReady::Building { at: floor.at(stored.position) });
    }
    floor.check(lowest, stored.position)
}
