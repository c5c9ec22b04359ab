//! What the steps of an attempt have printed, chunk by chunk, for whoever ships it: while a hook runs and after.
//!
//! An attempt's output is one stream of bytes: that of its steps, one after the other. A step's part of it is `<step>.log` once the step has ended,
//! and what its hook has written so far before that, which is how the log will begin. A later part is begun when the ones before are as they
//! will stay. How far all this is shipped is in the [`mark`], with the end of the chunk that comes next: whatever is killed, the same chunk is
//! handed out until it is shipped. Of output that was removed from the host, what is not shipped is left out.

mod mark;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use loki_domain::RunId;
use loki_wire::task::{Document, Wanted};

use self::mark::{Mark, Part, Sending};
use crate::hook;
use crate::journal::{self, Progress};
use crate::layout::Layout;
use crate::output;

/// Of one chunk, as its record may have.
pub const CHUNK_BYTES_MAX: usize = loki_wire::task_log::BYTES_MAX as usize;
/// Of one character in UTF-8.
const CHARACTER_BYTES_MAX: usize = 4;

/// What is to be shipped next of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unshipped {
    /// It is handed out again until it is said to be shipped.
    Chunk(Chunk),
    /// All that there is so far is shipped.
    NothingYet,
    /// All is shipped, was given up, or is not kept any more.
    Done,
}

/// A part of what one step has printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Whose task it is: the root may have been another server's then.
    pub server: String,
    pub step: &'static str,
    /// How many bytes of the attempt's stream come before it.
    pub offset: u64,
    /// None in a chunk that only says that it is the last.
    pub bytes: Vec<u8>,
    /// The attempt has ended, and nothing comes after this.
    pub is_last: bool,
}

impl Chunk {
    /// The bytes as UTF-8; what is none is replaced. A character that was printed as a whole is as a whole in one chunk.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Whether it ends because no chunk is longer: then more is there already.
    pub fn is_full(&self) -> bool {
        self.bytes.len() + CHARACTER_BYTES_MAX > CHUNK_BYTES_MAX
    }
}

/// The attempt in this folder; `output_bytes_max`: of a hook.
pub(crate) fn next(folder: &Path, output_bytes_max: u64) -> io::Result<Unshipped> {
    // without its document an attempt is not there any more, or not yet
    let Some(document) = journal::document(folder)? else { return Ok(Unshipped::Done) };
    let attempt = Attempt::new(folder, document, output_bytes_max);
    let mut mark = Mark::read(folder)?.unwrap_or_else(|| Mark::first(&attempt.document.wanted));
    if mark.is_done {
        return Ok(Unshipped::Done);
    }
    if let Some(sending) = mark.sending {
        match attempt.chunk(&mark, sending)? {
            Some(chunk) => return Ok(Unshipped::Chunk(chunk)),
            // it was removed, and may be shipped all the same
            None => mark = mark.past(sending),
        }
    }
    let Some(mark) = attempt.find(&mark)? else { return Ok(Unshipped::NothingYet) };
    mark.write(folder)?;
    let chunk = mark.sending.map(|sending| attempt.chunk(&mark, sending)).transpose()?;
    Ok(chunk.flatten().map_or(Unshipped::NothingYet, Unshipped::Chunk))
}

/// One that was shipped before is shipped.
pub(crate) fn shipped(folder: &Path, chunk: &Chunk) -> io::Result<()> {
    let Some(mark) = Mark::read(folder)? else { return Ok(()) };
    match mark.sending {
        Some(sending) if mark.begins + mark.offset == chunk.offset && sending.bytes == chunk.bytes.len() => {
            Mark { is_done: sending.is_last, ..mark.past(sending) }.write(folder)
        }
        _ => Ok(()),
    }
}

/// Nobody will ever take it.
pub(crate) fn give_up(folder: &Path) -> io::Result<()> {
    match Mark::read(folder)? {
        Some(mark) => Mark { sending: None, is_done: true, ..mark }.write(folder),
        // of what is not there any more nothing is remembered
        None => Ok(()),
    }
}

/// Whether there is nothing left to ship.
pub(crate) fn is_done(folder: &Path) -> io::Result<bool> {
    Ok(Mark::read(folder)?.is_some_and(|mark| mark.is_done))
}

/// The attempts that have ended and are not shipped as a whole, in the order in which they ended.
pub(crate) fn ended(layout: &Layout) -> io::Result<Vec<(RunId, u32)>> {
    let mut found = journal::each(layout, |run, attempt, folder| {
        let ended = Progress::read(folder)?.and_then(|progress| progress.ended);
        Ok(if is_done(folder)? { None } else { ended.map(|ended| (ended.at_ms, run, attempt)) })
    })?;
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, run, attempt)| (run, attempt)).collect())
}

struct Attempt<'a> {
    folder: &'a Path,
    document: Document,
    output_bytes_max: u64,
}

impl<'a> Attempt<'a> {
    fn new(folder: &'a Path, document: Document, output_bytes_max: u64) -> Self {
        let output_bytes_max = match &document.wanted {
            Wanted::Script { output_bytes_max, .. } => u64::from(*output_bytes_max),
            Wanted::Release(_) | Wanted::Nothing { .. } => output_bytes_max,
        };
        Self { folder, document, output_bytes_max }
    }

    /// The mark with what is to be sent next; `None` when there is nothing yet.
    fn find(&self, mark: &Mark) -> io::Result<Option<Mark>> {
        // before any output: whatever has ended by now, or has a later step, has its log
        let has_ended = Progress::read(self.folder)?.is_some_and(|progress| progress.ended.is_some());
        let newest = journal::names(self.folder)?.iter().filter_map(|name| Part::of(name)).max();
        for step in mark.step.from() {
            let is_over = has_ended || newest.is_some_and(|newest| newest > step);
            let printed = self.printed(step)?;
            let is_final = is_over || printed.as_ref().is_some_and(|printed| printed.is_log);
            let (begins, offset) = mark.at(step);
            if let Some(mut printed) = printed {
                let mut bytes = printed.read(offset, CHUNK_BYTES_MAX)?;
                let is_end = offset + bytes.len() as u64 >= printed.bytes;
                if !is_final || !is_end {
                    bytes.truncate(bytes.len() - unfinished(&bytes));
                }
                if !bytes.is_empty() {
                    let is_last = has_ended && is_end && self.is_all(step)?;
                    let sending = Some(Sending { bytes: bytes.len(), is_last });
                    return Ok(Some(Mark { begins, step, offset, sending, is_done: false }));
                }
            }
            if !is_final {
                return Ok(None);
            }
        }
        Ok(has_ended.then(|| Mark { sending: Some(Sending { bytes: 0, is_last: true }), ..mark.clone() }))
    }

    /// The chunk that is being sent; `None` when its output is not there any more.
    fn chunk(&self, mark: &Mark, sending: Sending) -> io::Result<Option<Chunk>> {
        let bytes = match self.printed(mark.step)? {
            Some(mut printed) => printed.read(mark.offset, sending.bytes)?,
            None => Vec::new(),
        };
        Ok((bytes.len() == sending.bytes).then(|| Chunk {
            server: self.document.server.clone(),
            step: mark.step.as_str(),
            offset: mark.begins + mark.offset,
            bytes,
            is_last: sending.is_last,
        }))
    }

    /// Whether no later step has printed anything.
    fn is_all(&self, step: Part) -> io::Result<bool> {
        for later in step.from().filter(|later| *later != step) {
            if self.printed(later)?.is_some_and(|printed| printed.bytes > 0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn printed(&self, step: Part) -> io::Result<Option<Printed>> {
        // the hook's first: it goes once the log is there
        let out = hook::out(self.folder, step.as_str()).and_then(|path| self.out(&path));
        let log = self.folder.join(format!("{}.log", step.as_str()));
        match output::open(&log) {
            Ok(file) => Ok(Some(Printed { bytes: file.metadata()?.len(), file, is_log: true })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(out),
            Err(error) => Err(error),
        }
    }

    /// What the hook's user wrote: where that is no file, nothing was printed.
    fn out(&self, path: &Path) -> Option<Printed> {
        let file = output::open(path).ok()?;
        let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some(Printed { file, bytes: metadata.len().min(self.output_bytes_max), is_log: false })
    }
}

/// What a step has printed up to now.
struct Printed {
    file: File,
    bytes: u64,
    /// The step has ended: it stays as it is.
    is_log: bool,
}

impl Printed {
    fn read(&mut self, offset: u64, bytes_max: usize) -> io::Result<Vec<u8>> {
        let left = self.bytes.saturating_sub(offset).min(bytes_max as u64);
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(offset))?;
        (&self.file).take(left).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// How many bytes at the end are the beginning of a character.
fn unfinished(bytes: &[u8]) -> usize {
    let begins = |length: &usize| {
        let tail = bytes.len().checked_sub(*length).and_then(|start| bytes.get(start..)).unwrap_or_default();
        std::str::from_utf8(tail).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (1..CHARACTER_BYTES_MAX).find(begins).unwrap_or(0)
}
