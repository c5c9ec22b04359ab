//! Where the stack's files lie, where its programs are found, and copies of folders.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// `target/stack` of this workspace, or `$LOKI_STACK_DIR`: what `install.sh` fetched and what `stack up` runs.
pub fn stack_dir() -> PathBuf {
    chosen(std::env::var_os("LOKI_STACK_DIR"))
}

/// An empty variable is none, as it is for make and the shell.
fn chosen(folder: Option<OsString>) -> PathBuf {
    match folder.filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => {
            let own = Path::new(env!("CARGO_MANIFEST_DIR"));
            own.ancestors().nth(2).unwrap_or(own).join("target/stack")
        }
    }
}

/// A program's full path; the folders for servers are searched although ordinary users do not have them on their path.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .with_context(|| format!("`{name}` is not installed: run `services/testing/stack/install.sh`"))
}

/// Copies a folder with its files and folders; sockets and the like are left out, as they belong to a process.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &target).with_context(|| format!("cannot copy to {}", target.display()))?;
        }
    }
    Ok(())
}

/// Removes a folder that may not exist.
pub(super) fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_is_none() {
        assert_eq!(chosen(Some("/elsewhere".into())), Path::new("/elsewhere"));
        for none in [None, Some(OsString::new())] {
            assert!(chosen(none).ends_with("target/stack"));
        }
    }
}
