//! What goes wrong on the way into the log.

use std::net::SocketAddr;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log did not take the points; some may be in it all the same. Sent again they have no second effect.
    #[error(transparent)]
    Log(#[from] loki_log::Error),
    #[error("cannot listen on `telnet.listen` {address}: {source}")]
    Bind { address: SocketAddr, source: std::io::Error },
}
