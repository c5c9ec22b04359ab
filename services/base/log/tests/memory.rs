//! The log in memory keeps the promise.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use loki_log::contract::World;
use loki_log::memory::{MemoryLog, Options};
use loki_log::{Log, Partition, Topic, log_contract};
use loki_runtime::Clock;

struct Memory {
    clock: Clock,
    log: MemoryLog,
}

impl Memory {
    async fn new(as_kafka: bool) -> Self {
        let clock = Clock::fixed(Clock::system().now_ms());
        let log = MemoryLog::new(Options { clock: clock.clone(), session: Duration::from_secs(2), as_kafka, makes_topics: false });
        Self { clock, log }
    }
}

#[async_trait]
impl World for Memory {
    fn log(&self) -> Arc<dyn Log> {
        Arc::new(self.log.clone())
    }

    async fn another(&self) -> Arc<dyn Log> {
        self.log()
    }

    async fn reopen(&self) {}

    fn topic(&self, name: &str) -> Topic {
        Topic::new(name)
    }

    async fn pass(&self, time: Duration) {
        self.clock.set(self.clock.now_ms() + time.as_millis() as i64);
    }

    async fn hurry_cleanup(&self, _topic: &Topic) {}

    async fn clean(&self, _partition: &Partition) {
        self.log.clean();
    }
}

mod telling_the_end_at_once {
    use super::*;

    log_contract!(Memory::new(false));
}

mod as_kafka {
    use super::*;

    log_contract!(Memory::new(true));
}
