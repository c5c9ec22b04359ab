//! A script, which runs once: what an earlier attempt of the same run has done well is not done again.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::chown;

use loki_domain::{Script, Text};

use crate::course::{Course, Halt};
use crate::durable;
use crate::hook::{Hook, run_once};
use crate::journal::{self, Progress};
use crate::task::{Outcome, Step};
use crate::user::User;

pub(crate) async fn carry_out(course: &mut Course<'_>, script: &Script, user: Option<&Text>, bytes_max: u32) -> Result<(), Halt> {
    if has_run(course)? {
        return Ok(());
    }
    course.enter(Step::Script)?;
    let user = User::named(user.map(Text::as_str)).await.map_err(Halt::Failed)?;
    let scratch = course.folder.join("scratch");
    durable::folder(&scratch, 0o700)?;
    if let Some(id) = user.other {
        chown(&scratch, Some(id.uid), Some(id.gid))?;
    }
    let environment = BTreeMap::from([("LOKI_RUN", course.task.run.to_string()), ("LOKI_SERVER", course.shared.config.server.to_string())]);
    let hook = Hook {
        key: "script",
        command: script.as_str(),
        folder: &scratch,
        user: &user,
        environment: &environment,
        output_bytes_max: u64::from(bytes_max),
    };
    let ended = run_once(course, &hook).await;
    if !matches!(ended, Err(Halt::Shutdown))
        && let Err(error) = durable::remove_folder_beside(scratch.clone()).await
    {
        // what became of the script counts; this is tried again with what is not needed any more
        tracing::warn!(run.id = %course.task.run, path = %scratch.display(), %error, "what a script has left could not be removed");
    }
    ended
}

fn has_run(course: &Course<'_>) -> io::Result<bool> {
    let layout = &course.shared.layout;
    for attempt in journal::attempts(&layout.run(course.task.run))?.into_iter().filter(|attempt| *attempt < course.task.attempt) {
        let progress = Progress::read(&layout.attempt(course.task.run, attempt))?;
        if progress.is_some_and(|progress| progress.outcome() == Some(&Outcome::Succeeded)) {
            return Ok(true);
        }
    }
    Ok(false)
}
