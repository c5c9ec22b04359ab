//! The way back, when something has failed after the release that served was told to stop.

use std::io;
use std::time::Duration;

use loki_runtime::Backoff;

use crate::course::{Course, Halt};
use crate::deadline::Deadline;
use crate::installed::Installed;
use crate::task::{Step, Wanted, line};
use crate::{health, hook, metrics};

/// Of what went wrong on the way back, in a message.
const WHY_CHARACTERS_MAX: usize = 90;

/// The files of the hook that starts what served before.
const START: &str = "back-start";

/// A disk that is full may have room again in a moment.
const SAVE_TRIES: u32 = 5;
const SAVE_PAUSE: Duration = Duration::from_millis(100);

/// Writes down that the host goes back: whoever does not know that would go on with what has failed. `None` when shutdown came first.
pub(crate) async fn note(course: &Course<'_>) -> Option<()> {
    let mut backoff = Backoff::new(SAVE_PAUSE, SAVE_PAUSE * 10);
    for left in (0..SAVE_TRIES).rev() {
        match course.save() {
            Ok(()) => break,
            Err(_) if left > 0 => course.stop.unless(backoff.wait()).await?,
            Err(error) => tracing::error!(run.id = %course.task.run, %error, "that a task has failed could not be written down"),
        }
    }
    Some(())
}

/// A way back that was begun before the agent was started again has its whole time from now, unless what served before is being started: nobody has
/// done that while the agent was down.
pub(crate) fn go_on(course: &mut Course<'_>) {
    let now_ms = course.task.now_ms();
    let Some(back) = course.progress.back.as_mut().filter(|_| !hook::has_begun(&course.folder, START)) else { return };
    back.since_ms = now_ms;
    course.count_from(now_ms);
    if let Err(error) = course.save() {
        tracing::warn!(run.id = %course.task.run, %error, "since when a host goes back could not be written down");
    }
}

/// Makes what served before serve again, in a time of its own, as long as the task's; says how that ended. `None` when shutdown came first.
pub(crate) async fn go_back(course: &mut Course<'_>) -> Option<String> {
    (course.told)(Step::Back, None);
    let ended = match stop_new(course).await {
        Ok(()) => start_old(course).await,
        Err(halt) => Err(halt),
    };
    if !matches!(ended, Err(Halt::Shutdown)) {
        metrics::went_back(matches!(&ended, Ok(Way { serves: true, .. })));
    }
    match ended {
        Ok(way) => Some(way.end),
        Err(Halt::Shutdown) => None,
        Err(Halt::Failed(why)) => Some(format!("; the way back failed, nothing serves: {}", line(&why, WHY_CHARACTERS_MAX))),
    }
}

/// What cannot be stopped does not keep the old release from being started.
async fn stop_new(course: &mut Course<'_>) -> Result<(), Halt> {
    let Some(back) = course.progress.back.clone() else { return Ok(()) };
    let Wanted::Release(wanted) = &course.task.wanted else { return Ok(()) };
    if back.step < Step::Start {
        return Ok(());
    }
    let new = Installed::wanted(&course.shared.layout.package(&wanted.name), wanted);
    // the other half is for what is started again
    course.deadline = Deadline::within(course.deadline.left() / 2);
    let stopped = new.tell(course, "stop", "back-stop").await;
    course.count_from(back.since_ms);
    match stopped {
        Err(Halt::Failed(why)) => {
            tracing::warn!(run.id = %course.task.run, reason = why, "the release that has failed could not be stopped");
            Ok(())
        }
        stopped => stopped,
    }
}

/// How the way back has ended.
struct Way {
    /// Whether the host is as it was.
    serves: bool,
    end: String,
}

async fn start_old(course: &Course<'_>) -> Result<Way, Halt> {
    let old = before(course)?;
    if let Some(name) = course.task.package() {
        course.shared.layout.package(name).switch(old.as_ref().map(|old| old.id))?;
    }
    let Some(old) = old else { return Ok(Way { serves: true, end: "; nothing serves, as before".to_owned() }) };
    old.tell(course, "start", START).await?;
    let version = &old.known.version;
    match health::stays_good(course, &old).await {
        Ok(()) => Ok(Way { serves: true, end: format!("; `{version}` serves again") }),
        Err(Halt::Shutdown) => Err(Halt::Shutdown),
        Err(Halt::Failed(why)) => {
            let why = line(&why, WHY_CHARACTERS_MAX);
            Ok(Way { serves: false, end: format!("; `{version}` was started again and is not good: {why}") })
        }
    }
}

fn before(course: &Course<'_>) -> io::Result<Option<Installed>> {
    match (course.task.package(), course.progress.before()) {
        (Some(name), Some(id)) => Installed::before(&course.shared.layout.package(name), name, id).map(Some),
        _ => Ok(None),
    }
}
