//! The embedded store, behind the same ports: it blocks, and is therefore asked off the asynchronous threads.

use std::sync::Arc;

use async_trait::async_trait;
use loki_domain::{Instant, Sample, Series};
use loki_runtime::{Clock, task};
use loki_series::Store;

use crate::error::StoreError;
use crate::port::{Answer, Found, Newest, Refused, Request, SeriesReader, SeriesStore, Why};
use crate::read;

/// A store that is open in this process. Cheap to clone.
#[derive(Clone)]
pub struct Embedded {
    store: Arc<Store>,
    clock: Clock,
}

impl Embedded {
    /// `clock` is what `1h-ago` is measured by.
    pub fn new(store: Arc<Store>, clock: Clock) -> Self {
        Self { store, clock }
    }

    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Store) -> Result<T, loki_series::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.store.clone();
        match task::spawn_blocking("series", move || ask(&store)).await {
            Ok(answer) => Ok(answer?),
            Err(error) => Err(StoreError::Unusable(format!("its task failed: {error}"))),
        }
    }
}

impl From<loki_series::Error> for StoreError {
    fn from(error: loki_series::Error) -> Self {
        Self::Unusable(error.to_string())
    }
}

#[async_trait]
impl SeriesStore for Embedded {
    async fn put(&self, samples: &[Sample]) -> Result<Vec<Refused>, StoreError> {
        let samples = samples.to_vec();
        self.ask(move |store| put(store, &samples)).await
    }

    async fn find(&self, points: &[(Series, Instant)]) -> Result<Vec<Found>, StoreError> {
        let points = points.to_vec();
        let found = self.ask(move |store| store.find(&points)).await?;
        Ok(found.into_iter().map(|value| value.map_or(Found::Nothing, Found::Value)).collect())
    }

    async fn newest(&self, series: &[Series]) -> Result<Vec<Newest>, StoreError> {
        let series = series.to_vec();
        let newest = self.ask(move |store| store.newest(&series)).await?;
        Ok(newest.into_iter().map(|at| at.map_or(Newest::Never, Newest::At)).collect())
    }
}

/// All of them at once, or, when the series of some are too many, those of the others.
fn put(store: &Store, samples: &[Sample]) -> Result<Vec<Refused>, loki_series::Error> {
    let mut refused = Vec::new();
    let mut rest = vec![(0, samples.len())];
    while let Some((from, to)) = rest.pop() {
        match store.put(&samples[from..to]) {
            Ok(()) => {}
            Err(error @ loki_series::Error::TooManySeries { .. }) if to - from == 1 => {
                refused.push(Refused { index: from, why: Why::Invalid(error.to_string()) });
            }
            Err(loki_series::Error::TooManySeries { .. }) => {
                let middle = from + (to - from) / 2;
                rest.extend([(middle, to), (from, middle)]);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(refused)
}

#[async_trait]
impl SeriesReader for Embedded {
    async fn answer(&self, request: Request) -> Result<Answer, StoreError> {
        read::check(&request)?;
        if request.content_encoding.as_deref().is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
            return Err(StoreError::Refused("a question is sent as it is, without `Content-Encoding`".to_owned()));
        }
        let Request { method, path, query, body, .. } = request;
        let request = loki_series::Request { method, path, query, body, now_ms: self.clock.now_ms() };
        let answer = self.ask(move |store| Ok(store.answer(&request))).await?;
        Ok(Answer::whole(answer.status, "application/json; charset=UTF-8", answer.body))
    }
}
