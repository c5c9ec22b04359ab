//! A store in this process' memory.

use std::sync::Arc;

use async_trait::async_trait;
use loki_redis::contract::samples::{PARTITIONS, SamplesWorld};
use loki_redis::samples::{MemorySamples, SamplesStore, Shape};

pub(crate) struct InMemory(MemorySamples);

impl Default for InMemory {
    fn default() -> Self {
        Self(MemorySamples::new(Shape::new(PARTITIONS)))
    }
}

#[async_trait]
impl SamplesWorld for InMemory {
    fn store(&self) -> Arc<dyn SamplesStore> {
        Arc::new(self.0.clone())
    }

    async fn empty(&self) {
        self.0.clear();
    }

    async fn size(&self, partition: u32) -> (usize, usize) {
        self.0.size(partition)
    }
}
