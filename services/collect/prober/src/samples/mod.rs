//! Where samples go: a queue in memory, and from there to the API.

mod delivery;
mod http;
mod outbox;

use async_trait::async_trait;
use loki_client::{Failure, Taken};
use loki_domain::Sample;

pub(crate) use self::delivery::Delivery;
pub(crate) use self::http::HttpSamples;
pub(crate) use self::outbox::Outbox;

/// Who takes samples.
#[async_trait]
pub trait Samples: Send + Sync {
    /// At least one sample, and no more than 1,000.
    ///
    /// # Errors
    /// They may or may not be stored, and are to be sent again: stored twice, equal samples are one.
    async fn send(&self, samples: Vec<Sample>) -> Result<Taken, Failure>;
}
