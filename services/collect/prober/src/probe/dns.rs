//! A name becomes addresses, as the system resolves it.

use std::net::{IpAddr, SocketAddr};

/// As many are tried as one phase has time for.
const ADDRESSES_MAX: usize = 4;

/// The address that a host is already; `None` for a name.
pub(super) fn literal(host: &str, port: u16) -> Option<SocketAddr> {
    host.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, port))
}

/// At least one, in the system's order (RFC 6724).
pub(super) async fn lookup(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let found = tokio::net::lookup_host((host, port)).await.map_err(|error| error.to_string())?;
    let addresses: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
    if addresses.is_empty() { Err(format!("`{host}` has no address")) } else { Ok(addresses) }
}
