//! Where the shared set listens.

use std::collections::HashMap;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::LazyLock;
use std::time::Duration;

use super::all;
use super::folder::stack_dir;

/// The addresses of the shared backends. Nothing here belongs to one test: keep to names of your own.
#[derive(Debug, Clone)]
pub struct Shared {
    /// `bootstrap.servers`.
    pub kafka: String,
    /// `mysql://root@127.0.0.1:port`, without a database.
    pub mysql: String,
    /// The connect string.
    pub zookeeper: String,
    /// `redis://127.0.0.1:port`, databases 0 to 511.
    pub redis: String,
    /// `http://127.0.0.1:port`. One daemon with one store for all: keep to metrics of your own.
    pub opentsdb: String,
}

impl Shared {
    /// The address of one database.
    pub fn mysql_url(&self, database: &str) -> String {
        format!("{}/{database}", self.mysql.trim_end_matches('/'))
    }
}

/// The shared backends, from the variables `LOKI_TEST_…`, else from `target/stack/env`.
///
/// # Panics
///
/// When they are not running.
pub fn shared() -> &'static Shared {
    static SHARED: LazyLock<Result<Shared, String>> = LazyLock::new(find);
    match &*SHARED {
        Ok(shared) => shared,
        Err(reason) => panic!("real backends are not running: run `make stack-up` ({reason})"),
    }
}

fn find() -> Result<Shared, String> {
    let file = parse(&std::fs::read_to_string(stack_dir().join("env")).unwrap_or_default());
    let address = |name: &str| {
        let value = std::env::var(name).ok().filter(|value| !value.is_empty()).or_else(|| file.get(name).cloned());
        let address = value.ok_or_else(|| format!("`{name}` is not set and not in `target/stack/env`"))?;
        answers(&address).map(|()| address)
    };
    Ok(Shared {
        kafka: address("LOKI_TEST_KAFKA")?,
        mysql: address("LOKI_TEST_MYSQL")?,
        zookeeper: address("LOKI_TEST_ZOOKEEPER")?,
        redis: address("LOKI_TEST_REDIS")?,
        opentsdb: address("LOKI_TEST_OPENTSDB")?,
    })
}

/// Lines `NAME=value`.
fn parse(file: &str) -> HashMap<String, String> {
    file.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Somebody listens there: an address that a dead set left behind is found out at once.
fn answers(address: &str) -> Result<(), String> {
    let host = address.rsplit_once("//").map_or(address, |(_, rest)| rest);
    let host = host.rsplit_once('@').map_or(host, |(_, rest)| rest);
    let host = host.split(['/', ',']).next().unwrap_or(host);
    let mut candidates = host.to_socket_addrs().map_err(|error| format!("`{host}` is no address: {error}"))?;
    match candidates.any(|candidate| TcpStream::connect_timeout(&candidate, Duration::from_secs(5)).is_ok()) {
        true => Ok(()),
        false => Err(format!("nobody listens at {host}")),
    }
}

/// The file that [`parse`] reads.
pub(super) fn env_file(addresses: &[(&'static str, String)]) -> String {
    debug_assert_eq!(addresses.len(), all().count());
    addresses.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let written: Vec<_> = all().map(|backend| (backend.variable(), format!("value of {}", backend.name()))).collect();
        let read = parse(&env_file(&written));
        assert_eq!(read.len(), all().count());
        assert!(written.iter().all(|(name, value)| read.get(*name) == Some(value)));
    }

    #[test]
    fn an_address_is_found_in_every_form() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        for form in
            [address.clone(), format!("mysql://root@{address}"), format!("mysql://root:p@{address}/db"), format!("{address},127.0.0.1:1")]
        {
            assert_eq!(answers(&form), Ok(()), "{form}");
        }
        // a port that is taken and at which nobody listens: one that was let go of is somebody else's at once
        let silent = tokio::net::TcpSocket::new_v4().expect("a socket");
        silent.bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let address = silent.local_addr().expect("an address").to_string();
        assert_eq!(answers(&address), Err(format!("nobody listens at {address}")));
    }
}
