//! One transfer by HTTP, which goes on behind what is there.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use reqwest::header::{AUTHORIZATION, CONTENT_RANGE, HeaderValue, RANGE};
use reqwest::{Response, StatusCode};

use super::Broken;
use crate::config::Fetch;

pub(crate) struct Client {
    http: reqwest::Client,
    /// For the host itself: through no proxy, and only what it answers itself.
    local: reqwest::Client,
    /// For Loki's own store.
    token: Option<HeaderValue>,
}

impl Client {
    pub(crate) fn new(config: &Fetch) -> Result<Self, String> {
        // reqwest takes its cryptography from the process; refused when the process has one already, which is as good
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("loki-agent/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.connect)
            .read_timeout(config.stall)
            .build()
            .map_err(|error| innermost(&error))?;
        let local = reqwest::Client::builder()
            .user_agent(concat!("loki-agent/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .tls_certs_only([])
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| innermost(&error))?;
        let mut token = HeaderValue::try_from(format!("Bearer {}", config.token.expose())).map_err(|error| error.to_string())?;
        token.set_sensitive(true);
        Ok(Self { http, local, token: (!config.token.is_empty()).then_some(token) })
    }

    /// Whether this host answers 2xx.
    pub(crate) async fn is_good(&self, port: u16, path: &str) -> Result<(), String> {
        let response = self.local.get(format!("http://127.0.0.1:{port}{path}")).send().await.map_err(|error| innermost(&error))?;
        if response.status().is_success() { Ok(()) } else { Err(format!("it answered {}", response.status())) }
    }

    /// Appends what is missing up to `size` bytes, and never more; what the server sends from the beginning takes the place of what is there.
    pub(super) async fn fetch(&self, url: &str, is_own: bool, size: u64, path: &Path) -> Result<(), Broken> {
        let there = super::length(path).map_err(super::lasting)?;
        let mut request = self.http.get(url);
        if let Some(token) = self.token.as_ref().filter(|_| is_own) {
            request = request.header(AUTHORIZATION, token);
        }
        if there > 0 {
            // of which file it is, is told by the digest of the whole in the end, whatever the server knows of versions
            request = request.header(RANGE, format!("bytes={there}-"));
        }
        let response = request.send().await.map_err(|error| passing(&error))?;
        let goes_on = match response.status() {
            StatusCode::PARTIAL_CONTENT if begins_at(&response, there) => true,
            StatusCode::OK => false,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                crate::durable::remove(path).map_err(super::lasting)?;
                return Err(Broken::Passing("the server gave another part than was asked for".to_owned()));
            }
            status => return Err(of_status(status)),
        };
        let mut missing = if goes_on { size - there } else { size };
        if response.content_length().is_some_and(|length| length > missing) {
            return Err(longer(size));
        }
        let mut file = File::options().create(true).append(true).open(path).map_err(super::lasting)?;
        if !goes_on {
            file.set_len(0).map_err(super::lasting)?;
        }
        receive(response, &mut file, &mut missing, size).await
    }
}

async fn receive(mut response: Response, file: &mut File, missing: &mut u64, size: u64) -> Result<(), Broken> {
    while let Some(bytes) = response.chunk().await.map_err(|error| passing(&error))? {
        *missing = missing.checked_sub(bytes.len() as u64).ok_or_else(|| longer(size))?;
        file.write_all(&bytes).map_err(super::lasting)?;
    }
    match *missing {
        0 => Ok(()),
        missing => Err(Broken::Passing(format!("the transfer ended {missing} bytes before the end"))),
    }
}

fn begins_at(response: &Response, place: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()) == Some(place)
}

fn of_status(status: StatusCode) -> Broken {
    let why = format!("the server answered {status}");
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Broken::Passing(why),
        _ if status.is_server_error() => Broken::Passing(why),
        _ => Broken::Lasting(why),
    }
}

fn longer(size: u64) -> Broken {
    Broken::Lasting(format!("the archive is longer than the {size} bytes that the package has"))
}

fn passing(error: &reqwest::Error) -> Broken {
    Broken::Passing(if error.is_timeout() { "nothing came for too long".to_owned() } else { innermost(error) })
}

/// The cause at the bottom; the ones above only say that something failed.
fn innermost(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
