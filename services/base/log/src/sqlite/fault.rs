//! What an SQLite error means to a caller.

use std::path::Path;

use crate::error::Error;

// Primary result codes of SQLite.
const CORRUPT: i32 = 11;
const NOT_A_DATABASE: i32 = 26;
const ERROR: i32 = 1;
const CONSTRAINT: i32 = 19;

/// While the log is open: a full disk or an I/O error passes, a damaged file does not.
pub(super) fn classify(error: sqlx::Error) -> Error {
    match primary_code(&error) {
        Some(CORRUPT | NOT_A_DATABASE) => Error::Fatal(format!("the file is damaged, restore it from a back-up: {error}")),
        // Our own statements are wrong, or the file's tables are not ours: calling again cannot help.
        Some(ERROR | CONSTRAINT) => Error::Fatal(error.to_string()),
        _ => Error::Away(error.to_string()),
    }
}

/// While it is being opened: a path that cannot be used is a mistake in the settings.
pub(super) fn at_open(path: &Path, error: sqlx::Error) -> Error {
    match primary_code(&error) {
        Some(CORRUPT | NOT_A_DATABASE) => {
            Error::Fatal(format!("`{}` is damaged or not a log, restore it from a back-up: {error}", path.display()))
        }
        _ => Error::Fatal(format!("cannot open `{}`: {error}", path.display())),
    }
}

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}
