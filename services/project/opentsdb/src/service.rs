//! The sink as a service: the share of the partitions that this process holds, and the ways to the store and back to the log that they have in common.

use std::pin::pin;
use std::sync::Arc;

use loki_log::{Log, Topic};
use loki_runner::{Share, ShareConfig};
use loki_runtime::process::belonging;
use loki_runtime::{Clock, Shutdown};
use loki_telemetry::{Component, Health};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::config::SinkConfig;
use crate::error::Error;
use crate::port::SeriesStore;
use crate::sink::{self, Allowance, Appender, Common, Looker, Trouble, Writer};

/// The name of the service: of its group, in metrics, in readiness.
pub const NAME: &str = "opentsdb";

/// The sink, ready to run.
pub struct Sink {
    store: Arc<dyn SeriesStore>,
    log: Arc<dyn Log>,
    config: SinkConfig,
    clock: Clock,
    health: Component,
}

impl Sink {
    /// Adds `opentsdb` to `health`.
    pub fn new(store: Arc<dyn SeriesStore>, log: Arc<dyn Log>, config: SinkConfig, clock: Clock, health: &Health) -> Self {
        Self { store, log, config, clock, health: health.component(NAME) }
    }

    /// Runs until shutdown begins. A store or a log that is away, now or at the start, is waited for; an error is one that waiting cannot mend.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), Error> {
        let Self { store, log, config, clock, health } = self;
        if let Some(problem) = config.problems().into_iter().next() {
            return Err(Error::Invalid(problem));
        }
        let trouble = Trouble::default();
        let (puts, to_put) = mpsc::unbounded_channel();
        let (looks, to_look) = mpsc::unbounded_channel();
        let (appends, to_append) = mpsc::unbounded_channel();
        let writer = Writer::new(store.clone(), config.clone(), trouble.clone(), to_put);
        let looker = Looker::new(store, config.clone(), trouble.clone(), to_look);
        let appender = Appender::new(log.clone(), trouble.clone(), to_append);
        let share_config = ShareConfig {
            name: NAME,
            topic: Topic::new(&config.samples_topic),
            group: config.group.clone(),
            batch_records_max: config.batch_records_max,
            drain: config.drain,
        };
        let share = Share::new(log.clone(), share_config, clock.clone(), health.clone());
        let common = Arc::new(Common {
            log,
            clock,
            dead: Topic::new(&config.dead_topic),
            trouble,
            allowance: Allowance::new(config.rings_bytes_max),
            room: Arc::new(Semaphore::new(config.open_max)),
            puts,
            looks,
            appends,
            config,
        });
        // the ways outlive the partitions' tasks, which drain over them
        let (stop, front) = (Shutdown::new(), shutdown.child());
        let mut ways = JoinSet::new();
        ways.spawn(belonging(writer.run(stop.clone())));
        ways.spawn(belonging(looker.run(stop.clone())));
        ways.spawn(belonging(appender.run(stop.clone())));
        let mut share = pin!(share.run(move |hold| sink::run(common.clone(), hold), front.clone()));
        let result = tokio::select! {
            biased;
            ended = &mut share => ended.map_err(Error::Share),
            Some(ended) = ways.join_next() => {
                front.begin();
                let _shared = share.await;
                ended.unwrap_or_else(|error| Err(Error::Invalid(format!("a way of the sink ended: {error}"))))
            }
        };
        stop.begin();
        while ways.join_next().await.is_some() {}
        if let Err(error) = &result {
            health.not_ready(error.to_string());
        }
        result
    }
}
