//! Bounds on what is worked on at once: whoever comes beyond them is told to come back, and waits in no queue here.

use std::sync::Arc;

use axum::extract::Request;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::Config;
use crate::deploy::told::is_for_tasks;
use crate::problem::{Problem, Result};

/// A place for each request that is in hand. Agents, of which each asks for its tasks all the time and mostly waits, have places of their own, so
/// that however many there are somebody can still stop a run.
pub(crate) struct Requests {
    /// `api.concurrency_max` of them.
    others: Semaphore,
    /// `api.agents_max` of them.
    agents: Semaphore,
}

impl Requests {
    pub(crate) fn new(config: &Config) -> Self {
        Self { others: Semaphore::new(config.concurrency_max), agents: Semaphore::new(config.agents_max) }
    }

    pub(crate) fn take(&self, request: &Request) -> Result<SemaphorePermit<'_>> {
        let (places, reason) = match is_for_tasks(request) {
            true => (&self.agents, "as many agents as `api.agents_max` allows ask for their tasks"),
            false => (&self.others, "as many requests as `api.concurrency_max` allows are in hand"),
        };
        places.try_acquire().map_err(|_| Problem::not_ready(reason))
    }
}

/// Clients that follow `/v1/events` at once.
pub(crate) const STREAMS_MAX: usize = 256;

/// Those of them that are further behind than what is kept in memory: each has a reader of the log of its own, on Kafka a consumer.
pub(crate) const CATCHING_UP_MAX: usize = 8;

/// A place for each event stream, given back when it ends, and one for each that reads the log.
#[derive(Clone)]
pub struct Streams {
    places: Arc<Semaphore>,
    catching_up: Arc<Semaphore>,
}

impl Default for Streams {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(STREAMS_MAX)), catching_up: Arc::new(Semaphore::new(CATCHING_UP_MAX)) }
    }
}

impl Streams {
    pub(crate) fn take(&self) -> Result<OwnedSemaphorePermit> {
        let place = self.places.clone().try_acquire_owned();
        place.map_err(|_| Problem::not_ready(format!("{STREAMS_MAX} clients follow the events already")))
    }

    /// A place among those who read older outcomes from the log.
    pub(crate) fn catch_up(&self) -> Result<OwnedSemaphorePermit> {
        let place = self.catching_up.clone().try_acquire_owned();
        place.map_err(|_| {
            Problem::not_ready(format!("{CATCHING_UP_MAX} clients read older events already: come back, or begin with new ones"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_catch_up_at_once_and_the_others_follow_all_the_same() {
        let streams = Streams::default();
        let reading: Vec<_> = (0..CATCHING_UP_MAX).map(|_| streams.catch_up().unwrap()).collect();
        assert_eq!(streams.catch_up().unwrap_err().status(), 503);
        assert!(streams.take().is_ok());
        drop(reading);
        assert!(streams.catch_up().is_ok());
    }
}
