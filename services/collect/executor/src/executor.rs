//! The handle: takes documents, keeps tasks of one package apart, and carries them out to their end.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loki_domain::{RunId, ServerId, Signature};
use loki_runtime::Shutdown;
use loki_runtime::clock::Stopwatch;

use crate::accept::{self, Accepted};
use crate::config::Config;
use crate::course::{Course, Halt, Told};
use crate::error::{Error, Refused};
use crate::fetch::Client;
use crate::journal::{self, Back, Ended, Progress};
use crate::layout::{Layout, Place};
use crate::locks::Locks;
use crate::output::{self, Output};
use crate::ship::{self, Chunk, Unshipped};
use crate::task::{self, Outcome, Step, Task, Wanted};
use crate::{back, durable, metrics, prune, release, script};

/// For the lock of the root, at start.
const LOCK_WAIT: Duration = Duration::from_secs(1);
const LOCK_LOOK: Duration = Duration::from_millis(5);

/// Cheap to clone. Different packages, and scripts, are carried out beside each other.
#[derive(Clone)]
pub struct Executor(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) layout: Layout,
    pub(crate) client: Client,
    /// Of packages, and of runs of scripts.
    tasks: Locks,
    pub(crate) archives: Locks,
    /// Whether tasks begin, or only what has begun is carried out.
    begins: AtomicBool,
    /// Holds the lock.
    _lock: File,
}

impl Executor {
    /// Makes the root when it is missing, and takes it for this process.
    ///
    /// # Errors
    /// A setting is wrong, or the root cannot be used, or is another process'.
    pub fn open(config: Config) -> Result<Self, Error> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(Error::Config(problems));
        }
        let failed = |source| Error::Root { path: config.root.clone(), source };
        let layout = Layout::make(&config.root).map_err(failed)?;
        let lock = File::options().create(true).truncate(false).write(true).open(layout.lock()).map_err(failed)?;
        if !take(&lock).map_err(failed)? {
            return Err(Error::RootTaken { path: config.root });
        }
        durable::write_json(&Layout::server(&config.root), &config.server.to_string()).map_err(failed)?;
        let client = Client::new(&config.fetch).map_err(Error::Http)?;
        let (tasks, archives, begins) = (Locks::default(), Locks::default(), AtomicBool::new(true));
        Ok(Self(Arc::new(Shared { config, layout, client, tasks, archives, begins, _lock: lock })))
    }

    /// The server for which this root was opened last; `None` when it never was, or that cannot be read any more.
    ///
    /// # Errors
    /// The root cannot be read.
    pub fn last_server(root: &Path) -> Result<Option<ServerId>, Error> {
        let path = Layout::server(root);
        let written = match durable::read_json::<String>(&path) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Some(Err(error.to_string())),
            Err(source) => return Err(Error::Root { path: root.to_owned(), source }),
            Ok(written) => written.map(|id| id.parse().map_err(|why| format!("`{}`: {why}", path.display()))),
        };
        // whose it is the API says too
        Ok(written
            .and_then(|id| id.inspect_err(|why| tracing::warn!(reason = why, "it cannot be read for which server this host was")).ok()))
    }

    /// The server whose tasks it takes.
    pub fn server(&self) -> ServerId {
        self.0.config.server
    }

    /// Looks whether a document is to be carried out, at this time of the caller's clock.
    ///
    /// # Errors
    /// It is not, or the journal cannot be kept.
    pub fn accept(&self, document: &str, signature: &Signature, now_ms: i64) -> Result<Accepted, Refused> {
        accept::accept(&self.0.config, &self.0.layout, document, signature, now_ms)
    }

    /// The tasks that have begun and not ended: what to go on with when the agent starts, also while nobody can hand in their documents. One of which
    /// that cannot be read is told, and left out.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn begun(&self, now_ms: i64) -> io::Result<Vec<Task>> {
        journal::all_begun(&self.0.layout, now_ms)
    }

    /// Carries a task out, or goes on with it; `told` hears of each step when it begins, of one that is gone on with once more, and of one that has
    /// failed with the reason, as it fits a report, before the host goes back, which may take as long again. `None` when shutdown came first, or it
    /// was not to begin any more. It is ended by `stop`, not by dropping it, which leaves what it was unpacking to itself.
    pub async fn carry_out(&self, task: &Task, told: impl Fn(Step, Option<&str>) + Send + Sync, stop: &Shutdown) -> Option<Outcome> {
        // boxed: all of a task's steps are in it
        Box::pin(self.0.carry_out(task, &told, stop)).await
    }

    /// Whether tasks begin. Else what has begun goes on, and what waits is left where it is: another server has this host's name.
    pub fn let_begin(&self, whether: bool) {
        self.0.begins.store(whether, Ordering::Relaxed);
    }

    /// The kept output of a run's steps.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn output(&self, run: RunId) -> io::Result<Vec<Output>> {
        output::of(&self.0.layout, run)
    }

    /// What is to be shipped next of what an attempt has printed. It is for one who ships it at a time.
    ///
    /// # Errors
    /// The output cannot be read, or it cannot be written down what is handed out.
    pub fn unshipped(&self, run: RunId, attempt: u32) -> io::Result<Unshipped> {
        ship::next(&self.0.layout.attempt(run, attempt), self.0.config.output_bytes_max)
    }

    /// The chunk that was handed out is where it should be: the next one follows.
    ///
    /// # Errors
    /// It cannot be written down: the same chunk is handed out again.
    pub fn shipped(&self, run: RunId, attempt: u32, chunk: &Chunk) -> io::Result<()> {
        ship::shipped(&self.0.layout.attempt(run, attempt), chunk)
    }

    /// The chunk that was handed out will never be taken, and none that follows.
    ///
    /// # Errors
    /// It cannot be written down: the same chunk is handed out again.
    pub fn give_up_shipping(&self, run: RunId, attempt: u32) -> io::Result<()> {
        ship::give_up(&self.0.layout.attempt(run, attempt))
    }

    /// The attempts that have ended and of which something is to be shipped, the oldest end first.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn ended_unshipped(&self) -> io::Result<Vec<(RunId, u32)>> {
        ship::ended(&self.0.layout)
    }
}

/// Whether the lock is ours. Whoever was killed while it started a hook may leave a copy of its lock to the hook's process for a moment, until that
/// has become the hook.
fn take(lock: &File) -> io::Result<bool> {
    let since = Stopwatch::start();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if since.elapsed() < LOCK_WAIT => std::thread::sleep(LOCK_LOOK),
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

#[cfg(test)]
impl Executor {
    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }
}

impl Shared {
    async fn carry_out(&self, task: &Task, told: Told<'_>, stop: &Shutdown) -> Option<Outcome> {
        let name = task.package().map_or_else(|| format!("run {}", task.run), ToString::to_string);
        let _lock = stop.unless(self.tasks.take(&name)).await?;
        let course = match self.begin(task, stop).await {
            Ok(Begun::Open(progress)) => Course::new(self, task, progress, told, stop),
            Ok(Begun::Ended(outcome)) => return Some(outcome),
            Err(Halt::Shutdown) => return None,
            Err(Halt::Failed(reason)) => return Some(Outcome::failed(task.first_step(), &reason, "")),
        };
        self.go(course).await
    }

    /// Ends what has to end before, and writes down that this begins.
    async fn begin(&self, task: &Task, stop: &Shutdown) -> Result<Begun, Halt> {
        let folder = self.layout.attempt(task.run, task.attempt);
        if let Some(progress) = Progress::read(&folder)? {
            return Ok(progress.outcome().cloned().map_or(Begun::Open(progress), Begun::Ended));
        }
        if !self.begins.load(Ordering::Relaxed) {
            return Err(Halt::Shutdown);
        }
        let place = task.package().map(|name| self.layout.package(name));
        let other = match &place {
            Some(place) => journal::other_begun(&self.layout, place, task)?,
            None => journal::earlier_begun(&self.layout, task)?,
        };
        if let Some(other) = other {
            self.end_other(&other, stop).await?;
        }
        let mut progress = Progress { begun_ms: task.now_ms(), ..Progress::default() };
        if let Some(reason) = self.no_more(task)? {
            return self.end(task, place.as_ref(), progress, Outcome::failed(task.first_step(), &reason, "")).map(Begun::Ended);
        }
        if let Some(place) = &place {
            place.make()?;
            progress.before = place.current()?.filter(|id| place.release(*id).is_dir()).map(|id| id.to_string());
            journal::begin(place, task)?;
        }
        if let Wanted::Release(wanted) = &task.wanted {
            progress.is_there = release::is_there(self, wanted)?;
        }
        progress.write(&folder)?;
        Ok(Begun::Open(progress))
    }

    /// Why a task that has waited is not begun any more.
    fn no_more(&self, task: &Task) -> Result<Option<String>, Halt> {
        let newest = journal::attempts(&self.layout.run(task.run))?.last().copied();
        if let Some(newest) = newest.filter(|newest| *newest > task.attempt) {
            return Ok(Some(format!("it was replaced by attempt {newest} before it began")));
        }
        Ok((task.now_ms() >= task.expires_ms).then(|| "it expired while it waited for another task".to_owned()))
    }

    async fn end_other(&self, other: &Task, stop: &Shutdown) -> Result<(), Halt> {
        tracing::info!(run.id = %other.run, attempt = other.attempt, "a task that was begun is ended before the next");
        let folder = self.layout.attempt(other.run, other.attempt);
        let progress = Progress::read(&folder)?.unwrap_or_default();
        let course = Course::new(self, other, progress, &|_, _| {}, stop);
        Box::pin(self.go(course)).await.ok_or(Halt::Shutdown)?;
        match Progress::read(&folder)?.is_some_and(|progress| progress.ended.is_some()) {
            true => Ok(()),
            false => Err(Halt::failed(format!("the run `{}` before it could not be ended", other.run))),
        }
    }

    async fn go(&self, mut course: Course<'_>) -> Option<Outcome> {
        let task = course.task;
        if course.progress.back.is_some() {
            back::go_on(&mut course);
        } else {
            let done = match &task.wanted {
                Wanted::Release(wanted) => release::carry_out(&mut course, wanted).await,
                Wanted::Nothing(name) => release::remove(&mut course, name).await,
                Wanted::Script { script, user, output_bytes_max } => {
                    script::carry_out(&mut course, script, user.as_ref(), *output_bytes_max).await
                }
            };
            match done {
                Ok(()) => return Some(self.ended(&course, Outcome::Succeeded).await),
                Err(Halt::Shutdown) => return None,
                Err(Halt::Failed(reason)) => {
                    let step = course.progress.at.unwrap_or(task.first_step());
                    if step < Step::Stop || course.progress.is_there {
                        return Some(self.ended(&course, Outcome::failed(step, &reason, "")).await);
                    }
                    course.progress.back = Some(Back { since_ms: task.now_ms(), step, reason });
                    course.count_from(task.now_ms());
                    back::note(&course).await?;
                }
            }
        }
        let (step, reason) = course.progress.back.as_ref().map(|back| (back.step, back.reason.clone()))?;
        (course.told)(step, Some(&task::message(&reason)));
        let end = back::go_back(&mut course).await?;
        Some(self.ended(&course, Outcome::failed(step, &reason, &end)).await)
    }

    /// What became of it counts also where it cannot be written down: then it goes on from its last step when the agent is started again.
    async fn ended(&self, course: &Course<'_>, outcome: Outcome) -> Outcome {
        let place = course.task.package().map(|name| self.layout.package(name));
        match self.end(course.task, place.as_ref(), course.progress.clone(), outcome.clone()) {
            Ok(_) => prune::outputs(&self.layout, self.config.outputs_bytes_max, course.task.now_ms()).await,
            Err(error) => tracing::error!(run.id = %course.task.run, ?error, "that a task has ended could not be written down"),
        }
        metrics::ended(&outcome);
        match &outcome {
            Outcome::Succeeded => tracing::info!(run.id = %course.task.run, attempt = course.task.attempt, "a task has succeeded"),
            Outcome::Failed { step, message } => {
                if let Some(place) = &place {
                    let current = place.current().unwrap_or_default();
                    prune::releases(place, current, course.progress.before(), self.config.limits.kept).await;
                }
                tracing::warn!(run.id = %course.task.run, attempt = course.task.attempt, %step, message, "a task has failed");
            }
        }
        outcome
    }

    fn end(&self, task: &Task, place: Option<&Place>, mut progress: Progress, outcome: Outcome) -> Result<Outcome, Halt> {
        progress.ended = Some(Ended { at_ms: task.now_ms(), outcome: outcome.clone() });
        progress.write(&self.layout.attempt(task.run, task.attempt))?;
        if let Some(place) = place {
            journal::end(place, task)?;
        }
        Ok(outcome)
    }
}

enum Begun {
    Open(Progress),
    Ended(Outcome),
}
