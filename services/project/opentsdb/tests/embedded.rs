//! The embedded store keeps the promise.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use loki_domain::Metric;
use loki_opentsdb::contract::World;
use loki_opentsdb::{Embedded, SeriesReader, SeriesStore, series_contract};
use loki_runtime::Clock;
use tempfile::TempDir;

struct InFolder {
    store: Embedded,
    clock: Clock,
    metrics: AtomicUsize,
    _folder: TempDir,
}

impl InFolder {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(1_700_000_000_123);
        let store = loki_series::Store::open(folder.path(), loki_series::Options::default()).unwrap();
        Self { store: Embedded::new(Arc::new(store), clock.clone()), clock, metrics: AtomicUsize::new(0), _folder: folder }
    }
}

#[async_trait]
impl World for InFolder {
    fn store(&self) -> Arc<dyn SeriesStore> {
        Arc::new(self.store.clone())
    }

    fn reader(&self) -> Option<Arc<dyn SeriesReader>> {
        Some(Arc::new(self.store.clone()))
    }

    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    fn metric(&self) -> Metric {
        format!("m{}", self.metrics.fetch_add(1, Ordering::SeqCst)).parse().unwrap()
    }
}

series_contract!(InFolder::new());
