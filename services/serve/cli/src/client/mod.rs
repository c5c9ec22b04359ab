//! The way to the API: HTTP with bounded waits, sizes and retries.
//!
//! A command carries its id, so that asking again does no harm: like every read it is repeated when the API is away for a moment. What is not
//! safe to repeat is repeated only when it never reached a server.

pub(crate) mod address;
mod answer;
mod body;
mod commands;
mod error;
mod pages;
mod problem;
mod request;
mod retry;
mod tls;
mod upload;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loki_client::address::is_loopback;
use loki_client::answer::innermost;
use loki_runtime::Secret;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

pub use answer::{Answer, Stream};
pub use commands::{NewCommand, new_id};
pub use error::Error;
pub use pages::Listed;
pub use problem::Problem;
pub use request::Request;
pub use retry::Patience;
pub use tls::plain;

use crate::exit::Failure;

const CONNECT: Duration = Duration::from_secs(5);

pub struct Client {
    http: reqwest::Client,
    api: Url,
    /// Something has answered at this address.
    answered: AtomicBool,
    patience: Patience,
}

impl Client {
    /// `ca_file`: the authorities that are believed instead of the system's.
    ///
    /// # Errors
    /// The token cannot be sent, or there are no certificates to believe.
    pub fn new(api: Url, token: Option<&Secret>, ca_file: Option<&Path>) -> Result<Self, Failure> {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
                .map_err(|_| Failure::usage("the token has characters that no HTTP header takes"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut builder = tls::builder(&api, ca_file)?
            .user_agent(concat!("loki-cli/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(CONNECT)
            // the API never redirects, and a token must not follow one
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&api) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| {
            let (cause, fix) =
                (innermost(&error), if api.scheme() == "https" { ": name the authorities' file by `--ca-file`" } else { "" });
            Failure::usage(format!("no HTTP client can be made: {cause}{fix}"))
        })?;
        Ok(Self { http, api, answered: AtomicBool::new(false), patience: Patience::default() })
    }

    /// How long it goes on asking.
    pub fn patience(&mut self) -> &mut Patience {
        &mut self.patience
    }

    /// Something has answered at this address: what does not answer now is only away.
    pub(crate) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// The address, for people.
    pub fn api(&self) -> &str {
        self.api.as_str().trim_end_matches('/')
    }

    /// A request for what these segments name; each is one segment, whatever characters it has.
    pub(crate) fn request(&self, method: reqwest::Method, segments: &[&str]) -> Request {
        Request::new(method, &self.api, segments)
    }

    pub(crate) fn get(&self, segments: &[&str]) -> Request {
        self.request(reqwest::Method::GET, segments)
    }

    /// Sends a request until there is an answer, as long as patience lasts. Every status but 2xx is an error.
    ///
    /// # Errors
    /// The API refuses, or cannot be asked.
    pub async fn send(&self, request: &Request) -> Result<Answer, Error> {
        retry::patiently(self, request, || self.send_once(request)).await
    }

    /// The same for an answer that comes in pieces; only its beginning is waited for and repeated.
    ///
    /// # Errors
    /// The API refuses, or cannot be asked.
    pub async fn open(&self, request: &Request) -> Result<Stream, Error> {
        retry::patiently(self, request, || self.open_once(request)).await
    }

    async fn send_once(&self, request: &Request) -> Result<Answer, Error> {
        let reading = async {
            let response = self.open_once(request).await?;
            response.read().await
        };
        self.in_time(request, reading).await
    }

    /// Returns with the head of the answer.
    async fn open_once(&self, request: &Request) -> Result<Stream, Error> {
        let built = request.build(&self.http)?;
        let sending = async { built.send().await.map_err(|error| Error::of(self.api(), &error)) };
        let response = self.in_time(request, sending).await?;
        self.answered.store(true, Ordering::Relaxed);
        Stream::new(self.api(), request.path(), response).checked().await
    }

    async fn in_time<T>(&self, request: &Request, answering: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let limit = request.wait + self.patience.answer;
        loki_runtime::task::timeout(limit, answering).await.unwrap_or_else(|| Err(Error::TimedOut { api: self.api().to_owned() }))
    }
}
