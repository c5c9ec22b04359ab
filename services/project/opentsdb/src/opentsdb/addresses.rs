//! Several daemons of one OpenTSDB: requests are spread over them, and go elsewhere when one does not answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use loki_runtime::Backoff;
use loki_runtime::clock::Stopwatch;
use reqwest::{RequestBuilder, Response, StatusCode, Url};

use crate::error::StoreError;
use crate::metrics;

/// How long a daemon that did not answer is left alone, while others do.
const REST: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

#[derive(Debug)]
pub(super) struct Addresses {
    all: Vec<Address>,
    /// Where the next request begins.
    next: AtomicUsize,
}

#[derive(Debug)]
struct Address {
    /// Ends in a slash.
    base: Url,
    rest: Mutex<Rest>,
}

#[derive(Debug)]
struct Rest {
    backoff: Backoff,
    until: Option<(Stopwatch, Duration)>,
}

impl Addresses {
    pub(super) fn new(addresses: &[String]) -> Result<Self, StoreError> {
        let all: Result<Vec<_>, _> = addresses.iter().map(|address| Address::new(address)).collect();
        Ok(Self { all: all?, next: AtomicUsize::new(0) })
    }

    /// Sends a request, which may have its effect on more than one daemon. An answer is one of OpenTSDB itself, whatever its status; those that say
    /// that there is nobody behind a proxy are not.
    pub(super) async fn send(&self, request: impl Fn(&Url) -> RequestBuilder) -> Result<Response, StoreError> {
        let mut why = "no address".to_owned();
        for (index, address) in self.order().into_iter().enumerate() {
            if index > 0 {
                metrics::failover();
            }
            match request(&address.base).send().await {
                Ok(response) if is_of_a_proxy(response.status()) => why = format!("{}: {}", address.base, response.status()),
                Ok(response) => {
                    address.works();
                    return Ok(response);
                }
                Err(error) => {
                    why = told(&error);
                    // it has used up the time of the caller, and what it was sent may still be done
                    if error.is_timeout() && !error.is_connect() {
                        address.fails();
                        return Err(StoreError::Away(why));
                    }
                }
            }
            address.fails();
        }
        Err(StoreError::Away(why))
    }

    /// All of them, those that rest last.
    fn order(&self) -> Vec<&Address> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let number = self.all.len().max(1);
        let turned = (0..self.all.len()).map(|index| &self.all[(first + index) % number]);
        let (at_work, resting): (Vec<_>, Vec<_>) = turned.partition(|address| !address.rests());
        at_work.into_iter().chain(resting).collect()
    }
}

impl Address {
    fn new(address: &str) -> Result<Self, StoreError> {
        let slash = if address.ends_with('/') { "" } else { "/" };
        let base = Url::parse(&format!("{address}{slash}"))
            .map_err(|error| StoreError::Unusable(format!("`{}` is no address: {error}", address.escape_default())))?;
        Ok(Self { base, rest: Mutex::new(Rest { backoff: Backoff::new(REST.0, REST.1), until: None }) })
    }

    fn rests(&self) -> bool {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner).until.is_some_and(|(since, wait)| since.elapsed() < wait)
    }

    fn works(&self) {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        if rest.until.take().is_some() {
            rest.backoff.reset();
        }
    }

    fn fails(&self) {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = rest.backoff.step();
        rest.until = Some((Stopwatch::start(), wait));
    }
}

fn is_of_a_proxy(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

/// With its sources: reqwest's own words name no reason.
pub(super) fn told(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_spread_and_a_resting_daemon_is_the_last_to_be_asked() {
        let addresses = Addresses::new(&["http://a:1", "http://b:1/base", "http://c:1/"].map(str::to_owned)).unwrap();
        let hosts = || -> Vec<String> { addresses.order().iter().map(|address| address.base.host_str().unwrap().to_owned()).collect() };
        assert_eq!([hosts(), hosts(), hosts(), hosts()], [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]);
        addresses.all[1].fails();
        assert_eq!([hosts(), hosts()], [["c", "a", "b"], ["c", "a", "b"]]);
        addresses.all[1].works();
        assert_eq!(hosts(), ["a", "b", "c"]);
        assert_eq!(addresses.all[1].base.join("api/put").unwrap().as_str(), "http://b:1/base/api/put");
    }
}
