//! Free ports that stay free until, and while, nobody listens there.
//!
//! A port of the range that the system gives to outgoing connections could be taken by one of them between a kill and the restart; a client
//! that retries could even connect to itself. Ports are therefore drawn outside that range, and each once by a process.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};
use rand::Rng;

const LOWEST: u16 = 10_000;
const TRIES: usize = 1_000;

/// An address of this machine on which nobody listens.
///
/// # Panics
/// There is none.
pub fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, draw().expect("a free port")).into()
}

/// `count` ports of 127.0.0.1 on which nobody listens.
pub(crate) fn free(count: usize) -> Result<Vec<u16>> {
    (0..count).map(|_| draw()).collect()
}

fn draw() -> Result<u16> {
    static DRAWN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let (first, last) = candidates();
    for _ in 0..TRIES {
        let port = rand::rng().random_range(first..=last);
        let is_free = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if is_free && DRAWN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return Ok(port);
        }
    }
    bail!("found no free port from {first} to {last} on 127.0.0.1 in {TRIES} tries")
}

/// The larger part of what the range of outgoing connections leaves.
fn candidates() -> (u16, u16) {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut bounds = range.split_whitespace().filter_map(|bound| bound.parse::<u16>().ok());
    match (bounds.next(), bounds.next()) {
        (Some(low), _) if low > LOWEST + 5_000 => (LOWEST, low - 1),
        (_, Some(high)) if high < u16::MAX - 1_000 => (high + 1, u16::MAX),
        _ => (LOWEST, u16::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_can_be_bound() {
        // whoever else draws a port binds it for a moment
        let can_be_bound = |ports: Vec<u16>| {
            assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 8);
            ports.into_iter().all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok())
        };
        assert!((0..5).any(|_| can_be_bound(free(8).expect("ports"))));
    }
}
