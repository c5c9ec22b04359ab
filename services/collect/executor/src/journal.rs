//! What is known of each attempt of each run: its document, how far it is, and what became of it. All of it is on disk and nothing in memory.

use std::io;
use std::path::Path;

use loki_domain::{PackageId, RunId};
use loki_runtime::clock::Stopwatch;
use loki_wire::task::Document;
use serde::{Deserialize, Serialize};

use crate::durable;
use crate::layout::{Layout, Place};
use crate::task::{Outcome, Step, Task};

/// How far an attempt is. It has begun once this is written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) begun_ms: i64,
    /// The step that it is at; the ones before are done.
    pub(crate) at: Option<Step>,
    /// The release that served when it began.
    pub(crate) before: Option<String>,
    /// What is wanted was there already, and good.
    pub(crate) is_there: bool,
    pub(crate) back: Option<Back>,
    pub(crate) ended: Option<Ended>,
}

/// Since when the host goes back, and why.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Back {
    pub(crate) since_ms: i64,
    pub(crate) step: Step,
    pub(crate) reason: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) at_ms: i64,
    pub(crate) outcome: Outcome,
}

impl Progress {
    pub(crate) fn before(&self) -> Option<PackageId> {
        self.before.as_deref().and_then(|id| id.parse().ok())
    }

    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        self.ended.as_ref().map(|ended| &ended.outcome)
    }

    pub(crate) fn read(attempt: &Path) -> io::Result<Option<Self>> {
        durable::read_json(&attempt.join("progress.json"))
    }

    pub(crate) fn write(&self, attempt: &Path) -> io::Result<()> {
        durable::write_json(&attempt.join("progress.json"), self)
    }
}

/// Keeps a document that was accepted. Its signature was checked then, and nobody but the agent can write here.
pub(crate) fn keep(layout: &Layout, run: RunId, document: &Document) -> io::Result<()> {
    let attempt = layout.make_attempt(run, document.attempt)?;
    durable::write_json(&attempt.join("document.json"), document)
}

pub(crate) fn document(attempt: &Path) -> io::Result<Option<Document>> {
    durable::read_json(&attempt.join("document.json"))
}

/// The attempts of a run that are known, in order.
pub(crate) fn attempts(run: &Path) -> io::Result<Vec<u32>> {
    let mut attempts: Vec<u32> = names(run)?.iter().filter_map(|name| name.parse().ok()).collect();
    attempts.sort_unstable();
    Ok(attempts)
}

pub(crate) fn runs(layout: &Layout) -> io::Result<Vec<RunId>> {
    Ok(names(&layout.tasks())?.iter().filter_map(|name| name.parse().ok()).collect())
}

/// Of the files and folders in one; none where it is not there.
pub(crate) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    entries.filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose()).collect()
}

/// Which task of a package has begun and not ended; written before its progress is.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    run: String,
    attempt: u32,
}

pub(crate) fn begin(place: &Place, task: &Task) -> io::Result<()> {
    durable::write_json(&place.begun(), &Begun { run: task.run.to_string(), attempt: task.attempt })
}

/// After its outcome is written.
pub(crate) fn end(place: &Place, task: &Task) -> io::Result<()> {
    match durable::read_json::<Begun>(&place.begun())? {
        Some(begun) if begun.run == task.run.to_string() && begun.attempt == task.attempt => durable::remove(&place.begun()),
        _ => Ok(()),
    }
}

/// The task of a package that has begun, not ended, and is not this one: it has to end first.
pub(crate) fn other_begun(layout: &Layout, place: &Place, task: &Task) -> io::Result<Option<Task>> {
    let Some(begun) = durable::read_json::<Begun>(&place.begun())? else { return Ok(None) };
    match begun.run.parse() {
        Ok(run) if (run, begun.attempt) != (task.run, task.attempt) => open_attempt(layout, run, begun.attempt, task),
        _ => Ok(None),
    }
}

/// An earlier attempt of the same run that has begun and not ended.
pub(crate) fn earlier_begun(layout: &Layout, task: &Task) -> io::Result<Option<Task>> {
    for attempt in attempts(&layout.run(task.run))?.into_iter().filter(|attempt| *attempt < task.attempt) {
        if let Some(open) = open_attempt(layout, task.run, attempt, task)? {
            return Ok(Some(open));
        }
    }
    Ok(None)
}

/// An attempt that has begun and not ended, as the task that it was, at the time of another.
fn open_attempt(layout: &Layout, run: RunId, attempt: u32, at: &Task) -> io::Result<Option<Task>> {
    let path = layout.attempt(run, attempt);
    match (Progress::read(&path)?, document(&path)?) {
        (Some(Progress { ended: None, .. }), Some(document)) => {
            Ok(Task::read(document, at.now_ms()).ok().map(|task| Task { since: Stopwatch::start(), ..task }))
        }
        _ => Ok(None),
    }
}

/// What is known of each attempt by this reading, in no order. One that cannot be read keeps none of the others: it is told, and left out.
pub(crate) fn each<T>(layout: &Layout, read: impl Fn(RunId, u32, &Path) -> io::Result<Option<T>>) -> io::Result<Vec<T>> {
    let mut found = Vec::new();
    for run in runs(layout)? {
        let path = layout.run(run);
        for attempt in attempts(&path).unwrap_or_else(|error| unreadable(&path, &error)) {
            let path = layout.attempt(run, attempt);
            found.extend(read(run, attempt, &path).unwrap_or_else(|error| unreadable(&path, &error)));
        }
    }
    Ok(found)
}

/// Tells of a run or an attempt of which nothing is known then.
pub(crate) fn unreadable<T: Default>(path: &Path, error: &io::Error) -> T {
    tracing::warn!(path = %path.display(), %error, "what is known of a task cannot be read, and is left out");
    T::default()
}

/// All tasks that have begun and not ended.
pub(crate) fn all_begun(layout: &Layout, now_ms: i64) -> io::Result<Vec<Task>> {
    each(layout, |_, _, path| match (Progress::read(path)?, document(path)?) {
        (Some(Progress { ended: None, .. }), Some(document)) => Ok(Task::read(document, now_ms).ok()),
        _ => Ok(None),
    })
}
