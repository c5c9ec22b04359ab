//! Memory keeps the promise.

use std::sync::Arc;

use async_trait::async_trait;
use loki_runner::{Projection, Stored};
use loki_wire::Fact;
use loki_zookeeper::contract::World;
use loki_zookeeper::{Memory, TreeReader, tree_contract};

#[derive(Default)]
struct InMemory(Memory);

#[async_trait]
impl World for InMemory {
    fn projection(&self) -> Box<dyn Projection<Item = Fact>> {
        Box::new(self.0.projection())
    }

    async fn reader(&self) -> Arc<dyn TreeReader> {
        Arc::new(self.0.clone())
    }

    async fn dump(&self) -> Option<(Stored, Vec<String>)> {
        self.0.dump()
    }

    async fn empty(&self) {
        self.0.clear();
    }
}

tree_contract!(async { InMemory::default() });
