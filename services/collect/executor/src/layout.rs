//! Where things lie: `<root>/<package>/releases/<release>`, `…/shared` and `…/current`, and what is the executor's own, with a dot in front,
//! because no package's name begins with one.

use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use loki_domain::{PackageId, PackageName, RunId, Sha256};

use crate::durable;

/// Hooks run as their users pass through, and see nothing that they do not know by name.
const PASSED_THROUGH: u32 = 0o711;
const OPEN: u32 = 0o755;

#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn make(root: &Path) -> io::Result<Self> {
        if let Some(parent) = root.parent() {
            std::fs::create_dir_all(parent)?;
        }
        durable::folder(root, OPEN)?;
        let layout = Self { root: root.to_owned() };
        durable::folder(&layout.archives(), 0o700)?;
        durable::folder(&layout.tasks(), PASSED_THROUGH)?;
        Ok(layout)
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join(".lock")
    }

    /// Which server's the root is.
    pub(crate) fn server(root: &Path) -> PathBuf {
        root.join(".server")
    }

    pub(crate) fn archives(&self) -> PathBuf {
        self.root.join(".archives")
    }

    pub(crate) fn archive(&self, sha256: Sha256) -> PathBuf {
        self.archives().join(format!("{sha256}.part"))
    }

    pub(crate) fn tasks(&self) -> PathBuf {
        self.root.join(".tasks")
    }

    pub(crate) fn run(&self, run: RunId) -> PathBuf {
        self.tasks().join(run.to_string())
    }

    pub(crate) fn attempt(&self, run: RunId, attempt: u32) -> PathBuf {
        self.run(run).join(attempt.to_string())
    }

    pub(crate) fn make_attempt(&self, run: RunId, attempt: u32) -> io::Result<PathBuf> {
        durable::folder(&self.run(run), PASSED_THROUGH)?;
        let path = self.attempt(run, attempt);
        durable::folder(&path, PASSED_THROUGH)?;
        Ok(path)
    }

    pub(crate) fn package(&self, name: &PackageName) -> Place {
        Place { folder: self.root.join(name.as_str()) }
    }
}

/// Where a package lies.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    folder: PathBuf,
}

impl Place {
    pub(crate) fn make(&self) -> io::Result<()> {
        durable::folder(&self.folder, OPEN)?;
        durable::folder(&self.releases(), OPEN)?;
        durable::folder(&self.remembered(), 0o700)?;
        durable::folder(&self.shared(), OPEN)
    }

    pub(crate) fn releases(&self) -> PathBuf {
        self.folder.join("releases")
    }

    pub(crate) fn release(&self, id: PackageId) -> PathBuf {
        self.releases().join(id.to_string())
    }

    /// Where a release is unpacked.
    pub(crate) fn unpacking(&self, id: PackageId) -> PathBuf {
        self.releases().join(format!(".{id}.new"))
    }

    /// Whether this is the name of a folder in which a release is unpacked.
    pub(crate) fn is_unpacking(name: &str) -> bool {
        name.strip_prefix('.').and_then(|name| name.strip_suffix(".new")).is_some_and(|id| id.parse::<PackageId>().is_ok())
    }

    pub(crate) fn shared(&self) -> PathBuf {
        self.folder.join("shared")
    }

    /// What is known of each release that was installed.
    pub(crate) fn remembered(&self) -> PathBuf {
        self.folder.join(".remembered")
    }

    /// Names the task that has begun and not ended.
    pub(crate) fn begun(&self) -> PathBuf {
        self.folder.join(".begun")
    }

    fn link(&self) -> PathBuf {
        self.folder.join("current")
    }

    /// The release that serves.
    ///
    /// # Errors
    /// Something else than a link to a release lies there.
    pub(crate) fn current(&self) -> io::Result<Option<PackageId>> {
        let link = self.link();
        let strange = || io::Error::other(format!("`{}` is no link to a release: remove it", link.display()));
        match std::fs::read_link(&link) {
            Ok(target) => {
                let id = target.strip_prefix("releases").ok().and_then(Path::to_str).and_then(|name| name.parse().ok());
                id.map(Some).ok_or_else(strange)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Err(strange()),
            Err(error) => Err(error),
        }
    }

    /// Makes a release the one that serves, or none. At no instant is there no link when there was one and will be one.
    pub(crate) fn switch(&self, to: Option<PackageId>) -> io::Result<()> {
        let link = self.link();
        match to {
            Some(id) => {
                let new = self.folder.join(".current.new");
                durable::remove(&new)?;
                symlink(Path::new("releases").join(id.to_string()), &new)?;
                std::fs::rename(&new, &link)?;
            }
            None => durable::remove(&link)?,
        }
        durable::sync_parent(&link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn current_is_a_link_that_is_switched() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::make(folder.path()).unwrap();
        let place = layout.package(&"web".parse().unwrap());
        place.make().unwrap();
        assert_eq!(place.current().unwrap(), None);
        place.switch(Some(PackageId::MIN)).unwrap();
        place.switch(Some(PackageId::MAX)).unwrap();
        assert_eq!(place.current().unwrap(), Some(PackageId::MAX));
        place.switch(None).unwrap();
        place.switch(None).unwrap();
        assert_eq!(place.current().unwrap(), None);
        std::fs::create_dir(place.link()).unwrap();
        assert!(place.current().unwrap_err().to_string().contains("remove it"));
    }
}
