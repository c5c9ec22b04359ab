//! From an archive to a release: tar, or tar.gz, told apart by what they hold.
//!
//! Whoever signs packages is trusted with hooks that do anything as their user; an archive is trusted with nothing, because it may be made
//! elsewhere and is unpacked by the agent, who may be root. What does not belong into a release is refused: paths and links that lead out of
//! it, devices, pipes, sockets, and more than there is room for. Nothing is ever written through a link of the archive. Bits that make a program
//! run as its owner are cleared; that is logged, and noted in `unpack.log`.

mod budget;
mod entry;
mod links;
mod owner;

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::read::MultiGzDecoder;
use loki_runtime::task;

use self::budget::Budget;
use self::entry::Unpacking;
use crate::config::Limits;
use crate::course::{Course, Halt};
use crate::durable;
use crate::layout::Place;
use crate::task::Release;
use crate::user::Id;

const GZIP: [u8; 2] = [0x1f, 0x8b];
/// What a file of tar has at its 257th byte.
const TAR: &[u8] = b"ustar";

/// What was left out of a release.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Cleared {
    /// Files that would have run as their owner or group.
    pub(crate) bits: usize,
}

/// Unpacks beside the releases, and puts the release among them when it is whole.
pub(crate) async fn unpack(course: &Course<'_>, place: &Place, wanted: &Release, archive: PathBuf, owner: Option<Id>) -> Result<(), Halt> {
    let limits = course.shared.config.limits.clone();
    let (new, release) = (place.unpacking(wanted.id), place.release(wanted.id));
    let ended = Arc::new(AtomicBool::new(false));
    let working = {
        let (new, ended) = (new.clone(), ended.clone());
        task::spawn_blocking("unpack", move || {
            durable::remove_folder(&new).map_err(|error| error.to_string())?;
            let done = into_folder(&archive, &new, &limits, &ended).and_then(|cleared| {
                owner.map_or(Ok(()), |owner| owner::give(&new, owner).map_err(|error| format!("`user`: {error}")))?;
                make_durable(&new).map(|()| cleared)
            });
            if done.is_err() {
                // told by the error; the next one removes it first
                let _ = durable::remove_folder(&new);
            }
            done
        })
    };
    tokio::pin!(working);
    let done = match course.within(async { Ok((&mut working).await) }).await {
        Ok(done) => done,
        Err(halt) => {
            // nobody else may find it writing there
            ended.store(true, Ordering::Relaxed);
            let _done: Result<_, _> = working.await;
            return Err(halt);
        }
    };
    let cleared = done.map_err(|error| Halt::failed(error.to_string()))?.map_err(Halt::Failed)?;
    if cleared.bits > 0 {
        tracing::warn!(run.id = %course.task.run, files = cleared.bits, "setuid and setgid bits of the archive were cleared");
        let note = format!("the setuid or setgid bits of {} files were cleared\n", cleared.bits);
        durable::write(&course.folder.join("unpack.log"), note.as_bytes())?;
    }
    durable::remove_folder_beside(release.clone()).await?;
    std::fs::rename(&new, &release)?;
    durable::sync_parent(&release)?;
    Ok(())
}

/// One call for all files: a sync each would take minutes for many small ones.
fn make_durable(folder: &Path) -> Result<(), String> {
    let sync = || -> io::Result<()> { Ok(rustix::fs::syncfs(File::open(folder)?)?) };
    sync().map_err(|error| format!("the release could not be written to the disk: {error}"))
}

/// Blocks. `ended` is set by who wants no more of it.
pub(crate) fn into_folder(archive: &Path, folder: &Path, limits: &Limits, ended: &AtomicBool) -> Result<Cleared, String> {
    let failed = |error: io::Error| format!("the archive cannot be read: {error}");
    let mut file = File::open(archive).map_err(failed)?;
    let mut begin = Vec::new();
    file.by_ref().take(262).read_to_end(&mut begin).map_err(failed)?;
    file.rewind().map_err(failed)?;
    let budget = Budget::default();
    let file = BufReader::with_capacity(64 << 10, file);
    let tar: Box<dyn Read> = match () {
        () if begin.starts_with(&GZIP) => Box::new(budget.reader(MultiGzDecoder::new(file))),
        () if begin.get(257..) == Some(TAR) => Box::new(budget.reader(file)),
        () => return Err("the archive is neither tar nor tar.gz".to_owned()),
    };
    let mut unpacking = Unpacking::begin(folder, limits, ended)?;
    let mut archive = tar::Archive::new(tar);
    let mut entries = archive.entries().map_err(failed)?;
    loop {
        budget.header();
        let Some(entry) = entries.next() else { break };
        budget.data();
        unpacking.entry(entry.map_err(failed)?)?;
    }
    let cleared = unpacking.finish()?;
    links::check(folder)?;
    link_shared(folder).map_err(|error| format!("`shared` cannot be linked: {error}"))?;
    Ok(cleared)
}

/// What all releases of the package have in common is in each of them, unless the archive has that name.
fn link_shared(folder: &Path) -> io::Result<()> {
    let link = folder.join("shared");
    match link.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => symlink("../../shared", link),
        found => found.map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_gets_too_full_ends_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive");
        let mut archive = tar::Builder::new(File::create(&path).unwrap());
        let mut header = tar::Header::new_ustar();
        header.set_size(32 << 20);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, "zeros", io::repeat(0).take(32 << 20)).unwrap();
        archive.into_inner().unwrap();
        let unpacked = |name: &str, free_bytes_min| {
            let limits = Limits { free_bytes_min, ..Limits::default() };
            into_folder(&path, &folder.path().join(name), &limits, &AtomicBool::new(false))
        };
        assert_eq!(unpacked("enough", 0), Ok(Cleared::default()));
        // more than any disk has
        let full = unpacked("full", u64::MAX).unwrap_err();
        assert!(full.starts_with("the disk is full: ") && full.ends_with("see `agent.free_min`"), "{full}");
        assert!(folder.path().join("full/zeros").metadata().unwrap().len() < 32 << 20, "it is not found out at the end only");
    }
}
