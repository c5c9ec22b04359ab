//! Connections: taken in up to a bound, closed when they ask nothing, given up when they read nothing, finished at shutdown.
//!
//! `axum::serve` has none of these bounds: a client that connects and sends nothing would keep its connection for ever.
//!
//! **When there is no place**, the connection that has been idle for longest gives its own to the new one. While none is idle the new one is
//! served from a small reserve, which never fills for long: health is answered there as ever, everything else with 503. So the listener always
//! goes on, and whoever watches over this process does not restart it because others keep it busy.

mod idle;
mod patience;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::Request;
use axum::response::Response;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use loki_runtime::{Shutdown, task};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use self::idle::{Connection, Connections};
use self::patience::Patience;
use crate::config::Config;

/// How long a request's head may take to arrive, and how long a connection may be idle between two requests.
const HEAD_WAIT: Duration = Duration::from_secs(30);
/// How long a client may take none of its answer.
const WRITE_WAIT: Duration = Duration::from_secs(30);
/// Connections beyond the bound that are being answered that there is no place.
const RESERVE: usize = 64;
/// How long one of them may wait for a place: the idle connection that was asked to leave does so at once. Well below a probe's second.
const PLACE_WAIT: Duration = Duration::from_millis(250);
/// How long it may take altogether.
const RESERVE_WAIT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How many connections there are at once, idle ones included.
    connections: usize,
    head_wait: Duration,
    write_wait: Duration,
}

impl Bounds {
    pub(crate) fn of(config: &Config) -> Self {
        Self { connections: config.connections_max, head_wait: HEAD_WAIT, write_wait: WRITE_WAIT }
    }
}

/// What a connection is answered by.
#[derive(Clone)]
pub(crate) struct Routers {
    pub(crate) all: Router,
    /// For a connection without a place: health, and that there is none.
    pub(crate) crowded: Router,
}

/// What all connections share.
struct Serving {
    routers: Routers,
    bounds: Bounds,
    connections: Connections,
    shutdown: Shutdown,
}

/// Serves until shutdown, then until the last request in hand is answered.
pub(crate) async fn serve(mut listener: TcpListener, routers: Routers, bounds: Bounds, shutdown: &Shutdown) {
    let serving = Arc::new(Serving { routers, bounds, connections: Connections::default(), shutdown: shutdown.clone() });
    let places = Arc::new(Semaphore::new(bounds.connections));
    let reserve = Arc::new(Semaphore::new(RESERVE));
    // every connection holds a sender
    let (open, mut all_closed) = mpsc::channel::<()>(1);
    let accept = async {
        // the semaphores are never closed
        while let Ok(spare) = reserve.clone().acquire_owned().await {
            let (stream, _) = Listener::accept(&mut listener).await;
            // answers are written whole: nothing is gained by holding a small one back
            let _best_effort = stream.set_nodelay(true);
            let place = places.clone().try_acquire_owned().ok();
            let hopes = place.is_none() && serving.connections.dismiss_one();
            let (serving, places, open) = (serving.clone(), places.clone(), open.clone());
            task::spawn("connection", async move {
                let place = match place {
                    Some(place) => Some(place),
                    None if hopes => task::timeout(PLACE_WAIT, places.acquire_owned()).await.and_then(Result::ok),
                    None => None,
                };
                match place {
                    Some(place) => {
                        drop(spare);
                        serving.serve(stream, place).await;
                    }
                    None => serving.refuse(stream, spare).await,
                }
                drop(open);
            });
        }
    };
    shutdown.unless(accept).await;
    drop((listener, open));
    let _none = all_closed.recv().await;
}

impl Serving {
    async fn serve(&self, stream: TcpStream, _place: OwnedSemaphorePermit) {
        let held = self.connections.hold();
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.bounds.head_wait);
        let service = service_fn(|request| answer(&self.routers.all, &held.connection, request));
        let stream = TokioIo::new(Patience::new(stream, self.bounds.write_wait));
        let mut connection = pin!(http.serve_connection(stream, service));
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = self.is_to_leave(&held.connection) => {
                // what is in hand is finished; an idle connection ends at once
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        told(ended);
    }

    /// One answer, and the end.
    async fn refuse(&self, stream: TcpStream, _spare: OwnedSemaphorePermit) {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(RESERVE_WAIT).keep_alive(false);
        let service = TowerToHyperService::new(self.routers.crowded.clone());
        if let Some(ended) = task::timeout(RESERVE_WAIT, http.serve_connection(TokioIo::new(stream), service)).await {
            told(ended);
        }
    }

    async fn is_to_leave(&self, connection: &Connection) {
        tokio::select! {
            () = self.shutdown.begun() => {}
            () = connection.dismissed() => {}
        }
    }
}

/// Answers a request; the connection is at work meanwhile, and as long as it sends a stream, whose length is not known.
async fn answer(router: &Router, connection: &Connection, request: Request<Incoming>) -> Result<Response, Infallible> {
    connection.works();
    let response = hyper::service::Service::call(&TowerToHyperService::new(router.clone()), request).await;
    if response.as_ref().is_ok_and(|response| response.body().size_hint().exact().is_some()) {
        connection.rests();
    }
    response
}

fn told(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use bytes::Bytes;
    use loki_runtime::clock::Stopwatch;
    use loki_runtime::task::timeout;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);
    /// More than the kernel takes for a client that does not read.
    const LARGE: usize = 16 << 20;

    fn bounds(connections: usize) -> Bounds {
        Bounds { connections, head_wait: LONG * 10, write_wait: LONG * 10 }
    }

    async fn serving(bounds: Bounds, shutdown: &Shutdown) -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/", get(|| async { "hello" }))
            .route("/large", get(|| async { vec![b'x'; LARGE] }))
            .route("/forever", get(|| async { Body::from_stream(futures::stream::pending::<Result<Bytes, Infallible>>()) }));
        let shutdown = shutdown.clone();
        let crowded =
            Router::new().route("/livez", get(|| async { "ok" })).fallback(|| async { axum::http::StatusCode::SERVICE_UNAVAILABLE });
        let routers = Routers { all: router, crowded };
        (address, task::spawn("serve", async move { serve(listener, routers, bounds, &shutdown).await }))
    }

    async fn rest(stream: &mut TcpStream) -> String {
        let mut text = String::new();
        timeout(LONG, stream.read_to_string(&mut text)).await.expect("the connection is closed").unwrap();
        text
    }

    async fn ask(address: std::net::SocketAddr) -> String {
        ask_for(address, "/").await
    }

    async fn ask_for(address: std::net::SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: loki\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
        rest(&mut stream).await
    }

    /// A connection on which an answer to this was begun, and which the client keeps.
    async fn kept(address: std::net::SocketAddr, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: loki\r\n\r\n").as_bytes()).await.unwrap();
        let mut first = [0; 12];
        timeout(LONG, stream.read_exact(&mut first)).await.expect("an answer").unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        stream
    }

    #[tokio::test]
    async fn who_sends_nothing_gives_the_place_back() {
        let shutdown = Shutdown::new();
        let (address, serving) = serving(Bounds { head_wait: Duration::from_millis(200), ..bounds(2) }, &shutdown).await;
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
        let (address, serving) = serving(bounds(2), &shutdown).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        assert!(ask(address).await.ends_with("hello"));
        shutdown.begin();
        timeout(LONG, serving).await.expect("in time").unwrap();
        assert_eq!(rest(&mut silent).await, "");
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn idle_connections_give_their_place_to_new_ones() {
        let shutdown = Shutdown::new();
        let (address, _serving) = serving(bounds(2), &shutdown).await;
        let mut oldest = kept(address, "/").await;
        let _second = kept(address, "/").await;
        for _ in 0..10 {
            assert!(ask(address).await.ends_with("hello"));
        }
        rest(&mut oldest).await;
        shutdown.begin();
    }

    #[tokio::test]
    async fn when_all_are_at_work_health_is_answered_and_the_rest_told_to_come_back() {
        let shutdown = Shutdown::new();
        let (address, _serving) = serving(bounds(2), &shutdown).await;
        let _streams = (kept(address, "/forever").await, kept(address, "/forever").await);
        for _ in 0..RESERVE + 1 {
            let refused = ask(address).await;
            assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("connection: close"), "{refused}");
        }
        assert!(ask_for(address, "/livez").await.ends_with("ok"));
        shutdown.begin();
    }

    #[tokio::test]
    async fn who_does_not_read_gives_the_place_back() {
        let shutdown = Shutdown::new();
        let (address, _serving) = serving(Bounds { write_wait: Duration::from_millis(200), ..bounds(1) }, &shutdown).await;
        let mut deaf = kept(address, "/large").await;
        let started = Stopwatch::start();
        while !ask(address).await.ends_with("hello") {
            assert!(started.elapsed() < LONG, "it never got a place");
        }
        let mut text = Vec::new();
        // cut off, by an error or the end
        let _ = timeout(LONG, deaf.read_to_end(&mut text)).await.expect("the connection is closed");
        assert!(text.len() < LARGE, "{}", text.len());
        shutdown.begin();
    }
}
