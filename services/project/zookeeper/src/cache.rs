//! The readers' cache: the tree in this process' memory, as the store has it, or no answer.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use loki_domain::{NodePath, NodeRef};
use loki_runner::{State, Stored};
use loki_runtime::{Backoff, Shutdown, task};
use loki_telemetry::Component;
use loki_wire::mounted::Encoded;

use crate::config::Config;
use crate::error::Error;
use crate::follow::Follower;
use crate::live::Live;
use crate::port::{Answer, Branch, NotReady, Refusal, TreeReader};
use crate::read::Reading;
use crate::watch::Ended;

/// Cheap to clone; all clones are the same cache.
#[derive(Debug, Clone)]
pub struct Cache {
    live: Arc<Live>,
    /// The connection that is followed.
    reading: Arc<RwLock<Option<Reading>>>,
}

impl Cache {
    /// Follows the store until shutdown. A store that is away is tried again and again.
    pub fn start(config: Config, shutdown: Shutdown, health: Component) -> Self {
        let cache = Self { live: Arc::default(), reading: Arc::default() };
        let following = cache.clone();
        task::spawn("zookeeper cache", async move {
            shutdown.unless(following.follow(config, health)).await;
            following.set_reading(None);
            following.live.withdraw("this process is shutting down");
        });
        cache
    }

    async fn follow(&self, config: Config, health: Component) {
        let mut backoff = Backoff::for_backend();
        let tell = || match self.live.why_not() {
            None => health.ready(),
            Some(why) => health.not_ready(why),
        };
        loop {
            let ended = match Follower::connect(&config, self.live.clone()).await {
                Err(error) => Ended::Failed(error),
                Ok(follower) => {
                    self.set_reading(Some(follower.client()));
                    let ended = follower.follow(tell).await;
                    self.set_reading(None);
                    if self.live.why_not().is_none() {
                        backoff.reset();
                    }
                    ended
                }
            };
            self.live.withdraw(ended.to_string());
            tell();
            backoff.wait().await;
        }
    }

    fn set_reading(&self, reading: Option<Reading>) {
        *self.reading.write().unwrap_or_else(PoisonError::into_inner) = reading;
    }

    fn reading(&self) -> Option<Reading> {
        self.reading.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl TreeReader for Cache {
    /// Asks the store itself: it answers also while the tree does not.
    async fn stored(&self) -> Result<Option<Stored>, NotReady> {
        let Some(reading) = self.reading() else {
            return Err(NotReady(self.live.why_not().unwrap_or_else(|| "zookeeper is not connected".to_owned())));
        };
        match reading.main().await {
            // one for which a rebuild is asked is not done before the swap
            Ok(Some(main)) if main.asked => Ok(Some(Stored { state: State::Building, ..main.revision.mark.stored })),
            Ok(main) => Ok(main.map(|main| main.revision.mark.stored)),
            Err(error @ (Error::Away(_) | Error::Unusable(_) | Error::Unreadable { .. })) => Err(NotReady(error.to_string())),
        }
    }

    async fn wait(&self, at_least: u64, limit: Duration) -> Result<(), NotReady> {
        self.live.wait(at_least, limit).await
    }

    fn servers(&self, node: &str, recursive: bool) -> Result<Answer<Option<Arc<Encoded>>>, Refusal> {
        self.live.servers(node, recursive)
    }

    fn tree(&self, node: &NodeRef, depth: usize) -> Result<Answer<Option<Branch>>, Refusal> {
        self.live.tree(node, depth)
    }

    fn nodes(
        &self,
        under: &NodePath,
        depth: usize,
        after: Option<&NodePath>,
        limit: usize,
    ) -> Result<Answer<Option<Vec<Branch>>>, NotReady> {
        self.live.nodes(under, depth, after, limit)
    }
}
