//! The embedded log keeps the promise.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use loki_log::contract::World;
use loki_log::sqlite::{Options, SqliteLog};
use loki_log::{Log, Partition, Topic, log_contract};
use loki_runtime::Clock;
use tempfile::TempDir;

struct Sqlite {
    directory: TempDir,
    clock: Clock,
    log: Mutex<SqliteLog>,
}

impl Sqlite {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(Clock::system().now_ms());
        let log = Mutex::new(open(&directory, &clock).await);
        Self { directory, clock, log }
    }

    fn handle(&self) -> SqliteLog {
        self.log.lock().unwrap().clone()
    }
}

async fn open(directory: &TempDir, clock: &Clock) -> SqliteLog {
    SqliteLog::open(Options { clock: clock.clone(), ..Options::new(directory.path()) }).await.unwrap()
}

#[async_trait]
impl World for Sqlite {
    fn log(&self) -> Arc<dyn Log> {
        Arc::new(self.handle())
    }

    async fn another(&self) -> Arc<dyn Log> {
        self.log()
    }

    async fn reopen(&self) {
        self.handle().close().await;
        let log = open(&self.directory, &self.clock).await;
        *self.log.lock().unwrap() = log;
    }

    fn topic(&self, name: &str) -> Topic {
        Topic::new(name)
    }

    async fn pass(&self, time: Duration) {
        self.clock.set(self.clock.now_ms() + time.as_millis() as i64);
    }

    async fn hurry_cleanup(&self, _topic: &Topic) {}

    async fn clean(&self, _partition: &Partition) {
        self.handle().compact(self.clock.now_ms()).await.unwrap();
    }
}

log_contract!(Sqlite::new());
