//! One process per data directory.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::error::{Error, Result};

/// Held for as long as the file is open; the kernel gives it back when the process dies, however it dies.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    pub(super) fn take(directory: &Path, name: &str) -> Result<Self> {
        let path = directory.join(format!("{name}.lock"));
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(|error| fatal(&path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::Fatal(format!(
                "another process uses the data directory `{}`: send commands to that process's API instead of opening its files",
                directory.display()
            ))),
            Err(TryLockError::Error(error)) => Err(fatal(&path, &error)),
        }
    }
}

fn fatal(path: &Path, error: &std::io::Error) -> Error {
    Error::Fatal(format!("cannot lock `{}`: {error}", path.display()))
}
