//! One Kafka broker that is its own KRaft controller, set up for one node and for impatient tests.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rand::Rng;

use super::backend::{Backend, Place, run};
use super::java::java;
use super::process::connect;

/// Everything that is not said here has Kafka's default, record timestamps included. Kafka never forces its log to the disk itself, so the
/// durability of the place changes nothing.
const SETTINGS: &str = "\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
# Topics are made by whoever declares them, never by a typing error.
auto.create.topics.enable=false
# One broker: its own topics have one copy and need few partitions.
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# Groups form at once and notice a dead member within 6 s or less.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
# The transaction of a killed producer is aborted within a second of its timeout.
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
# Compaction and retention happen while a test watches.
log.initial.task.delay.ms=500
log.cleaner.backoff.ms=200
log.cleaner.dedupe.buffer.size=16777216
log.retention.check.interval.ms=500
log.segment.delete.delay.ms=500
broker.heartbeat.interval.ms=500
# On a busy machine a broker takes its time to be admitted: it must not give up before whoever started it does.
initial.broker.registration.timeout.ms=180000
# Indexes are allocated in full: small ones keep copies of the folder small.
log.index.size.max.bytes=1048576
";

/// Kafka 4.1 in KRaft mode. Address for clients: `bootstrap.servers`.
#[derive(Debug, Clone, Copy)]
pub struct Kafka;

impl Backend for Kafka {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn ports(&self) -> usize {
        2
    }

    fn prepare(&self, place: &Place) -> Result<()> {
        let properties = place.home.join("server.properties");
        let address = place.address();
        let advertised = place.advertised.as_ref().unwrap_or(&address);
        let controller = format!("127.0.0.1:{}", place.ports[1]);
        // A broker that was killed may come back as soon as its old lease has run out; one that stalls for longer loses it.
        let lease_ms = if place.shared { 9_000 } else { 3_000 };
        let own = format!(
            "broker.session.timeout.ms={lease_ms}\nlisteners=PLAINTEXT://{address},CONTROLLER://{controller}\nadvertised.listeners=PLAINTEXT://{advertised}\n\
             controller.quorum.voters=1@{controller}\nlog.dirs={}\n",
            place.data().display()
        );
        fs::write(&properties, format!("{SETTINGS}{own}"))?;
        let mut format = java("kafka", 128)?;
        format.args(["-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format", "-t", &cluster_id(), "-c"]).arg(properties);
        run(&mut format)
    }

    fn command(&self, place: &Place) -> Result<Command> {
        let mut command = java("kafka", 512)?;
        command
            // Its configuration alone is 800 lines at the level info.
            .args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info"])
            .arg("kafka.Kafka")
            .arg(place.home.join("server.properties"));
        Ok(command)
    }

    /// A metadata request: answered by a broker that its controller has admitted.
    fn ask(&self, place: &Place) -> Result<String> {
        let mut stream = connect(&place.address())?;
        // Size, API 3 (metadata), version 1, correlation id 7, no client id, no topics.
        stream.write_all(&[0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0, 0, 0, 0])?;
        let size = read_u32(&mut stream)?;
        ensure!((12..65_536).contains(&size), "an answer of {size} bytes to a metadata request");
        let correlation = read_u32(&mut stream)?;
        ensure!(correlation == 7, "an answer to another request");
        let brokers = read_u32(&mut stream)?;
        ensure!(brokers > 0, "no broker is registered yet");
        Ok(format!("{brokers} broker"))
    }

    fn variable(&self) -> &'static str {
        "LOKI_TEST_KAFKA"
    }
}

fn read_u32(stream: &mut TcpStream) -> Result<u32> {
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes).context("kafka closed the connection")?;
    Ok(u32::from_be_bytes(bytes))
}

/// 16 random bytes in base64 for URLs, which `StorageTool` takes; not beginning with `-`, which it would take for an option.
fn cluster_id() -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut rng = rand::rng();
    let random = (0..21).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]));
    // The last character carries two bits only.
    random.chain(['A']).collect()
}
