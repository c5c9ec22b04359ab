//! Requests, each with a bound of its own.

use std::time::Duration;

use loki_runtime::{Secret, task};
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use reqwest::{Method, Url};

use crate::address::{address, bearer, is_loopback};
use crate::answer::{Answer, Failure, innermost};

/// Of an answer: 1,000 domains have less than half of it, and what becomes of 1,000 points that are all refused a tenth.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Connections that are kept between two requests.
const IDLE_MAX: usize = 2;

/// Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    api: Url,
    timeout: Duration,
}

/// Why there can be no client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("{0}")]
    Setting(String),
    #[error("no HTTP client can be made: {0}")]
    Http(String),
}

/// One request.
pub struct Request {
    method: Method,
    url: Url,
    body: Option<Vec<u8>>,
    gzip: bool,
    /// What the API was asked to wait.
    wait: Duration,
}

impl Client {
    /// `who` asks, `loki-agent`; each request has its answer within `timeout`.
    ///
    /// # Errors
    /// The address or the token cannot be used, or this system can make no HTTP client.
    pub fn new(who: &str, api: &str, token: &Secret, timeout: Duration) -> Result<Self, Unusable> {
        let wrong = |field: &str, why: String| Unusable::Setting(format!("`{field}`: {why}"));
        let api = address(api).map_err(|why| wrong("api", why))?;
        let mut headers = HeaderMap::new();
        if let Some(token) = bearer(token).map_err(|why| wrong("token", why))? {
            headers.insert(AUTHORIZATION, token);
        }
        // reqwest takes its cryptography from the process; refused when the process has one already, which is as good
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(format!("{who}/{}", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            // the API never redirects, and a token must not follow one
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(IDLE_MAX);
        if api.scheme() == "http" {
            // it looks at no certificate of the system, of which a small container has none
            builder = builder.tls_certs_only([]);
        }
        if is_loopback(&api) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| Unusable::Http(innermost(&error)))?;
        Ok(Self { http, api, timeout })
    }

    pub fn request(&self, method: Method, segments: &[&str]) -> Request {
        let mut url = self.api.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        Request { method, url, body: None, gzip: false, wait: Duration::ZERO }
    }

    /// # Errors
    /// There was no answer, or a longer one than anybody gives. Every status is an answer.
    pub async fn send(&self, request: Request) -> Result<Answer, Failure> {
        let mut builder = self.http.request(request.method, request.url);
        if let Some(body) = request.body {
            builder = builder.header(CONTENT_TYPE, "application/json").body(body);
        }
        if request.gzip {
            builder = builder.header(CONTENT_ENCODING, "gzip");
        }
        let (limit, api) = (self.timeout + request.wait, self.api.as_str().trim_end_matches('/'));
        let answering = async { Answer::read(builder.send().await?, ANSWER_BYTES_MAX).await };
        match task::timeout(limit, answering).await {
            Some(Ok(Some(answer))) => Ok(answer),
            Some(Ok(None)) => Err(Failure::away(format!("the answer of {api} is longer than {} MiB", ANSWER_BYTES_MAX >> 20))),
            Some(Err(error)) => Err(Failure::away(format!("no answer from {api}: {}", innermost(&error)))),
            None => Err(Failure::away(format!("no answer from {api} within {} s", limit.as_secs_f64()))),
        }
    }
}

impl Request {
    #[must_use]
    pub fn json(mut self, body: Vec<u8>) -> Self {
        self.body = Some(body);
        self
    }

    /// The body is packed.
    #[must_use]
    pub fn gzip(mut self) -> Self {
        self.gzip = true;
        self
    }

    /// One more parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    /// The API waits so long before it answers.
    #[must_use]
    pub fn waiting(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self.with("wait", &format!("{}ms", wait.as_millis()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_stays_and_segments_stay_whole() {
        let client = Client::new("test", "http://a:1/cell/", &Secret::default(), Duration::from_secs(1)).unwrap();
        let request = client.request(Method::GET, &["v1", "servers", "a b"]).with("node", "/a&b").waiting(Duration::from_secs(2));
        assert_eq!(request.url.as_str(), "http://a:1/cell/v1/servers/a%20b?node=%2Fa%26b&wait=2000ms");
        assert_eq!(request.wait, Duration::from_secs(2));
    }

    #[test]
    fn settings_that_cannot_be_used_are_named() {
        let new = |api, token: &str| Client::new("test", api, &Secret::new(token), Duration::from_secs(1)).err().unwrap().to_string();
        assert!(new("ftp://a", "").starts_with("`api`: "));
        assert!(new("http://a", "a\nb").starts_with("`token`: "));
    }
}
