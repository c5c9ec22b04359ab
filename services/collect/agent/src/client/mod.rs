//! The way to the API: HTTP with bounded waits and sizes, one try at a time. When to try again is each part's own matter.

mod answer;
mod commands;
mod put;

use std::time::Duration;

use loki_runtime::{Secret, task};
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};

pub(crate) use answer::Failure;
use answer::{Answer, innermost};
pub(crate) use commands::{Outcome, Registered};
pub(crate) use put::Taken;

use crate::config::Config;
use crate::error::Error;

/// Of an answer: that to 1,000 refused points has a third of it.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    api: Url,
    timeout: Duration,
}

/// One request.
struct Request {
    method: Method,
    url: Url,
    body: Option<Vec<u8>>,
    gzip: bool,
    /// What the API was asked to wait.
    wait: Duration,
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
            .user_agent(concat!("loki-agent/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            // the API never redirects, and a token must not follow one
            .redirect(reqwest::redirect::Policy::none())
            // between two rounds a connection is not worth more than this
            .pool_max_idle_per_host(1);
        if api.scheme() == "http" {
            // it looks at no certificate of the system, of which a small container has none
            builder = builder.tls_certs_only([]);
        }
        if is_loopback(&api) {
            // a proxy cannot know this machine's loopback
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| Error::Http(innermost(&error)))?;
        Ok(Self { http, api, timeout: config.timeout })
    }

    fn request(&self, method: Method, segments: &[&str]) -> Request {
        let mut url = self.api.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        Request { method, url, body: None, gzip: false, wait: Duration::ZERO }
    }

    /// Every status is an answer; an error is that there was none.
    async fn send(&self, request: Request) -> Result<Answer, Failure> {
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
            Some(Ok(answer)) => Ok(answer),
            Some(Err(error)) => Err(Failure::away(format!("no answer from {api}: {}", innermost(&error)))),
            None => Err(Failure::away(format!("no answer from {api} within {} s", limit.as_secs_f64()))),
        }
    }
}

impl Request {
    fn json(mut self, body: Vec<u8>) -> Self {
        self.body = Some(body);
        self
    }

    fn with(mut self, query: &str) -> Self {
        self.url.set_query(Some(query));
        self
    }

    /// The API waits so long before it answers.
    fn waiting(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self.with(&format!("wait={}ms", wait.as_millis()))
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
        for (text, expected) in
            [("http://127.0.0.1:1", true), ("http://[::1]:1", true), ("http://localhost", true), ("http://10.0.0.1", false)]
        {
            assert_eq!(is_loopback(&address(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn a_prefix_stays_and_segments_stay_whole() {
        let client = Client::new(&Config::new("http://a:1/cell/", "spool")).unwrap();
        assert_eq!(client.request(Method::GET, &["v1", "servers", "a b"]).url.as_str(), "http://a:1/cell/v1/servers/a%20b");
    }
}
