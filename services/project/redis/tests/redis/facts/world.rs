//! A store of facts in Redis, as the tree's suite wants it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use loki_domain::{NodePath, NodeRef};
use loki_redis::facts::{RedisProjection, RedisServers, Refusal, ServersReader, dump};
use loki_runner::{Projection, Stored};
use loki_runtime::Clock;
use loki_wire::Fact;
use loki_wire::mounted::Encoded;
use loki_zookeeper::contract::World;
use loki_zookeeper::{Answer, Branch, NotReady, TreeReader};
use redis::AsyncCommands;
use tokio::runtime::Handle;

use crate::given::Shared;

pub(crate) struct Facts(pub(crate) Shared);

impl Facts {
    pub(crate) fn new() -> Self {
        Self(Shared::new())
    }

    pub(crate) fn writer(&self) -> RedisProjection {
        RedisProjection::new(&self.0.config, Clock::system()).unwrap()
    }

    pub(crate) fn servers(&self) -> RedisServers {
        RedisServers::new(&self.0.config).unwrap()
    }
}

#[async_trait]
impl World for Facts {
    fn projection(&self) -> Box<dyn Projection<Item = Fact>> {
        Box::new(self.writer())
    }

    async fn reader(&self) -> Arc<dyn TreeReader> {
        Arc::new(AsTree(self.servers()))
    }

    async fn dump(&self) -> Option<(Stored, Vec<String>)> {
        dump(&self.0.config).await.unwrap()
    }

    async fn empty(&self) {
        let mut client = self.0.client().await;
        for key in self.0.keys().await {
            client.unlink::<_, ()>(key).await.unwrap();
        }
    }
}

/// Answers what is asked of the tree, as far as it is asked for servers.
struct AsTree(RedisServers);

#[async_trait]
impl TreeReader for AsTree {
    async fn stored(&self) -> Result<Option<Stored>, NotReady> {
        self.0.stored().await.map_err(|why| NotReady(why.0))
    }

    async fn wait(&self, at_least: u64, limit: Duration) -> Result<(), NotReady> {
        self.0.wait(at_least, limit).await.map_err(|why| NotReady(why.0))
    }

    fn servers(&self, node: &str, recursive: bool) -> Result<Answer<Option<Arc<Encoded>>>, loki_zookeeper::Refusal> {
        let answer = tokio::task::block_in_place(|| Handle::current().block_on(self.0.servers(node, recursive)));
        match answer {
            Ok(loki_redis::facts::Answer { value, position }) => Ok(Answer { value, position }),
            Err(Refusal::NotReady(why)) => Err(NotReady(why.0).into()),
            Err(Refusal::Invalid(why)) => Err(loki_zookeeper::Refusal::Invalid(why)),
            Err(Refusal::TooLarge) => Err(loki_zookeeper::Refusal::TooLarge { limit: 0 }),
        }
    }

    fn tree(&self, _: &NodeRef, _: usize) -> Result<Answer<Option<Branch>>, loki_zookeeper::Refusal> {
        Err(NotReady("there is no tree here".to_owned()).into())
    }

    fn nodes(&self, _: &NodePath, _: usize, _: Option<&NodePath>, _: usize) -> Result<Answer<Option<Vec<Branch>>>, NotReady> {
        Err(NotReady("there is no tree here".to_owned()))
    }
}
