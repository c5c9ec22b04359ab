//! Why the agent cannot run. Whatever may pass (the API is away, a disk is full) is no such error: it is told by the agent's readiness.

use std::path::PathBuf;

/// All of them are fatal: somebody must mend something before it is started again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the agent's settings: {}", .0.join("; "))]
    Config(Vec<String>),
    #[error("the host name is not known: name this server by `server`")]
    NoHostName,
    #[error("the host name `{name}` cannot be a server's name ({why}): name this server by `server`")]
    HostName { name: String, why: String },
    #[error(transparent)]
    Client(#[from] loki_client::Unusable),
    #[error("the spool in `{}` cannot be used", path.display())]
    Spool { path: PathBuf, source: std::io::Error },
    #[error("the spool in `{}` belongs to another process: give each agent a `spool_dir` of its own", path.display())]
    SpoolTaken { path: PathBuf },
    #[error("what this host is cannot be measured: {0}")]
    Measure(String),
    #[error(transparent)]
    Executor(#[from] loki_executor::Error),
    #[error("a part of the agent has panicked: {0}")]
    Panicked(&'static str),
}
