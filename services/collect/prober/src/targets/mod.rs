//! Which targets there are: those of the settings, and the domains that the API knows.

mod following;
mod http;
mod shape;

use async_trait::async_trait;
use loki_client::Failure;

pub(crate) use self::following::{Following, List};
pub(crate) use self::http::HttpTargets;
use crate::target::Target;

/// The whole list at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    pub targets: Vec<Target>,
    /// What is in the list and cannot be probed, in words for people.
    pub unusable: Vec<String>,
}

/// Where the list comes from.
#[async_trait]
pub trait Targets: Send {
    /// The whole list, bounded by who makes it. That it is the same as before is found by who asks.
    ///
    /// # Errors
    /// It cannot be read now.
    async fn read(&mut self) -> Result<Listing, Failure>;
}
