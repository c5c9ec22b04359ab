//! The way to the API: HTTP with bounded waits and sizes, one try at a time. When to try again is each caller's own matter.

use std::time::Duration;

use loki_runtime::{Secret, task};
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{RequestBuilder, Url};
use serde::Deserialize;

use crate::config::Config;
use crate::error::Error;

/// Of an answer: 1,000 domains have less than half of it.
const ANSWER_BYTES_MAX: usize = 4 << 20;
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    api: Url,
    timeout: Duration,
}

/// A whole answer, whatever its status.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    retry_after: Duration,
}

/// The API did not answer as it should. Retry: it is away, or somebody will mend what it complains of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Failure {
    pub why: String,
    /// Not before so long.
    pub retry_after: Duration,
}

/// `application/problem+json`, and OpenTSDB's own errors.
#[derive(Deserialize)]
struct Problem {
    code: Option<String>,
    detail: Option<String>,
    error: Option<OfOpentsdb>,
}

#[derive(Deserialize)]
struct OfOpentsdb {
    message: Option<String>,
}

impl Client {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let api = address(&config.api).map_err(|why| Error::Config(vec![format!("`api`: {why}")]))?;
        let mut headers = HeaderMap::new();
        if let Some(token) = bearer(&config.token).map_err(|why| Error::Config(vec![format!("`token`: {why}")]))? {
            headers.insert(AUTHORIZATION, token);
        }
        // reqwest takes its cryptography from the process; refused when the process has one already, which is as good
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("loki-prober/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            // the API never redirects, and a token must not follow one
            .redirect(reqwest::redirect::Policy::none());
        if api.scheme() == "http" {
            // it looks at no certificate of the system, of which a small container has none
            builder = builder.tls_certs_only([]);
        }
        if is_loopback(&api) {
            // a proxy cannot know this machine's loopback
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| Error::Http(innermost(&error)))?;
        Ok(Self { http, api, timeout: config.api_timeout })
    }

    pub(crate) async fn get(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<Answer, Failure> {
        self.send(self.http.get(self.url(segments)).query(query)).await
    }

    /// `body`: JSON under gzip.
    pub(crate) async fn post(&self, segments: &[&str], query: &[(&str, &str)], body: Vec<u8>) -> Result<Answer, Failure> {
        let request = self.http.post(self.url(segments)).query(query).body(body);
        self.send(request.header(CONTENT_TYPE, "application/json").header(CONTENT_ENCODING, "gzip")).await
    }

    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.api.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let none = |why: String| Failure::now(format!("no answer from {}: {why}", self.api));
        match task::timeout(self.timeout, read(request)).await {
            Some(Ok(Some(answer))) => Ok(answer),
            Some(Ok(None)) => Err(none(format!("it is longer than {} MiB", ANSWER_BYTES_MAX >> 20))),
            Some(Err(error)) => Err(none(innermost(&error))),
            None => Err(none(format!("not within {} ms", self.timeout.as_millis()))),
        }
    }
}

/// `None`: it is too long.
async fn read(request: RequestBuilder) -> reqwest::Result<Option<Answer>> {
    let mut response = request.send().await?;
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let retry_after = header(RETRY_AFTER).and_then(|text| text.parse().ok()).map_or(Duration::ZERO, Duration::from_secs);
    let mut answer = Answer { status: response.status().as_u16(), body: Vec::new(), retry_after: retry_after.min(RETRY_AFTER_MAX) };
    while let Some(piece) = response.chunk().await? {
        if answer.body.len() + piece.len() > ANSWER_BYTES_MAX {
            return Ok(None);
        }
        answer.body.extend_from_slice(&piece);
    }
    Ok(Some(answer))
}

impl Answer {
    /// What a status means that is none of those that the caller knows.
    pub(crate) fn failure(&self) -> Failure {
        Failure { why: self.told(), retry_after: self.retry_after }
    }

    pub(crate) fn told(&self) -> String {
        let status = self.status;
        match serde_json::from_slice::<Problem>(&self.body) {
            Ok(Problem { code: Some(code), detail, .. }) => format!("{status} {code}: {}", printable(&detail.unwrap_or_default())),
            Ok(Problem { error: Some(OfOpentsdb { message: Some(message) }), .. }) => format!("{status}: {}", printable(&message)),
            _ => match String::from_utf8_lossy(&self.body).lines().next().map(printable) {
                Some(line) => format!("{status}, and not as Loki does: {line}"),
                None => format!("{status}"),
            },
        }
    }
}

impl Failure {
    /// Nothing says when it will be better.
    pub fn now(why: impl Into<String>) -> Self {
        Self { why: why.into(), retry_after: Duration::ZERO }
    }
}

/// The API's address: a path is kept as a prefix.
pub(crate) fn address(text: &str) -> Result<Url, String> {
    let wrong = |why: &str| format!("`{}` {why}: write it as `http://127.0.0.1:8470`", text.escape_default());
    let url = Url::parse(text).map_err(|error| wrong(&format!("is no address ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("is not HTTP"));
    }
    if !url.has_host() || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must be a host and a port"));
    }
    Ok(url)
}

/// The header for a token; `None` for an empty one.
pub(crate) fn bearer(token: &Secret) -> Result<Option<HeaderValue>, String> {
    if token.is_empty() {
        return Ok(None);
    }
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
        .map_err(|_| "it has characters that no HTTP header takes: make another one".to_owned())?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

/// One line of what somebody else wrote, bounded, without signs that change a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().take(300).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
impl Answer {
    pub(crate) fn of(status: u16, body: &str) -> Self {
        Self { status, body: body.as_bytes().to_vec(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["http://127.0.0.1:8470", "https://loki.acme.example", "http://[::1]:8470/cell1/"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["", "127.0.0.1:8470", "ftp://a", "http://", "http://a?b=c", "http://user:pass@a"] {
            assert!(address(bad).is_err(), "{bad}");
        }
        let client = Client::new(&Config::new("http://a:1/cell/")).unwrap();
        assert_eq!(client.url(&["v1", "a b"]).as_str(), "http://a:1/cell/v1/a%20b");
    }

    #[test]
    fn a_failure_says_what_the_api_said() {
        for (status, body, told) in [
            (
                503,
                r#"{"type":"urn:loki:problem:not_ready","code":"not_ready","detail":"the log is away"}"#,
                "503 not_ready: the log is away",
            ),
            (400, r#"{"error":{"code":400,"message":"Unable to parse"}}"#, "400: Unable to parse"),
            (502, "<html>\u{1b}[2J", "502, and not as Loki does: <html>\u{fffd}[2J"),
            (404, "", "404"),
        ] {
            assert_eq!(Answer::of(status, body).failure().to_string(), told);
        }
    }
}
