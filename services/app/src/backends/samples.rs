//! Where samples go: the way into the log, the time series, the live state.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use loki_intake::Intake;
use loki_log::{Log, Topic, TopicSpec};
use loki_opentsdb::{Embedded, OpenTsdb, SeriesReader, SeriesStore, SinkConfig};
use loki_redis::facts::{RedisProjection, RedisServers, ServersReader};
use loki_redis::samples::{MemorySamples, Reader, RedisSamples, SamplesConfig, SamplesStore, Shape};
use loki_runtime::{Clock, Shutdown, task};
use loki_series::Store;
use loki_wire::Topics;

use crate::settings::Settings;

/// How often the embedded series are looked through for what is too old.
const RETAIN_EVERY: Duration = Duration::from_secs(600);

pub(crate) struct Samples {
    pub(crate) intake: Intake,
    /// What the sink fills.
    pub(crate) store: Arc<dyn SeriesStore>,
    /// What answers questions about series.
    pub(crate) reader: Arc<dyn SeriesReader>,
    /// Last values and presence.
    pub(crate) live: Arc<dyn SamplesStore>,
    pub(crate) sink: SinkConfig,
    pub(crate) live_config: SamplesConfig,
    /// The embedded series, and how long they are kept.
    embedded: Option<(Arc<Store>, Duration)>,
    redis: Option<loki_redis::Config>,
}

impl Samples {
    pub(super) async fn embedded(settings: &Settings, log: Arc<dyn Log>, topics: &Topics, specs: &[TopicSpec]) -> anyhow::Result<Self> {
        let folder = settings.data_dir.join("series");
        let opened = task::spawn_blocking("series", move || Store::open(&folder, loki_series::Options::default()));
        let store = Arc::new(opened.await?.context("the embedded time series")?);
        let series = Embedded::new(store.clone(), Clock::system());
        let live = MemorySamples::new(Shape::new(partitions(topics, specs)));
        let samples = Self::new(settings, log, topics, specs, Arc::new(series.clone()), Arc::new(series), Arc::new(live));
        Ok(Self { embedded: Some((store, settings.series.retention.0)), ..samples })
    }

    pub(super) fn real(settings: &Settings, log: Arc<dyn Log>, topics: &Topics, specs: &[TopicSpec]) -> anyhow::Result<Self> {
        let series = Arc::new(OpenTsdb::new(settings.opentsdb_config(), Clock::system())?);
        let redis = settings.redis_config();
        let live = RedisSamples::new(&redis, Shape::new(partitions(topics, specs)), Clock::system())?;
        let samples = Self::new(settings, log, topics, specs, series.clone(), series, Arc::new(live));
        Ok(Self { redis: Some(redis), ..samples })
    }

    fn new(
        settings: &Settings,
        log: Arc<dyn Log>,
        topics: &Topics,
        specs: &[TopicSpec],
        store: Arc<dyn SeriesStore>,
        reader: Arc<dyn SeriesReader>,
        live: Arc<dyn SamplesStore>,
    ) -> Self {
        let (topic, partitions) = (Topic::new(&topics.samples), partitions(topics, specs));
        let sink = SinkConfig::new(&topics.samples, &topics.dead, topics.group(loki_opentsdb::service::NAME), partitions);
        let live_config = SamplesConfig::new(topic.clone(), Topic::new(&topics.facts), topics.group(loki_redis::metrics::SAMPLES_NAME));
        Self {
            intake: Intake::new(log, topic, partitions),
            store,
            reader,
            live,
            sink: SinkConfig { in_flight: settings.opentsdb.in_flight, ..sink },
            live_config,
            embedded: None,
            redis: None,
        }
    }

    /// A reader of the live state; each remembers for itself what it has answered from.
    pub(crate) fn live_reader(&self) -> Reader {
        Reader::new(self.live.clone())
    }

    /// Servers by node, where something other than the tree answers.
    pub(crate) fn servers_reader(&self) -> anyhow::Result<Option<Arc<dyn ServersReader>>> {
        let open = |redis| RedisServers::new(redis).map(|reader| Arc::new(reader) as Arc<dyn ServersReader>);
        Ok(self.redis.as_ref().map(open).transpose()?)
    }

    /// What fills it.
    pub(crate) fn servers_projection(&self) -> anyhow::Result<Option<RedisProjection>> {
        Ok(self.redis.as_ref().map(|redis| RedisProjection::new(redis, Clock::system())).transpose()?)
    }

    pub(crate) fn redis(&self) -> Option<&loki_redis::Config> {
        self.redis.as_ref()
    }

    /// Removes what is too old from the embedded series, now and then, until shutdown.
    pub(crate) async fn retain(&self, clock: Clock, shutdown: Shutdown) {
        let Some((store, kept)) = self.embedded.clone() else { return };
        let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
        while shutdown.unless(task::sleep(RETAIN_EVERY)).await.is_some() {
            let (store, oldest) = (store.clone(), clock.now_ms().saturating_sub(kept));
            match task::spawn_blocking("retain", move || store.retain(oldest)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!(error = %error, "old series were not removed"),
                Err(error) => tracing::warn!(error = %error, "old series were not removed"),
            }
        }
    }
}

/// How many partitions the samples' topic is declared with.
fn partitions(topics: &Topics, specs: &[TopicSpec]) -> u32 {
    specs.iter().find(|spec| spec.name == topics.samples).map_or(1, |spec| spec.partitions)
}
