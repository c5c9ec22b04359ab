//! One task on its way: what its steps share, and where it is.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use loki_runtime::{Shutdown, task};

use crate::deadline::Deadline;
use crate::executor::Shared;
use crate::journal::Progress;
use crate::task::{Step, Task};

/// Why a step did not end well.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The agent ends; the step goes on when it is back.
    Shutdown,
    Failed(String),
}

impl Halt {
    pub(crate) fn failed(reason: impl Into<String>) -> Self {
        Self::Failed(reason.into())
    }
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Hears of a step that begins, or why it has failed.
pub(crate) type Told<'a> = &'a (dyn Fn(Step, Option<&str>) + Send + Sync);

pub(crate) struct Course<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) task: &'a Task,
    /// Where the attempt's journal lies.
    pub(crate) folder: PathBuf,
    pub(crate) progress: Progress,
    pub(crate) deadline: Deadline,
    pub(crate) told: Told<'a>,
    pub(crate) stop: &'a Shutdown,
}

impl<'a> Course<'a> {
    /// The course of a task that has begun, now or before the agent was started again.
    pub(crate) fn new(shared: &'a Shared, task: &'a Task, progress: Progress, told: Told<'a>, stop: &'a Shutdown) -> Self {
        let folder = shared.layout.attempt(task.run, task.attempt);
        let since_ms = progress.back.as_ref().map_or(progress.begun_ms, |back| back.since_ms);
        let mut course = Self { shared, task, folder, progress, deadline: Deadline::within(Duration::ZERO), told, stop };
        course.count_from(since_ms);
        course
    }

    /// The task's time counts from then.
    pub(crate) fn count_from(&mut self, since_ms: i64) {
        let whole = Duration::from_millis(u64::from(self.task.timeout_ms));
        // a clock that was set back gives nobody more time
        let spent = u64::try_from(self.task.now_ms().saturating_sub(since_ms)).unwrap_or(0);
        self.deadline = Deadline::within(whole.saturating_sub(Duration::from_millis(spent)));
    }

    /// Whether a step is to be done; from then on it is where the task is.
    pub(crate) fn enter(&mut self, step: Step) -> Result<bool, Halt> {
        if self.progress.at.is_some_and(|at| at > step) {
            return Ok(false);
        }
        if self.stop.has_begun() {
            return Err(Halt::Shutdown);
        }
        if self.progress.at != Some(step) {
            // what is not entered has not begun, and is not undone
            if self.deadline.has_passed() {
                return Err(self.too_late());
            }
            let before = self.progress.at.replace(step);
            if let Err(error) = self.save() {
                self.progress.at = before;
                return Err(error.into());
            }
        }
        (self.told)(step, None);
        Ok(true)
    }

    /// Enters a step that nothing depends on: it keeps no task from ending well.
    pub(crate) fn note(&mut self, step: Step) {
        self.progress.at = Some(step);
        if let Err(error) = self.save() {
            tracing::warn!(run.id = %self.task.run, %error, "how far a task is could not be written down");
        }
        (self.told)(step, None);
    }

    pub(crate) fn save(&self) -> io::Result<()> {
        self.progress.write(&self.folder)
    }

    /// The future's value, unless the agent ends or the task's time does.
    pub(crate) async fn within<T>(&self, future: impl Future<Output = Result<T, String>>) -> Result<T, Halt> {
        // boxed: each of what is around it would hold it as a whole
        match self.stop.unless(task::timeout(self.deadline.left(), Box::pin(future))).await {
            None => Err(Halt::Shutdown),
            Some(None) => Err(self.too_late()),
            Some(Some(value)) => value.map_err(Halt::Failed),
        }
    }

    pub(crate) async fn sleep(&self, pause: Duration) -> Result<(), Halt> {
        let sleeping = async {
            task::sleep(pause).await;
            Ok(())
        };
        self.within(sleeping).await
    }

    pub(crate) fn too_late(&self) -> Halt {
        Halt::failed(format!("the task's time of {} s is over", Duration::from_millis(u64::from(self.task.timeout_ms)).as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use loki_domain::{PublicKey, ServerId};
    use loki_wire::task::{Document, Wanted};

    use super::*;
    use crate::executor::Executor;
    use crate::{Accepted, Config};

    #[tokio::test]
    async fn a_step_is_entered_in_time_and_once_more_whenever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let secret = loki_wire::signature::Secret::new([1; 32]);
        let keys: Vec<PublicKey> = vec![secret.public()];
        let executor = Executor::open(Config::new(folder.path().join("root"), ServerId::MIN, keys, "http://127.0.0.1:1")).unwrap();
        let wanted = Wanted::Nothing { name: "web".to_owned() };
        let (run, server) = (loki_domain::RunId::MIN.to_string(), ServerId::MIN.to_string());
        let text = serde_json::to_string(&Document { run, server, attempt: 1, expires_ms: 9_000, timeout_ms: 1_000, wanted }).unwrap();
        let accepted = executor.accept(&text, &loki_wire::task::sign(&secret, text.as_bytes()), 5_000).unwrap();
        let Accepted::Open(task) = accepted else { panic!("{accepted:?}") };
        let (stop, told) = (Shutdown::new(), |_: Step, _: Option<&str>| {});
        // it began two seconds ago, and has one
        let progress = Progress { begun_ms: 3_000, at: Some(Step::Stop), ..Progress::default() };
        let mut course = Course::new(executor.shared(), &task, progress, &told, &stop);
        assert!(!course.enter(Step::Prepare).unwrap() && course.enter(Step::Stop).unwrap());
        assert!(matches!(course.enter(Step::Switch), Err(Halt::Failed(_))));
        assert_eq!(course.progress.at, Some(Step::Stop));
        course.count_from(4_500);
        assert!(course.enter(Step::Switch).unwrap());
        assert_eq!(Progress::read(&course.folder).unwrap().unwrap().at, Some(Step::Switch));
        // what cannot be written down has not begun
        course.folder = folder.path().join("nowhere");
        assert!(matches!(course.enter(Step::Start), Err(Halt::Failed(_))));
        assert_eq!(course.progress.at, Some(Step::Switch));
        stop.begin();
        assert!(matches!(course.enter(Step::Start), Err(Halt::Shutdown)));
    }
}
