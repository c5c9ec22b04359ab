//! What is not needed any more. A task has never failed because something could not be removed.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use loki_domain::{PackageId, RunId};
use loki_runtime::task;

use crate::durable;
use crate::installed::Known;
use crate::journal::{self, Progress};
use crate::layout::{Layout, Place};
use crate::output;
use crate::ship;

const DAY_MS: i64 = 86_400_000;
/// A signed document is good for two days at most: told, and begun within its time. So long a run is remembered, with its output.
const TASK_MS: i64 = 30 * DAY_MS;
/// What was fetched in part and not gone on with.
const ARCHIVE_MS: i64 = DAY_MS;

/// Keeps so many, the last that served, and never removes the one that serves or the one before.
pub(crate) async fn releases(place: &Place, current: Option<PackageId>, before: Option<PackageId>, kept: usize) {
    let place = place.clone();
    beside(move || remove_releases(&place, current, before, kept)).await;
}

/// A large release takes a while: other tasks do not wait for it, and its own package does.
async fn beside(work: impl FnOnce() + Send + 'static) {
    if task::spawn_blocking("prune", work).await.is_err() {
        tracing::warn!("removing what is not needed any more did not end");
    }
}

fn remove_releases(place: &Place, current: Option<PackageId>, before: Option<PackageId>, kept: usize) {
    let failed = |path: &Path, error: io::Error| tracing::warn!(path = %path.display(), %error, "an old release could not be removed");
    let names = journal::names(&place.releases()).unwrap_or_else(|error| {
        failed(&place.releases(), error);
        Vec::new()
    });
    let mut found: Vec<(bool, Reverse<i64>, PackageId)> = Vec::new();
    for name in names {
        let path = place.releases().join(&name);
        if let Ok(id) = name.parse() {
            match Known::read(place, id) {
                Ok(known) => {
                    let served_ms = known.filter(|known| known.is_good).map_or(i64::MIN, |known| known.served_ms);
                    found.push((Some(id) != current && Some(id) != before, Reverse(served_ms), id));
                }
                Err(error) => failed(&path, error),
            }
        } else if Place::is_unpacking(&name) {
            // by one that was killed; none is on its way now
            durable::remove_folder(&path).unwrap_or_else(|error| failed(&path, error));
        } else {
            tracing::warn!(path = %path.display(), "this is no release, and is left where it is");
        }
    }
    found.sort_unstable();
    for (_, _, id) in found.into_iter().skip(kept).filter(|(may_go, _, _)| *may_go) {
        let removed = Known::forget(place, id).and_then(|()| durable::remove_folder(&place.release(id)));
        removed.unwrap_or_else(|error| failed(&place.release(id), error));
    }
}

pub(crate) async fn archives(layout: &Layout, now_ms: i64) {
    let layout = layout.clone();
    beside(move || remove_archives(&layout, now_ms)).await;
}

fn remove_archives(layout: &Layout, now_ms: i64) {
    let names = journal::names(&layout.archives()).unwrap_or_default();
    for path in names.into_iter().map(|name| layout.archives().join(name)) {
        if written_ms(&path).is_ok_and(|written_ms| now_ms.saturating_sub(written_ms) > ARCHIVE_MS)
            && let Err(error) = durable::remove(&path)
        {
            tracing::warn!(path = %path.display(), %error, "an archive that was fetched in part could not be removed");
        }
    }
}

/// Removes what ended long ago, and the output for which there is no room: what is shipped, then what is not, each from its oldest end.
pub(crate) async fn outputs(layout: &Layout, bytes_max: u64, now_ms: i64) {
    let layout = layout.clone();
    beside(move || remove_outputs(&layout, bytes_max, now_ms)).await;
}

/// The same, at once.
pub(crate) fn remove_outputs(layout: &Layout, bytes_max: u64, now_ms: i64) {
    let failed = |path: &Path, error: io::Error| tracing::warn!(path = %path.display(), %error, "old output could not be removed");
    let runs = journal::runs(layout).unwrap_or_else(|error| {
        failed(&layout.tasks(), error);
        Vec::new()
    });
    let mut kept: Vec<Kept> = Vec::new();
    for run in runs {
        match keep_or_remove(layout, run, now_ms) {
            Ok(outputs) => kept.extend(outputs),
            Err(error) => failed(&layout.run(run), error),
        }
    }
    // what is shipped goes first
    kept.sort_unstable_by_key(|kept| (kept.is_shipped, Reverse(kept.ended_ms)));
    // what has just ended is not shipped yet, however much it is
    let newest_ms = kept.iter().map(|kept| kept.ended_ms).max();
    let mut bytes = 0_u64;
    for kept in kept {
        bytes += kept.bytes;
        if bytes > bytes_max && (kept.is_shipped || Some(kept.ended_ms) != newest_ms) {
            durable::remove(&kept.path).unwrap_or_else(|error| failed(&kept.path, error));
        }
    }
}

/// Output of a run that has ended.
struct Kept {
    is_shipped: bool,
    /// The last of the run's attempts.
    ended_ms: i64,
    bytes: u64,
    path: PathBuf,
}

/// Removes a run that ended long ago; of another that has ended, gives the output.
fn keep_or_remove(layout: &Layout, run: RunId, now_ms: i64) -> io::Result<Vec<Kept>> {
    let numbers = journal::attempts(&layout.run(run))?;
    // the first attempt is about to be there
    let mut last_ms = Some(if numbers.is_empty() { written_ms(&layout.run(run))? } else { i64::MIN });
    let mut shipped = BTreeSet::new();
    for number in numbers {
        let attempt = layout.attempt(run, number);
        let (ended_ms, is_shipped): (Option<i64>, bool) = look(&attempt).unwrap_or_else(|error| journal::unreadable(&attempt, &error));
        shipped.extend(is_shipped.then_some(number));
        last_ms = last_ms.zip(ended_ms).map(|(last_ms, ended_ms)| last_ms.max(ended_ms));
    }
    let Some(ended_ms) = last_ms else { return Ok(Vec::new()) };
    if now_ms.saturating_sub(ended_ms) > TASK_MS {
        durable::remove_folder(&layout.run(run))?;
        return Ok(Vec::new());
    }
    let kept =
        |output: output::Output| Kept { is_shipped: shipped.contains(&output.attempt), ended_ms, bytes: output.bytes, path: output.path };
    Ok(output::of(layout, run)?.into_iter().map(kept).collect())
}

/// When an attempt has ended, or ends at the latest where it has not begun; and whether its output is shipped. What a script has left that could not
/// be removed at once is removed.
fn look(attempt: &Path) -> io::Result<(Option<i64>, bool)> {
    let ended_ms = match Progress::read(attempt)? {
        Some(Progress { ended: Some(ended), .. }) => {
            if let Err(error) = durable::remove_folder(&attempt.join("scratch")) {
                tracing::debug!(path = %attempt.display(), %error, "what a script has left could not be removed yet");
            }
            Some(ended.at_ms)
        }
        Some(_) => None,
        None => match journal::document(attempt)? {
            // it may begin until then
            Some(document) => Some(document.expires_ms),
            // its document is about to be written
            None => Some(written_ms(attempt)?),
        },
    };
    Ok((ended_ms, ship::is_done(attempt)?))
}

/// When something was written last, a file or the names of a folder.
fn written_ms(path: &Path) -> io::Result<i64> {
    let since = path.metadata()?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_serves_and_the_one_before_stay() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::make(folder.path()).unwrap();
        let place = layout.package(&"web".parse().unwrap());
        place.make().unwrap();
        let id = |number: u8| PackageId::from_digest(&[number; 32]);
        for number in 1..=6 {
            std::fs::create_dir(place.release(id(number))).unwrap();
            let known = serde_json::json!({
                "version": "1", "manifest": {"hooks": {}, "user": null, "unit": null, "health": null},
                // the sixth never was good
                "is_good": number < 6, "served_ms": number,
            });
            durable::write_json(&place.remembered().join(format!("{}.json", id(number))), &known).unwrap();
        }
        std::fs::create_dir(place.unpacking(id(7))).unwrap();
        std::fs::write(place.releases().join("a note"), "").unwrap();
        std::fs::create_dir(place.releases().join("what an operator keeps")).unwrap();
        // a release that cannot be removed, and one of which it cannot be read what it is
        std::fs::write(place.release(id(8)), "").unwrap();
        std::fs::create_dir(place.release(id(9))).unwrap();
        std::fs::write(place.remembered().join(format!("{}.json", id(9))), "{").unwrap();
        remove_releases(&place, Some(id(1)), Some(id(2)), 3);
        let left: Vec<bool> = (1..=7).map(|number| place.release(id(number)).exists() || place.unpacking(id(number)).exists()).collect();
        assert_eq!(left, [true, true, false, false, true, false, false]);
        assert!(Known::read(&place, id(6)).unwrap().is_none() && Known::read(&place, id(5)).unwrap().is_some());
        let kept = ["a note".to_owned(), "what an operator keeps".to_owned(), id(9).to_string()];
        assert!(kept.iter().all(|name| place.releases().join(name).exists()));
    }

    #[test]
    fn the_newest_output_stays() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::make(folder.path()).unwrap();
        let run = |number: u8| loki_domain::RunId::from_digest(&[number; 32]);
        // one that cannot be read stays as it is, and keeps none of the others
        let torn = layout.make_attempt(run(0), 1).unwrap();
        std::fs::write(torn.join("progress.json"), "{").unwrap();
        // one of a document that is about to be written stays, one of long ago goes
        let (young, old) = (layout.make_attempt(run(5), 1).unwrap(), layout.make_attempt(run(6), 1).unwrap());
        std::fs::create_dir(layout.run(run(7))).unwrap();
        let set = |path: &Path, at_ms: i64| {
            let at = UNIX_EPOCH + std::time::Duration::from_millis(at_ms.unsigned_abs());
            std::fs::File::open(path).unwrap().set_modified(at).unwrap();
        };
        set(&young, TASK_MS);
        set(&old, 0);
        for (number, at_ms) in [(1, 0), (2, TASK_MS - 1), (3, TASK_MS), (4, TASK_MS)] {
            let attempt = layout.make_attempt(run(number), 1).unwrap();
            std::fs::write(attempt.join("start.log"), [b'x'; 100]).unwrap();
            let ended = (number != 4).then_some(journal::Ended { at_ms, outcome: crate::task::Outcome::Succeeded });
            Progress { ended, ..Progress::default() }.write(&attempt).unwrap();
        }
        remove_outputs(&layout, 150, TASK_MS + 1);
        assert_eq!([&torn, &young, &old, &layout.run(run(7))].map(|path| path.exists()), [true, true, false, true]);
        assert!(!layout.run(run(1)).exists(), "it ended long ago");
        assert!(output::of(&layout, run(2)).unwrap().is_empty() && layout.attempt(run(2), 1).join("progress.json").exists());
        assert_eq!(output::of(&layout, run(3)).unwrap().len(), 1);
        assert_eq!(output::of(&layout, run(4)).unwrap().len(), 1, "it has not ended");
    }
}
