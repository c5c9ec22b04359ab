//! What hooks and scripts have printed: `<step>.log` beside the attempt's journal, from its beginning, and how much was left out.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loki_domain::RunId;
use loki_runtime::{clock::Stopwatch, task};

use crate::layout::Layout;
use crate::task::line;
use crate::{durable, journal};

/// Of the last line, in a message.
const LAST_CHARACTERS_MAX: usize = 120;
const LOOK: Duration = Duration::from_millis(5);

/// The output of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub attempt: u32,
    /// `start`; `back-start` on the way back.
    pub step: String,
    pub path: PathBuf,
    pub bytes: u64,
}

pub(crate) fn of(layout: &Layout, run: RunId) -> io::Result<Vec<Output>> {
    let mut found = Vec::new();
    for attempt in journal::attempts(&layout.run(run))? {
        let folder = layout.attempt(run, attempt);
        let mut names = journal::names(&folder)?;
        names.sort_unstable();
        for (name, step) in names.iter().filter_map(|name| Some((name, name.strip_suffix(".log")?))) {
            let path = folder.join(name);
            let bytes = path.metadata()?.len();
            found.push(Output { attempt, step: step.to_owned(), path, bytes });
        }
    }
    Ok(found)
}

/// Until all that a hook printed is there, or this long: something that it left behind may hold its output open.
pub(crate) async fn wait(hook: &Path, limit: Duration) {
    let since = Stopwatch::start();
    while !hook.join("own/left").exists() && since.elapsed() < limit {
        task::sleep(LOOK).await;
    }
}

/// Keeps what a hook has printed up to now, and gives its last line.
pub(crate) fn keep(attempt: &Path, step: &str, hook: &Path, bytes_max: u64) -> io::Result<String> {
    let mut bytes = read(&hook.join("own/out"), bytes_max)?;
    let last =
        String::from_utf8_lossy(&bytes).trim_end().rsplit('\n').next().map(|last| line(last, LAST_CHARACTERS_MAX)).unwrap_or_default();
    let left = read(&hook.join("own/left"), 32).ok().and_then(|text| String::from_utf8(text).ok()?.trim().parse::<u64>().ok());
    let note = match left {
        Some(0) => None,
        Some(left) => Some(format!("[{left} bytes more were left out]")),
        None if bytes.len() as u64 == bytes_max => Some("[what came after this was left out]".to_owned()),
        None => Some("[what came later, from what was left running, was left out]".to_owned()),
    };
    if let Some(note) = note {
        if bytes.last().is_some_and(|last| *last != b'\n') {
            bytes.push(b'\n');
        }
        writeln!(bytes, "{note}")?;
    }
    durable::write(&attempt.join(format!("{step}.log")), &bytes)?;
    // it is kept once
    durable::remove(&hook.join("own/out"))?;
    Ok(last)
}

fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What the hook's user wrote: no link is followed, and nothing is waited for.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.union(rustix::fs::OFlags::NONBLOCK).bits();
    let flags = i32::try_from(no_follow).map_err(io::Error::other)?;
    File::options().read(true).custom_flags(flags).open(path)
}
