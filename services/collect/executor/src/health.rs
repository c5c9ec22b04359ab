//! Whether a release is good: its check has passed without a break for as long as it says.

use std::process::Stdio;
use std::time::Duration;

use loki_runtime::clock::Stopwatch;
use loki_runtime::task;
use loki_wire::fact::v1::deploy::{Check, Health};
use tokio::net::TcpStream;

use crate::course::{Course, Halt};
use crate::hook::command;
use crate::installed::Installed;

/// Of one try.
const TRY: Duration = Duration::from_secs(10);
/// Between two tries, by how long it has to stay good.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Until it has stayed good; one without a check is.
pub(crate) async fn stays_good(course: &Course<'_>, release: &Installed) -> Result<(), Halt> {
    match &release.known.manifest.health {
        Some(health) => is_good(course, release, health, Duration::from_millis(u64::from(health.stays_ms))).await,
        None => Ok(()),
    }
}

/// Until its check has passed once.
pub(crate) async fn passes(course: &Course<'_>, release: &Installed) -> Result<(), Halt> {
    match &release.known.manifest.health {
        Some(health) => is_good(course, release, health, Duration::ZERO).await,
        None => Ok(()),
    }
}

async fn is_good(course: &Course<'_>, release: &Installed, health: &Health, stays: Duration) -> Result<(), Halt> {
    let (within, pause) = (Duration::from_millis(u64::from(health.within_ms)), (stays / 8).clamp(PAUSE_MIN, PAUSE_MAX));
    let begun = Stopwatch::start();
    let mut good: Option<Duration> = None;
    let mut last = "it was not asked".to_owned();
    while begun.elapsed() < within {
        let at = begun.elapsed();
        let left = TRY.min(within.saturating_sub(at));
        let tried = course.within(async { Ok(task::timeout(left, asked(course, release, &health.check)).await) }).await?;
        match tried.unwrap_or_else(|| Err("no answer in time".to_owned())) {
            Ok(()) => {
                let since = *good.get_or_insert_with(|| begun.elapsed());
                // from the end of the first try that passed to the beginning of this one
                if at.saturating_sub(since) >= stays {
                    return Ok(());
                }
            }
            Err(why) => (good, last) = (None, why),
        }
        course.sleep(pause).await?;
    }
    let why = match good {
        Some(_) => format!("it has not stayed good for {} ms", stays.as_millis()),
        None => last,
    };
    Err(Halt::failed(format!("it was not good within {} ms: {why}", health.within_ms)))
}

async fn asked(course: &Course<'_>, release: &Installed, check: &Check) -> Result<(), String> {
    match check {
        Check::Http { port, path } => course.shared.client.is_good(*port, path).await,
        Check::Tcp { port } => TcpStream::connect(("127.0.0.1", *port)).await.map(|_| ()).map_err(|error| error.to_string()),
        Check::Command { command } => ends_well(course, release, command).await,
    }
}

/// Its group is ended with it, whatever the outcome, also when nobody waits for it any more.
async fn ends_well(course: &Course<'_>, release: &Installed, lines: &str) -> Result<(), String> {
    let user = release.user().await.map_err(|_| "its user is not there".to_owned())?;
    let mut child = command(&user, lines)
        .current_dir(release.place.release(release.id))
        .envs(release.environment(course))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| error.to_string())?;
    let _group = Group(child.id());
    let status = child.wait().await.map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("its command: {status}")) }
}

struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let group = self.0.and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(group) = group {
            // it has ended by itself
            let _gone: Result<(), _> = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}
