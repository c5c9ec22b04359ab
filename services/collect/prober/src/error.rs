//! Why the prober cannot run. Whatever may pass (the API is away, a domain is) is no such error: it is told by readiness, or is a point.

use std::path::PathBuf;

/// All of them are fatal: somebody must mend something before it is started again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the prober's settings: {}", .0.join("; "))]
    Config(Vec<String>),
    #[error("the host name is not known: name this vantage by `vantage`")]
    NoHostName,
    #[error("the authorities in `ca_file` `{}` cannot be used: {why}", path.display())]
    CaFile { path: PathBuf, why: String },
    #[error(transparent)]
    Client(#[from] loki_client::Unusable),
    #[error("no TLS client can be made: {0}")]
    Tls(#[from] rustls::Error),
    #[error("a part of the prober has panicked: {0}")]
    Panicked(&'static str),
}
