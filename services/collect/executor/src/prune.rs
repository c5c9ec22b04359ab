//! What is not needed any more. A task has never failed because something could not be removed.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use loki_domain::PackageId;
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
        let written = path.metadata().ok().and_then(|metadata| metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok());
        let written_ms = written.and_then(|since| i64::try_from(since.as_millis()).ok());
        if written_ms.is_some_and(|written_ms| now_ms.saturating_sub(written_ms) > ARCHIVE_MS)
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
    if let Err(error) = try_outputs(layout, bytes_max, now_ms) {
        tracing::warn!(path = %layout.tasks().display(), %error, "old output could not be removed");
    }
}

fn try_outputs(layout: &Layout, bytes_max: u64, now_ms: i64) -> io::Result<()> {
    let mut kept: Vec<(bool, Reverse<i64>, u64, PathBuf)> = Vec::new();
    for run in journal::runs(layout)? {
        let mut last_ms = Some(i64::MIN);
        let mut shipped = BTreeSet::new();
        for number in journal::attempts(&layout.run(run))? {
            let attempt = layout.attempt(run, number);
            if ship::is_done(&attempt)? {
                shipped.insert(number);
            }
            let at_ms = match Progress::read(&attempt)? {
                Some(progress) => progress.ended.map(|ended| ended.at_ms),
                // it may begin until then
                None => Some(journal::document(&attempt)?.map_or(i64::MIN, |document| document.expires_ms)),
            };
            last_ms = last_ms.zip(at_ms).map(|(last_ms, at_ms)| last_ms.max(at_ms));
        }
        let Some(last_ms) = last_ms else { continue };
        if now_ms.saturating_sub(last_ms) > TASK_MS {
            durable::remove_folder(&layout.run(run))?;
            continue;
        }
        let outputs = output::of(layout, run)?.into_iter();
        kept.extend(outputs.map(|output| (shipped.contains(&output.attempt), Reverse(last_ms), output.bytes, output.path)));
    }
    // what is shipped goes first
    kept.sort_unstable_by_key(|(is_shipped, at_ms, _, _)| (*is_shipped, *at_ms));
    // what has just ended is not shipped yet, however much it is
    let newest_ms = kept.iter().map(|(_, Reverse(at_ms), _, _)| *at_ms).max();
    let mut bytes = 0_u64;
    for (is_shipped, Reverse(at_ms), length, path) in kept {
        bytes += length;
        if bytes > bytes_max && (is_shipped || Some(at_ms) != newest_ms) {
            durable::remove(&path)?;
        }
    }
    Ok(())
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
        for (number, at_ms) in [(1, 0), (2, TASK_MS - 1), (3, TASK_MS), (4, TASK_MS)] {
            let attempt = layout.make_attempt(run(number), 1).unwrap();
            std::fs::write(attempt.join("start.log"), [b'x'; 100]).unwrap();
            let ended = (number != 4).then_some(journal::Ended { at_ms, outcome: crate::task::Outcome::Succeeded });
            Progress { ended, ..Progress::default() }.write(&attempt).unwrap();
        }
        try_outputs(&layout, 150, TASK_MS + 1).unwrap();
        assert!(!layout.run(run(1)).exists(), "it ended long ago");
        assert!(output::of(&layout, run(2)).unwrap().is_empty() && layout.attempt(run(2), 1).join("progress.json").exists());
        assert_eq!(output::of(&layout, run(3)).unwrap().len(), 1);
        assert_eq!(output::of(&layout, run(4)).unwrap().len(), 1, "it has not ended");
    }
}
