//! Connections: taken in up to a bound, closed when they ask nothing, finished at shutdown.
//!
//! `axum::serve` has neither bound: a client that connects and sends nothing would keep its connection for ever.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use loki_runtime::{Shutdown, task};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::limit;

/// How long a request's head may take to arrive, and how long a connection may be idle between two requests.
const HEAD_WAIT: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How many connections there are at once; more wait in the kernel's queue until one ends.
    connections: usize,
    head_wait: Duration,
}

impl Bounds {
    /// All requests in hand, all streams, and as many connections that are idle.
    pub(crate) fn of(config: &Config) -> Self {
        Self { connections: 2 * (config.concurrency_max + limit::STREAMS_MAX), head_wait: HEAD_WAIT }
    }
}

/// Serves until shutdown, then until the last request in hand is answered.
pub(crate) async fn serve(mut listener: TcpListener, router: Router, bounds: Bounds, shutdown: &Shutdown) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(bounds.head_wait);
    let service = TowerToHyperService::new(router);
    let places = Arc::new(Semaphore::new(bounds.connections));
    let graceful = GracefulShutdown::new();
    let accept = async {
        // the semaphore is never closed
        while let Ok(place) = places.clone().acquire_owned().await {
            let (stream, _) = Listener::accept(&mut listener).await;
            let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service.clone()));
            task::spawn("connection", async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection ended");
                }
                drop(place);
            });
        }
    };
    shutdown.unless(accept).await;
    drop(listener);
    graceful.shutdown().await;
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use loki_runtime::task::timeout;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    async fn serving(bounds: Bounds, shutdown: &Shutdown) -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(|| async { "hello" }));
        let shutdown = shutdown.clone();
        (address, task::spawn("serve", async move { serve(listener, router, bounds, &shutdown).await }))
    }

    async fn rest(stream: &mut TcpStream) -> String {
        let mut text = String::new();
        timeout(LONG, stream.read_to_string(&mut text)).await.expect("the connection is closed").unwrap();
        text
    }

    async fn ask(address: std::net::SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: loki\r\nconnection: close\r\n\r\n").await.unwrap();
        rest(&mut stream).await
    }

    #[tokio::test]
    async fn who_sends_nothing_gives_the_place_back() {
        let shutdown = Shutdown::new();
        let (address, serving) = serving(Bounds { connections: 2, head_wait: Duration::from_millis(200) }, &shutdown).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nhost: lo").await.unwrap();
        // both places are taken; a third is served as soon as one is given back
        assert!(ask(address).await.ends_with("hello"));
        assert_eq!(rest(&mut silent).await, "");
        assert!(!rest(&mut slow).await.contains("hello"));
        // one that was idle after its answer
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nhost: loki\r\n\r\n").await.unwrap();
        assert!(rest(&mut idle).await.ends_with("hello"));
        shutdown.begin();
        timeout(LONG, serving).await.expect("in time").unwrap();
    }

    #[tokio::test]
    async fn at_shutdown_idle_connections_are_closed_at_once() {
        let shutdown = Shutdown::new();
        let (address, serving) = serving(Bounds { connections: 2, head_wait: LONG * 10 }, &shutdown).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        assert!(ask(address).await.ends_with("hello"));
        shutdown.begin();
        timeout(LONG, serving).await.expect("in time").unwrap();
        assert_eq!(rest(&mut silent).await, "");
        assert!(TcpStream::connect(address).await.is_err());
    }
}
