//! A site with a page for each way to answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use futures::{StreamExt, stream};
use loki_runtime::task;

#[derive(Clone)]
pub(crate) struct Site {
    address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
pub(crate) struct Seen {
    /// `/ok` answers 503.
    pub(crate) is_down: AtomicBool,
    /// Requests for `/slow` that are under way, and the most that there were.
    under_way: AtomicUsize,
    pub(crate) under_way_max: AtomicUsize,
    pub(crate) asked: AtomicUsize,
}

impl Site {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let site = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let router = Router::new()
            .route("/ok", get(ok))
            .route("/asked", get(asked))
            .route("/moved", get(|| async { Redirect::temporary("/failing") }))
            .route("/forbidden", get(|| async { (StatusCode::FORBIDDEN, "no") }))
            .route("/failing", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
            .route("/never", get(std::future::pending::<()>))
            .route("/slow/{number}", get(slow))
            .route("/torn", get(torn))
            .route("/stalls", get(stalls))
            .route("/endless", get(endless))
            .with_state(site.seen.clone());
        task::spawn("site", async move { axum::serve(listener, router).await.unwrap() });
        site
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// As it is in the list of domains.
    pub(crate) fn name(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }
}

async fn ok(State(seen): State<Arc<Seen>>) -> Response {
    if seen.is_down.load(Ordering::SeqCst) { StatusCode::SERVICE_UNAVAILABLE.into_response() } else { "welcome".into_response() }
}

/// Says no unless the request is what it should be.
async fn asked(headers: HeaderMap, uri: Uri) -> StatusCode {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let is_right = uri.query() == Some("q=1")
        && text("host").starts_with("127.0.0.1:")
        && text("user-agent").starts_with("loki-prober/")
        && !headers.contains_key("authorization");
    if is_right { StatusCode::NO_CONTENT } else { StatusCode::INTERNAL_SERVER_ERROR }
}

async fn slow(State(seen): State<Arc<Seen>>) -> &'static str {
    seen.asked.fetch_add(1, Ordering::SeqCst);
    let now = seen.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    seen.under_way_max.fetch_max(now, Ordering::SeqCst);
    task::sleep(Duration::from_millis(150)).await;
    seen.under_way.fetch_sub(1, Ordering::SeqCst);
    "at last"
}

async fn torn() -> Body {
    // the head goes out while the rest is waited for
    let torn = stream::once(async {
        tokio::task::yield_now().await;
        Err(std::io::Error::other("torn"))
    });
    Body::from_stream(stream::iter([Ok(Bytes::from_static(b"begun"))]).chain(torn))
}

/// The head, and then nothing.
async fn stalls() -> Body {
    Body::from_stream(stream::pending::<std::io::Result<Bytes>>())
}

async fn endless() -> Body {
    Body::from_stream(stream::repeat_with(|| std::io::Result::Ok(Bytes::from(vec![b'x'; 64 << 10]))))
}
