//! The first of some addresses that takes a connection.

use std::net::SocketAddr;
use std::time::Duration;

use loki_runtime::clock::Stopwatch;
use loki_runtime::task;
use tokio::net::TcpStream;

/// One after the other, each for an equal share of the time that is left: one that does not answer leaves time for the next.
pub(super) async fn connect(addresses: &[SocketAddr], limit: Duration) -> Result<TcpStream, String> {
    let watch = Stopwatch::start();
    let mut reasons = Vec::new();
    for (index, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = limit.saturating_sub(watch.elapsed()) / left;
        match task::timeout(share, TcpStream::connect(address)).await {
            Some(Ok(stream)) => {
                // the request is one small write, which waits for nothing
                stream.set_nodelay(true).map_err(|error| error.to_string())?;
                return Ok(stream);
            }
            Some(Err(error)) => reasons.push(format!("{address}: {error}")),
            None => reasons.push(format!("{address}: not within {} ms", share.as_millis())),
        }
    }
    Err(reasons.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_next_address_is_tried() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listening = listener.local_addr().unwrap();
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let limit = Duration::from_secs(10);
        let stream = connect(&[closed, listening], limit).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), listening);
        let why = connect(&[closed, closed], limit).await.unwrap_err();
        assert_eq!(why.matches(&closed.to_string()).count(), 2, "{why}");
    }
}
