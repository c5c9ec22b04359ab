//! One entry of an archive after the other, each looked at before it is made.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use tar::{Entry, EntryType};

use super::Cleared;
use crate::config::Limits;
use crate::fetch::free_bytes;

/// How many bytes are written between two looks at the disk.
const LOOK_BYTES: u64 = 16 << 20;
/// Who may run as the owner, run as the group, and the bit of shared folders.
const SPECIAL: u32 = 0o7000;

pub(super) struct Unpacking<'a> {
    folder: &'a Path,
    limits: &'a Limits,
    ended: &'a AtomicBool,
    entries: usize,
    bytes: u64,
    unlooked: u64,
    /// Folders that this has made: none of them is a link.
    folders: BTreeSet<PathBuf>,
    cleared: Cleared,
}

impl<'a> Unpacking<'a> {
    pub(super) fn begin(folder: &'a Path, limits: &'a Limits, ended: &'a AtomicBool) -> Result<Self, String> {
        crate::durable::folder(folder, 0o755).map_err(|error| format!("`{}` cannot be made: {error}", folder.display()))?;
        let (folders, cleared) = (BTreeSet::new(), Cleared::default());
        Ok(Self { folder, limits, ended, entries: 0, bytes: 0, unlooked: 0, folders, cleared })
    }

    pub(super) fn finish(self) -> Result<Cleared, String> {
        self.look()?;
        Ok(self.cleared)
    }

    pub(super) fn entry(&mut self, mut entry: Entry<'_, impl Read>) -> Result<(), String> {
        self.look()?;
        self.one_more().map_err(|error| error.to_string())?;
        let name = entry.path_bytes().into_owned();
        let shown = String::from_utf8_lossy(&name).escape_default().to_string();
        let path = inside(&name).map_err(|why| format!("`{shown}` {why}"))?;
        let failed = |error: io::Error| format!("`{shown}` cannot be unpacked: {error}");
        match entry.header().entry_type() {
            EntryType::Directory => self.make_folders(&path).map_err(failed)?,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.make_way(&path).map_err(failed)?;
                self.write(&mut entry, &path, &shown)?;
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                if target.is_empty() || target.starts_with(b"/") {
                    return Err(format!("the link `{shown}` leads out of the release"));
                }
                self.make_way(&path).map_err(failed)?;
                symlink(OsStr::from_bytes(&target), self.folder.join(&path)).map_err(failed)?;
            }
            EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                let target = inside(&target).map_err(|_| format!("the link `{shown}` leads out of the release"))?;
                self.make_way(&path).map_err(failed)?;
                self.check_real(target.parent().unwrap_or(Path::new(""))).map_err(failed)?;
                let target = self.folder.join(target);
                if !target.symlink_metadata().map_err(failed)?.is_file() {
                    return Err(format!("the link `{shown}` is to something that is no file"));
                }
                std::fs::hard_link(target, self.folder.join(&path)).map_err(failed)?;
            }
            EntryType::XGlobalHeader => {}
            EntryType::Block | EntryType::Char => return Err(format!("`{shown}` is a device, which no release has")),
            EntryType::Fifo => return Err(format!("`{shown}` is a pipe, which no release has")),
            kind => return Err(format!("`{shown}` is of the kind {:?}, which no release has", char::from(kind.as_byte()))),
        }
        Ok(())
    }

    fn write(&mut self, entry: &mut Entry<'_, impl Read>, path: &Path, shown: &str) -> Result<(), String> {
        let failed = |error: io::Error| format!("`{shown}` cannot be unpacked: {error}");
        let mode = entry.header().mode().map_err(failed)?;
        let whole = self.folder.join(path);
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&whole).map_err(failed)?;
        let mut bytes = vec![0; 64 << 10];
        loop {
            let read = entry.read(&mut bytes).map_err(failed)?;
            if read == 0 {
                break;
            }
            self.count(read as u64)?;
            file.write_all(bytes.get(..read).unwrap_or_default()).map_err(failed)?;
        }
        if mode & SPECIAL != 0 {
            self.cleared.bits += 1;
        }
        // its owner can always replace it
        file.set_permissions(Permissions::from_mode(mode & 0o777 | 0o600)).map_err(failed)?;
        if let Some(at) = entry.header().mtime().ok().and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds))) {
            file.set_modified(at).map_err(failed)?;
        }
        Ok(())
    }

    /// Folders that no entry names count as those that one does.
    fn one_more(&mut self) -> io::Result<()> {
        self.entries += 1;
        match self.entries > self.limits.entries_max {
            true => {
                Err(io::Error::other(format!("the archive has more than {} entries: see `agent.entries_max`", self.limits.entries_max)))
            }
            false => Ok(()),
        }
    }

    fn count(&mut self, read: u64) -> Result<(), String> {
        self.look()?;
        self.bytes += read;
        self.unlooked += read;
        if self.bytes > self.limits.unpacked_bytes_max {
            return Err(format!("the archive holds more than {} bytes: see `agent.unpacked_max`", self.limits.unpacked_bytes_max));
        }
        if self.unlooked >= LOOK_BYTES {
            self.unlooked = 0;
            let free = free_bytes(self.folder).map_err(|error| error.to_string())?;
            if free < self.limits.free_bytes_min {
                return Err(format!(
                    "the disk is full: {} MiB are free, {} MiB stay so: see `agent.free_min`",
                    free >> 20,
                    self.limits.free_bytes_min >> 20
                ));
            }
        }
        Ok(())
    }

    /// Whether anybody still wants it.
    fn look(&self) -> Result<(), String> {
        match self.ended.load(Ordering::Relaxed) {
            true => Err("it was ended".to_owned()),
            false => Ok(()),
        }
    }

    /// The folders above it are there, and a file or link of its name is not: the last of a name counts.
    fn make_way(&mut self, path: &Path) -> io::Result<()> {
        if path.as_os_str().is_empty() {
            return Err(io::Error::other("it has no name"));
        }
        self.make_folders(path.parent().unwrap_or(Path::new("")))?;
        match self.folder.join(path).symlink_metadata() {
            Ok(found) if found.is_dir() => Err(io::Error::other("there is a folder of that name")),
            Ok(_) => std::fs::remove_file(self.folder.join(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn make_folders(&mut self, path: &Path) -> io::Result<()> {
        let mut at = PathBuf::new();
        for part in path {
            at.push(part);
            if self.folders.contains(&at) {
                continue;
            }
            let whole = self.folder.join(&at);
            match whole.symlink_metadata() {
                Ok(found) if found.is_dir() => {}
                Ok(_) => return Err(io::Error::other(format!("`{}` above it is a link or a file", at.display()))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.one_more()?;
                    std::fs::create_dir(&whole)?;
                    std::fs::set_permissions(&whole, Permissions::from_mode(0o755))?;
                }
                Err(error) => return Err(error),
            }
            self.folders.insert(at.clone());
        }
        Ok(())
    }

    /// Nothing above it is a link.
    fn check_real(&self, path: &Path) -> io::Result<()> {
        let mut at = self.folder.to_owned();
        for part in path {
            at.push(part);
            if !at.symlink_metadata()?.is_dir() {
                return Err(io::Error::other("it lies behind a link"));
            }
        }
        Ok(())
    }
}

/// A name in an archive as a path below the release.
fn inside(name: &[u8]) -> Result<PathBuf, &'static str> {
    let mut path = PathBuf::new();
    for part in Path::new(OsStr::from_bytes(name)).components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err("leads out of the release"),
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        assert_eq!(inside(b"./a//b/."), Ok(PathBuf::from("a/b")));
        assert_eq!(inside(b"./"), Ok(PathBuf::new()));
        for bad in ["/a", "..", "a/../b", "a/.."] {
            assert!(inside(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
