//! Settings of a Kafka log, and what they mean to librdkafka.

use std::collections::BTreeMap;
use std::time::Duration;

use loki_runtime::Secret;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::error::{Error, Result};

#[derive(Debug, Clone)]
pub struct Config {
    /// `host:port`, several with commas.
    pub bootstrap_servers: String,
    /// Passed on to librdkafka as they are: `security.protocol`, `sasl.…`, `ssl.…` and the like. Printed as `***`.
    pub options: BTreeMap<String, Secret>,
    /// A member that is not heard for so long loses its partitions.
    pub session_timeout: Duration,
    pub heartbeat: Duration,
    /// The broker aborts a transaction that is open for longer.
    pub transaction_timeout: Duration,
    /// Every call ends within about this time, with `Away` if it must.
    pub request_timeout: Duration,
    /// The group name that readers give, although they never join it: an access list must let them read it.
    pub reader_group: String,
}

impl Config {
    pub fn new(bootstrap_servers: impl Into<String>) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.into(),
            options: BTreeMap::new(),
            session_timeout: Duration::from_secs(6),
            heartbeat: Duration::from_millis(1_500),
            transaction_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(10),
            reader_group: "loki-reader".into(),
        }
    }

    /// Refuses what would break the log's promise, or librdkafka's rules.
    pub(super) fn check(&self) -> Result<()> {
        match self.mistakes() {
            mistakes if mistakes.is_empty() => Ok(()),
            mistakes => Err(Error::Fatal(mistakes.join("; "))),
        }
    }

    /// All that is wrong with it.
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        if self.bootstrap_servers.trim().is_empty() {
            mistakes.push("`bootstrap_servers` is empty: name at least one `host:port`".to_owned());
        }
        let promised = |name: &&String| PROMISED.contains(&name.as_str());
        mistakes.extend(
            self.options.keys().filter(promised).map(|name| format!("`options.{name}` cannot be set: the log's promise depends on it")),
        );
        if self.heartbeat * 3 > self.session_timeout {
            mistakes.push("`heartbeat` must be at most a third of `session_timeout`".to_owned());
        }
        if let Err(error) = self.transactional("check").create_native_config() {
            mistakes.push(format!("`options`: {error}"));
        }
        mistakes
    }

    /// Appends outside of transactions.
    pub(super) fn producer(&self) -> ClientConfig {
        self.with_options(self.base_producer())
    }

    fn base_producer(&self) -> ClientConfig {
        let mut config = self.common();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // A call's records are sent as they are queued; what comes meanwhile forms the next request.
            .set("linger.ms", "0")
            .set("message.timeout.ms", millis(self.request_timeout))
            .set("request.timeout.ms", millis(self.request_timeout))
            // The broker's limit, that of the topic, decides.
            .set("message.max.bytes", "67108864")
            .set("queue.buffering.max.messages", "1000000")
            .set("queue.buffering.max.kbytes", "262144");
        config
    }

    pub(super) fn transactional(&self, id: &str) -> ClientConfig {
        let mut config = self.base_producer();
        config
            .set("transactional.id", id)
            .set("transaction.timeout.ms", millis(self.transaction_timeout))
            .set("message.timeout.ms", millis(self.transaction_timeout.min(self.request_timeout)))
            .set("socket.timeout.ms", millis(self.transaction_timeout.min(self.request_timeout)));
        self.with_options(config)
    }

    /// Reads without a group; also answers questions about metadata and offsets.
    pub(super) fn reader(&self) -> ClientConfig {
        self.with_options(self.base_reader())
    }

    /// Reads without a group, little at a time: the whole client stays within a few megabytes.
    pub(super) fn frugal_reader(&self) -> ClientConfig {
        let mut config = self.base_reader();
        config.set("queued.min.messages", "1000").set("queued.max.messages.kbytes", "512").set("fetch.message.max.bytes", "262144");
        self.with_options(config)
    }

    fn base_reader(&self) -> ClientConfig {
        let mut config = self.common();
        config
            .set("group.id", &self.reader_group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // A position outside the log is the caller's to handle.
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("check.crcs", "true")
            .set("enable.partition.eof", "true")
            // By default the consumer stalls for a second whenever 100,000 records are queued.
            .set("queued.min.messages", "1000000")
            .set("queued.max.messages.kbytes", "65536")
            .set("fetch.queue.backoff.ms", "5")
            // An idle fetch is answered after so long; a new partition joins with the next fetch.
            .set("fetch.wait.max.ms", "100")
            .set("fetch.error.backoff.ms", "100");
        config
    }

    pub(super) fn member(&self, group: &str) -> ClientConfig {
        let mut config = self.base_reader();
        config
            .set("group.id", group)
            // Each of its partitions has a queue of this size. An answer stays in memory as a whole while a record of any of its partitions waits, so
            // that it must not be large either.
            .set("queued.max.messages.kbytes", "1024")
            .set("fetch.message.max.bytes", "262144")
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", millis(self.session_timeout))
            .set("heartbeat.interval.ms", millis(self.heartbeat))
            // A member whose owner is stuck gives up its partitions.
            .set("max.poll.interval.ms", millis(Duration::from_secs(60).max(self.session_timeout)));
        self.with_options(config)
    }

    /// Admin requests.
    pub(super) fn admin(&self) -> ClientConfig {
        self.with_options(self.common())
    }

    fn common(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", "loki")
            .set("allow.auto.create.topics", "false")
            .set("socket.nagle.disable", "true")
            .set("socket.timeout.ms", millis(self.request_timeout))
            .set("socket.connection.setup.timeout.ms", millis(self.request_timeout.max(Duration::from_secs(1))))
            // A broker that comes back is found within a second.
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000");
        config.set_log_level(RDKafkaLogLevel::Warning);
        config
    }

    /// The options last: they may overrule everything but the promise.
    fn with_options(&self, mut config: ClientConfig) -> ClientConfig {
        for (name, value) in &self.options {
            config.set(name, value.expose());
        }
        config
    }
}

/// What the promise stands on.
const PROMISED: [&str; 12] = [
    "bootstrap.servers",
    "acks",
    "request.required.acks",
    "enable.idempotence",
    "transactional.id",
    "isolation.level",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "enable.partition.eof",
    "group.id",
    "partition.assignment.strategy",
];

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_is_acceptable_to_librdkafka() {
        let mut config = Config::new("127.0.0.1:9092");
        config.options.insert("security.protocol".into(), Secret::new("SASL_SSL"));
        config.options.insert("sasl.mechanisms".into(), Secret::new("SCRAM-SHA-512"));
        config.options.insert("linger.ms".into(), Secret::new("3"));
        config.check().unwrap();
        for client in
            [config.producer(), config.transactional("t"), config.reader(), config.frugal_reader(), config.member("g"), config.admin()]
        {
            client.create_native_config().unwrap();
        }
        let transactional = config.transactional("t");
        assert_eq!(transactional.get("transaction.timeout.ms"), Some("10000"));
        assert_eq!(transactional.get("sasl.mechanisms"), Some("SCRAM-SHA-512"));
        assert_eq!(transactional.get("linger.ms"), Some("3"), "an option overrules what is set here");
    }

    #[test]
    fn promises_cannot_be_configured_away() {
        for name in ["acks", "isolation.level", "enable.idempotence"] {
            let mut config = Config::new("127.0.0.1:9092");
            config.options.insert(name.into(), Secret::new("0"));
            let error = config.check().unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        let mut config = Config::new("127.0.0.1:9092");
        config.options.insert("no.such.option".into(), Secret::new("1"));
        assert!(config.check().unwrap_err().to_string().contains("no.such.option"));
        assert!(Config::new(" ").check().is_err());
    }

    #[test]
    fn options_are_not_printed() {
        let mut config = Config::new("127.0.0.1:9092");
        config.options.insert("sasl.password".into(), Secret::new("hunter2"));
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
