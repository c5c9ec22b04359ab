//! Bounds on what is worked on at once: whoever comes beyond them is told to come back, and waits in no queue here.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::{Problem, Result};

/// Clients that follow `/v1/events` at once.
const STREAMS_MAX: usize = 256;

/// A place for each event stream, given back when it ends.
#[derive(Clone)]
pub struct Streams(Arc<Semaphore>);

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(STREAMS_MAX)))
    }
}

impl Streams {
    pub(crate) fn take(&self) -> Result<OwnedSemaphorePermit> {
        let place = self.0.clone().try_acquire_owned();
        place.map_err(|_| Problem::not_ready(format!("{STREAMS_MAX} clients follow the events already")))
    }
}

/// Answers 503 at once when `api.concurrency_max` requests are in hand.
pub(crate) async fn bound(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let Ok(_place) = places.try_acquire() else {
        return Problem::not_ready("as many requests as `api.concurrency_max` allows are in hand").into_response();
    };
    next.run(request).await
}
