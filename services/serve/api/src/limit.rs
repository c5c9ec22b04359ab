//! Bounds on what is worked on at once: whoever comes beyond them is told to come back, and waits in no queue here.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::problem::{Problem, Result};

/// A place for each request that is in hand, `api.concurrency_max` of them.
#[derive(Clone)]
pub(crate) struct Requests(Arc<Semaphore>);

impl Requests {
    pub(crate) fn new(max: usize) -> Self {
        Self(Arc::new(Semaphore::new(max)))
    }

    pub(crate) fn take(&self) -> Result<SemaphorePermit<'_>> {
        self.0.try_acquire().map_err(|_| Problem::not_ready("as many requests as `api.concurrency_max` allows are in hand"))
    }
}

/// Clients that follow `/v1/events` at once.
pub(crate) const STREAMS_MAX: usize = 256;

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
