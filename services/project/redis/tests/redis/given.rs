//! Stores in the shared Redis, each under a prefix of its own, and servers of one's own.

use std::sync::Arc;

use async_trait::async_trait;
use loki_redis::Config;
use loki_redis::contract::samples::{PARTITIONS, SamplesWorld};
use loki_redis::samples::{RedisSamples, SamplesStore, Shape};
use loki_runtime::Clock;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;

pub(crate) struct Shared {
    pub(crate) config: Config,
}

impl Shared {
    /// In the shared server, where nothing is hurt.
    pub(crate) fn new() -> Self {
        Self::at(&loki_testing::real::shared().redis)
    }

    pub(crate) fn at(url: &str) -> Self {
        // a name that no other test has
        let prefix = format!("{}:", loki_testing::real::mysql_database());
        Self { config: Config { prefix, ..Config::new(url) } }
    }

    pub(crate) fn samples(&self) -> RedisSamples {
        RedisSamples::new(&self.config, Shape::new(PARTITIONS), Clock::system()).unwrap()
    }

    pub(crate) async fn client(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.config.url.expose()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// The keys of this world.
    pub(crate) async fn keys(&self) -> Vec<String> {
        self.client().await.keys(format!("{{{}*", self.config.prefix)).await.unwrap()
    }

    pub(crate) fn key(&self, partition: u32, name: &str) -> String {
        format!("{{{}samples:{partition}}}:{name}", self.config.prefix)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // leftovers would be found by nobody; a server of one's own may be gone already
        let url = self.config.url.expose();
        let Ok(mut connection) = redis::Client::open(url).and_then(|client| client.get_connection()) else { return };
        let keys: Vec<String> = redis::cmd("KEYS").arg(format!("{{{}*", self.config.prefix)).query(&mut connection).unwrap_or_default();
        for key in keys {
            redis::cmd("UNLINK").arg(key).query::<()>(&mut connection).unwrap_or_default();
        }
    }
}

#[async_trait]
impl SamplesWorld for Shared {
    fn store(&self) -> Arc<dyn SamplesStore> {
        Arc::new(self.samples())
    }

    async fn empty(&self) {
        let mut client = self.client().await;
        for key in self.keys().await {
            client.unlink::<_, ()>(key).await.unwrap();
        }
    }

    async fn size(&self, partition: u32) -> (usize, usize) {
        let mut client = self.client().await;
        let (values, hosts): (usize, usize) =
            redis::pipe().hlen(self.key(partition, "values")).zcard(self.key(partition, "hosts")).query_async(&mut client).await.unwrap();
        (values, hosts)
    }
}
