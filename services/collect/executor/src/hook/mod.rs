//! A command of a package, run once and no more.
//!
//! Each try has a folder of its own, in the order in which things get there: the process that waits to be told to begin (`process.json`), the
//! output (`out`), the status. Only when the process is written down is it told to begin. So whoever comes later knows: without a process the
//! hook has not begun, and the next try is the first; with a status it has ended; with neither a status nor a living process it was killed, and
//! nobody knows how far it was: that is a failure, and it is not run again.

mod process;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use loki_runtime::task;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use self::process::Process;
use crate::course::{Course, Halt};
use crate::durable;
use crate::output;
use crate::user::User;

const WRAPPER: &str = include_str!("wrapper.sh");
/// Hooks find the programs of the system, whatever the agent was started with.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Begins a session for what it runs: no terminal's end reaches a hook.
const SETSID: [&str; 2] = ["/usr/bin/setsid", "/bin/setsid"];
/// How long what a hook wrote last is waited for. Something that it left behind may hold its output open for ever.
const OUTPUT_WAIT: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(10);
const LOOK_MAX: Duration = Duration::from_millis(200);

pub(crate) struct Hook<'a> {
    /// The name of its files, unique within the task.
    pub(crate) key: &'a str,
    pub(crate) command: &'a str,
    /// Where it runs.
    pub(crate) folder: &'a Path,
    pub(crate) user: &'a User,
    pub(crate) environment: &'a BTreeMap<&'static str, String>,
    pub(crate) output_bytes_max: u64,
}

/// Runs it, or waits for the one that was begun before the agent was started again, or takes what became of that.
pub(crate) async fn run_once(course: &Course<'_>, hook: &Hook<'_>) -> Result<(), Halt> {
    let (folder, ended) = loop {
        let (folder, process) = match begun(&course.folder, hook.key)? {
            (_, None) if course.deadline.has_passed() => return Err(course.too_late()),
            (number, None) => begin(course, hook, number).await?,
            (number, Some(process)) => (try_folder(&course.folder, hook.key, number), process),
        };
        match wait(course, hook.key, &folder, &process).await {
            // the agent had died before it told it to begin: it was still on its way to find that out
            Ok(Some(Status::Never)) => {}
            Err(Halt::Shutdown) => return Err(Halt::Shutdown),
            ended => break (folder, ended),
        }
    };
    let last = output::keep(&course.folder, hook.key, &folder, hook.output_bytes_max).unwrap_or_default();
    let said = if last.is_empty() { String::new() } else { format!(": {last}") };
    match ended? {
        Some(Status::Ended(0)) => Ok(()),
        Some(Status::Ended(status)) => Err(Halt::failed(format!("`{}` ended with {status}{said}", hook.key))),
        Some(Status::Never) | None => Err(Halt::failed(format!("`{}` was killed before it ended{said}", hook.key))),
    }
}

fn try_folder(attempt: &Path, key: &str, number: u32) -> PathBuf {
    attempt.join(format!("{key}.{number}"))
}

/// Whether it runs, or has run.
pub(crate) fn has_begun(attempt: &Path, key: &str) -> bool {
    begun(attempt, key).is_ok_and(|(_, process)| process.is_some())
}

/// What a hook prints while it runs; `None` when it has not begun.
pub(crate) fn out(attempt: &Path, key: &str) -> Option<PathBuf> {
    let tries = (0..).map(|number| try_folder(attempt, key, number)).take_while(|folder| folder.is_dir());
    // only the last of them was told to begin
    tries.last().map(|folder| folder.join("own/out"))
}

/// The process that the hook has begun as; or the number of the next try.
fn begun(attempt: &Path, key: &str) -> io::Result<(u32, Option<Process>)> {
    let mut number = 0;
    while try_folder(attempt, key, number).is_dir() {
        let folder = try_folder(attempt, key, number);
        let process = Process::read(&folder.join("process.json"))?;
        if process.is_some() && read_status(&folder)? != Some(Status::Never) {
            return Ok((number, process));
        }
        number += 1;
    }
    Ok((number, None))
}

async fn begin(course: &Course<'_>, hook: &Hook<'_>, number: u32) -> Result<(PathBuf, Process), Halt> {
    if !hook.folder.is_dir() {
        return Err(Halt::failed(format!("`{}` cannot run: `{}` is not there", hook.key, hook.folder.display())));
    }
    let folder = try_folder(&course.folder, hook.key, number);
    durable::folder(&folder, 0o711)?;
    // the hook's user writes there, and cannot write who is killed at the end of its time
    let own = folder.join("own");
    durable::folder(&own, 0o700)?;
    if let Some(id) = hook.user.other {
        chown(&own, Some(id.uid), Some(id.gid))?;
    }
    let mut command = command(hook.user, WRAPPER);
    let mut child = command
        .args(["hook".as_ref(), own.as_os_str(), hook.output_bytes_max.to_string().as_ref(), hook.command.as_ref()])
        .current_dir(hook.folder)
        .envs(hook.environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| Halt::failed(format!("`{}` cannot be started: {error}", hook.key)))?;
    let stdin = child.stdin.take();
    let process = Process::of(child.id().unwrap_or_default())?;
    task::spawn("hook", async move {
        // nobody asks for it here: what counts is what the wrapper writes
        let _status: io::Result<_> = child.wait().await;
    });
    process.write(&folder.join("process.json"))?;
    if let Some(mut stdin) = stdin {
        stdin.write_all(b"go\n").await.map_err(|error| Halt::failed(format!("`{}` cannot be started: {error}", hook.key)))?;
    }
    Ok((folder, process))
}

/// A shell with these lines as a user, in a group of its own, with nothing of the agent's environment.
pub(crate) fn command(user: &User, lines: &str) -> Command {
    let setsid = SETSID.into_iter().find(|program| Path::new(program).is_file());
    let mut words: Vec<String> = setsid.map(str::to_owned).into_iter().collect();
    if let Some(setpriv) = &user.setpriv {
        words.extend(setpriv.iter().cloned());
    }
    words.push("/bin/sh".to_owned());
    let mut command = std::process::Command::new(words.remove(0));
    command.args(words);
    if setsid.is_none() {
        command.process_group(0);
    }
    command.args(["-c", lines]).env_clear().env("PATH", PATH).env("HOME", &user.home).env("LANG", "C.UTF-8");
    if let Some(id) = user.other.filter(|_| user.setpriv.is_none()) {
        command.uid(id.uid).gid(id.gid);
    }
    command.into()
}

/// The status of the hook; `None` when it was killed by somebody.
async fn wait(course: &Course<'_>, key: &str, folder: &Path, process: &Process) -> Result<Option<Status>, Halt> {
    let mut look = LOOK;
    loop {
        let was_alive = process.is_alive();
        match read_status(folder).inspect_err(|_| process.kill_group())? {
            Some(Status::Never) => return Ok(Some(Status::Never)),
            Some(status) => {
                output::wait(folder, OUTPUT_WAIT).await;
                return Ok(Some(status));
            }
            None if !was_alive => {
                process.kill_group();
                return Ok(None);
            }
            None if course.deadline.has_passed() => {
                process.kill_group();
                return Err(Halt::failed(format!("`{key}` had not ended when the task's time was over, and was killed")));
            }
            None => {}
        }
        let pause = look.min(course.deadline.left().max(LOOK));
        course.stop.unless(task::sleep(pause)).await.ok_or(Halt::Shutdown)?;
        look = (look * 2).min(LOOK_MAX);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Status {
    /// It was not told to begin.
    Never,
    Ended(i32),
}

/// What the hook's user wrote, whatever that is: no link is followed, and no more is read than a status has.
fn read_status(folder: &Path) -> io::Result<Option<Status>> {
    let file = match output::open(&folder.join("own/status")) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(16).read_to_string(&mut text)?;
    Ok(Some(match text.trim() {
        "never" => Status::Never,
        // what is no number is no success
        text => Status::Ended(text.parse().unwrap_or(255)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_has_begun_when_a_process_was_told_to() {
        let attempt = tempfile::tempdir().unwrap();
        let own = |number| try_folder(attempt.path(), "start", number).join("own");
        let process = Process::of(std::process::id()).unwrap();
        let known = |number| process.write(&try_folder(attempt.path(), "start", number).join("process.json")).unwrap();
        assert_eq!(begun(attempt.path(), "start").unwrap(), (0, None));
        std::fs::create_dir_all(own(0)).unwrap();
        assert_eq!(begun(attempt.path(), "start").unwrap(), (1, None), "it died before it had written down whom it began");
        std::fs::create_dir_all(own(1)).unwrap();
        known(1);
        assert_eq!(begun(attempt.path(), "start").unwrap(), (1, Some(process.clone())));
        std::fs::write(own(1).join("status"), "never\n").unwrap();
        assert_eq!(begun(attempt.path(), "start").unwrap(), (2, None), "it died before it had told it to begin");
        std::fs::create_dir_all(own(2)).unwrap();
        known(2);
        std::fs::write(own(2).join("status"), "0\n").unwrap();
        assert_eq!(begun(attempt.path(), "start").unwrap(), (2, Some(process)));
    }

    #[test]
    fn a_status_is_what_a_number_says() {
        let hook = tempfile::tempdir().unwrap();
        std::fs::create_dir(hook.path().join("own")).unwrap();
        let status = |text: &str| {
            std::fs::write(hook.path().join("own/status"), text).unwrap();
            read_status(hook.path()).unwrap()
        };
        assert_eq!(status("0\n"), Some(Status::Ended(0)));
        assert_eq!(status("137\n"), Some(Status::Ended(137)));
        assert_eq!(status(""), Some(Status::Ended(255)));
        std::fs::remove_file(hook.path().join("own/status")).unwrap();
        assert_eq!(read_status(hook.path()).unwrap(), None);
        std::os::unix::fs::symlink("/proc/uptime", hook.path().join("own/status")).unwrap();
        assert!(read_status(hook.path()).is_err(), "no link is followed");
    }
}
