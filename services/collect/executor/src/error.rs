//! Why the executor cannot run, and why a document is not carried out. What goes wrong while it is carried out is its outcome.

use std::io;
use std::path::PathBuf;

/// All of them are fatal: somebody must mend something before it is started again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the executor's settings: {}", .0.join("; "))]
    Config(Vec<String>),
    #[error("the folder `{}` cannot be used: make it writable for the agent, or set `agent.deploys` to another", path.display())]
    Root { path: PathBuf, source: io::Error },
    #[error("the folder `{}` belongs to another process: give each agent its own by `agent.deploys`", path.display())]
    RootTaken { path: PathBuf },
    #[error("no HTTP client can be made: {0}")]
    Http(String),
}

/// Why a document is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("none of the decider's keys that this host knows has signed the document")]
    Forged,
    #[error("the document is for the server `{server}`, this is `{this}`")]
    NotOurs { server: String, this: String },
    #[error("the document has expired {ago_ms} ms ago and was not begun before")]
    Expired { ago_ms: i64 },
    #[error("attempt {attempt} of the run `{run}` {why}")]
    Replayed { run: String, attempt: u32, why: String },
    #[error("the document cannot be read: {0}")]
    Unreadable(String),
    /// It may be handed in again: this is about the host, not about the document.
    #[error("the journal cannot be kept in `{}`: {source}", path.display())]
    Journal { path: PathBuf, source: io::Error },
}

impl Refused {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Forged => "forged",
            Self::NotOurs { .. } => "not_ours",
            Self::Expired { .. } => "expired",
            Self::Replayed { .. } => "replayed",
            Self::Unreadable(_) => "unreadable",
            Self::Journal { .. } => "journal",
        }
    }
}
