//! Why the API cannot run.

use std::net::SocketAddr;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen on {address} (`api.listen`): {source}")]
    Bind { address: SocketAddr, source: std::io::Error },
}
