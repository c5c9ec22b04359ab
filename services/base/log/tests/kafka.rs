//! Kafka keeps the promise.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use loki_log::contract::{FILLER, World};
use loki_log::kafka::{Config, KafkaLog};
use loki_log::{Log, NewRecord, Partition, Topic, log_contract};
use loki_runtime::task;
use loki_testing::real;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ConfigSource, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;

struct Kafka {
    address: String,
    prefix: String,
    log: Mutex<KafkaLog>,
}

impl Kafka {
    async fn new() -> Self {
        let address = task::spawn_blocking("shared", || real::shared().kafka.clone()).await.unwrap();
        let log = Mutex::new(connect(&address));
        Self { address, prefix: real::topic_prefix(), log }
    }
}

/// No limit that a machine which stalls for some seconds could reach, and all well within the suite's patience.
fn connect(address: &str) -> KafkaLog {
    let long = Duration::from_secs(30);
    KafkaLog::connect(Config { session_timeout: long, transaction_timeout: long, request_timeout: long, ..Config::new(address) }).unwrap()
}

#[async_trait]
impl World for Kafka {
    fn log(&self) -> Arc<dyn Log> {
        Arc::new(self.log.lock().unwrap().clone())
    }

    async fn another(&self) -> Arc<dyn Log> {
        Arc::new(connect(&self.address))
    }

    async fn reopen(&self) {
        *self.log.lock().unwrap() = connect(&self.address);
    }

    fn topic(&self, name: &str) -> Topic {
        Topic::new(format!("{}{name}", self.prefix))
    }

    async fn pass(&self, time: Duration) {
        task::sleep(time).await;
    }

    /// The cleaner runs for the smallest gain.
    async fn hurry_cleanup(&self, topic: &Topic) {
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", &self.address).create().unwrap();
        let options = AdminOptions::new();
        let resource = [ResourceSpecifier::Topic(topic.as_str())];
        let described = admin.describe_configs(&resource, &options).await.unwrap().remove(0).unwrap();
        let mut alter = AlterConfig::new(ResourceSpecifier::Topic(topic.as_str())).set("min.cleanable.dirty.ratio", "0.01");
        for entry in &described.entries {
            if entry.source == ConfigSource::DynamicTopic {
                alter = alter.set(&entry.name, entry.value.as_deref().unwrap_or_default());
            }
        }
        admin.alter_configs(&[alter], &options).await.unwrap().remove(0).unwrap();
    }

    /// Only a new record starts a new segment, and only closed segments are cleaned.
    async fn clean(&self, partition: &Partition) {
        let filler = NewRecord { key: Some(Bytes::from_static(FILLER.as_bytes())), value: Some(Bytes::new()), ..NewRecord::default() };
        self.log().append(partition, vec![filler]).await.unwrap();
        task::sleep(Duration::from_millis(300)).await;
    }
}

log_contract!(Kafka::new());
