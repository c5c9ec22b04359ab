//! Asks, and keeps what tests look at.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) address: std::net::SocketAddr,
    http: reqwest::Client,
    token: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Client {
    pub(crate) fn new(address: std::net::SocketAddr) -> Self {
        let http = loki_cli::client::plain().timeout(Duration::from_secs(120)).redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { address, http, token: None }
    }

    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("http://{}{path}", self.address));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn ask(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status, headers, text, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(self.request(Method::GET, path)).await
    }

    pub(crate) async fn get_with(&self, path: &str, name: &str, value: &str) -> Answer {
        self.ask(self.request(Method::GET, path).header(name, value)).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        self.ask(self.request(Method::POST, path).body(body)).await
    }

    /// Sends a command and waits for its outcome.
    pub(crate) async fn command(&self, kind: &str, data: Value) -> Answer {
        self.post("/v1/commands?wait=60s", json!({ "type": kind, "data": data }).to_string()).await
    }

    /// The same, accepted; gives the outcome.
    pub(crate) async fn accept(&self, kind: &str, data: Value) -> Value {
        let answer = self.command(kind, data).await;
        assert_eq!((answer.status, &answer.body["outcome"]), (200, &json!("accepted")), "{}", answer.text);
        answer.body
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// A good answer.
    #[track_caller]
    pub(crate) fn good(&self) -> &Value {
        assert_eq!(self.status, 200, "{}", self.text);
        &self.body
    }

    /// A problem document in full, with this status and code.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> &Value {
        assert_eq!((self.status, self.header("content-type")), (status, "application/problem+json"), "{}", self.text);
        assert_eq!((&self.body["status"], &self.body["code"]), (&json!(status), &json!(code)), "{}", self.text);
        assert_eq!(self.body["type"], format!("urn:loki:problem:{code}"));
        assert!(self.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{}", self.text);
        assert_eq!(self.headers.contains_key("retry-after"), status == 503, "{}", self.text);
        &self.body
    }

    /// A bad parameter, named.
    #[track_caller]
    pub(crate) fn names(&self, field: &str) {
        assert_eq!(self.problem(400, "bad_parameter")["field"], field, "{}", self.text);
    }

    /// `next` as the header `Link` gives it.
    pub(crate) fn link(&self) -> Option<String> {
        let link = self.headers.get("link")?.to_str().unwrap();
        Some(link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned())
    }
}
