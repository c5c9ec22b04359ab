//! Memory keeps the promise of a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use loki_domain::Metric;
use loki_opentsdb::contract::{MemoryStore, World};
use loki_opentsdb::{SeriesReader, SeriesStore, series_contract};

#[derive(Default)]
struct InMemory {
    store: MemoryStore,
    metrics: AtomicUsize,
}

#[async_trait]
impl World for InMemory {
    fn store(&self) -> Arc<dyn SeriesStore> {
        Arc::new(self.store.clone())
    }

    fn reader(&self) -> Option<Arc<dyn SeriesReader>> {
        None
    }

    fn now_ms(&self) -> i64 {
        1_700_000_000_123
    }

    fn metric(&self) -> Metric {
        format!("m{}", self.metrics.fetch_add(1, Ordering::SeqCst)).parse().unwrap()
    }
}

series_contract!(async { InMemory::default() });
