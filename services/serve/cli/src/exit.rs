//! How a command ends. Scripts rely on these numbers, so they never change.

use std::process::ExitCode;

/// What the process's exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done as asked.
    Ok = 0,
    /// A command was rejected, stores differ, something is not live, or the API cannot answer.
    Failed = 1,
    /// What was asked for is not well-formed; nothing was done.
    Usage = 2,
    /// What was named does not exist.
    NotFound = 3,
    /// The token is missing or wrong.
    Auth = 4,
    /// What was asked for does not go together with what is there.
    Conflict = 5,
    /// It may still happen, but it did not in the time given.
    Timeout = 124,
}

/// The codes, for the end of a help text.
pub const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 rejected, different or not live, 2 wrong usage, 3 not found, 4 token missing or wrong, 5 conflict, 124 timed out.";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command stops before its end: what to tell, and how to exit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub exit: Exit,
    /// One line for people; empty when there is nothing left to tell.
    pub message: String,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }
}
