//! A server that answers as a case says, and remembers what it was asked.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// One answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    pieces: Vec<Bytes>,
    /// The connection breaks after the pieces.
    breaks: bool,
    delay: Duration,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: vec![], pieces: vec![Bytes::from(body.into())], breaks: false, delay: Duration::ZERO }
    }

    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self::new(200, body)
    }

    pub(crate) fn problem(status: u16, code: &str, detail: &str) -> Self {
        let body =
            serde_json::json!({"type": format!("urn:loki:problem:{code}"), "title": "x", "status": status, "code": code, "detail": detail});
        Self::new(status, body.to_string()).header("content-type", "application/problem+json")
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The same with other words in its body.
    pub(crate) fn replaced(mut self, old: &str, new: &str) -> Self {
        let body = String::from_utf8(self.pieces.concat()).unwrap();
        assert!(body.contains(old), "{body}");
        self.pieces = vec![Bytes::from(body.replace(old, new))];
        self
    }

    pub(crate) fn pieces(mut self, pieces: &[&str]) -> Self {
        self.pieces = pieces.iter().map(|piece| Bytes::copy_from_slice(piece.as_bytes())).collect();
        self
    }

    pub(crate) fn breaking(mut self) -> Self {
        self.breaks = true;
        self
    }

    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    fn response(self) -> Response {
        let mut response = if self.pieces.len() == 1 && !self.breaks {
            Body::from(self.pieces[0].clone()).into_response()
        } else {
            let pieces = self.pieces.into_iter().map(Ok::<_, std::io::Error>);
            let end = self.breaks.then(|| Err(std::io::Error::other("cut")));
            // the server writes what it has when the next piece is not there yet
            let slowly = futures::stream::iter(pieces.chain(end)).then(|piece| async {
                tokio::task::yield_now().await;
                piece
            });
            Body::from_stream(slowly).into_response()
        };
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap();
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    }
}

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// `GET /v1/status`, with the query.
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// How long after the server's start.
    pub(crate) came: Duration,
}

impl Seen {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

struct Script {
    started: Stopwatch,
    answers: HashMap<String, VecDeque<Answer>>,
    seen: Vec<Seen>,
}

pub(crate) struct Scripted {
    pub(crate) api: String,
    script: Arc<Mutex<Script>>,
    serving: JoinHandle<()>,
}

impl Scripted {
    /// Each route, `GET /v1/status`, answers in turn; the last answer is given for ever.
    pub(crate) async fn new<const N: usize>(routes: [(&str, Vec<Answer>); N]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = format!("http://{}", listener.local_addr().unwrap());
        let answers = routes.into_iter().map(|(route, answers)| (route.to_owned(), answers.into())).collect();
        let script = Arc::new(Mutex::new(Script { started: Stopwatch::start(), answers, seen: vec![] }));
        let router = Router::new().fallback(answer).with_state(script.clone());
        let serving = task::spawn("scripted", async move { axum::serve(listener, router).await.unwrap() });
        Self { api, script, serving }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.script.lock().unwrap().seen.clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(script): State<Arc<Mutex<Script>>>, request: Request) -> Result<Response, Infallible> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 10 << 20).await.unwrap();
    let route = format!("{} {}", head.method, head.uri.path());
    let line = format!("{} {}", head.method, head.uri);
    let found = {
        let mut script = script.lock().unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        let came = script.started.elapsed();
        script.seen.push(Seen { line, headers: head.headers, body, came });
        match script.answers.get_mut(&route) {
            Some(answers) if answers.len() > 1 => answers.pop_front(),
            Some(answers) => answers.front().cloned(),
            None => None,
        }
    };
    let found = found.unwrap_or_else(|| Answer::problem(404, "no_such_route", &format!("no route `{route}`: see /openapi.json")));
    task::sleep(found.delay).await;
    Ok(found.response())
}
