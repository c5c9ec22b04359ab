//! The harness itself: what is killed comes back with what it acknowledged, what is set back shows the older state, what is paused does not
//! answer, what is dropped is gone.

mod opentsdb;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use loki_testing::real::{Kafka, MariaDb, Redis, Running, ZooKeeper, mysql_database, shared, topic_prefix, zookeeper_chroot};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use sqlx::{Connection, MySqlConnection};
use zookeeper as zk;

#[tokio::test(flavor = "multi_thread")]
async fn zookeeper_keeps_writes_over_a_kill_and_is_set_back() -> Result<()> {
    let mut server = Running::start(&ZooKeeper)?;
    let address = server.address();
    create_znode(&address, "/kept").await?;
    server.stop()?;
    let copy = server.snapshot_data()?;

    server.restart()?;
    create_znode(&address, "/later").await?;
    server.kill()?;
    server.restart()?;
    assert_eq!(znodes(&address).await?, ["kept", "later"]);

    assert!(server.snapshot_data().is_err(), "a running server's data is not copied");
    server.stop()?;
    server.restore_data(&copy)?;
    server.restart()?;
    assert_eq!(znodes(&address).await?, ["kept"]);
    Ok(())
}

/// With limits that a machine which stalls for some seconds does not reach.
async fn znode_client(address: &str) -> Result<zk::Client> {
    let limit = Duration::from_secs(30);
    Ok(zk::Client::connector().with_session_timeout(limit).with_connection_timeout(limit).connect(address).await?)
}

async fn create_znode(address: &str, path: &str) -> Result<()> {
    let client = znode_client(address).await?;
    client.create(path, b"", &zk::CreateMode::Persistent.with_acls(zk::Acls::anyone_all())).await?;
    Ok(())
}

async fn znodes(address: &str) -> Result<Vec<String>> {
    let client = znode_client(address).await?;
    let mut names = client.list_children("/").await?;
    names.retain(|name| name != "zookeeper");
    names.sort();
    Ok(names)
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_keeps_writes_over_a_kill_and_is_set_back() -> Result<()> {
    let mut server = Running::start(&MariaDb)?;
    let url = server.url();
    let mut client = MySqlConnection::connect(&url).await?;
    sqlx::query("CREATE DATABASE shop").execute(&mut client).await?;
    sqlx::query("CREATE TABLE shop.item (id INT PRIMARY KEY) ENGINE = InnoDB").execute(&mut client).await?;
    sqlx::query("INSERT INTO shop.item VALUES (1)").execute(&mut client).await?;
    server.stop()?;
    let copy = server.snapshot_data()?;

    server.restart()?;
    let mut client = MySqlConnection::connect(&url).await?;
    sqlx::query("INSERT INTO shop.item VALUES (2)").execute(&mut client).await?;
    server.kill()?;
    server.restart()?;
    assert_eq!(items(&url).await?, [1, 2]);

    server.stop()?;
    server.restore_data(&copy)?;
    server.restart()?;
    assert_eq!(items(&url).await?, [1]);
    Ok(())
}

async fn items(url: &str) -> Result<Vec<i32>> {
    let mut client = MySqlConnection::connect(url).await?;
    Ok(sqlx::query_scalar("SELECT id FROM shop.item ORDER BY id").fetch_all(&mut client).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_keeps_writes_over_a_kill_and_is_set_back() -> Result<()> {
    let mut server = Running::start(&Kafka)?;
    let address = server.address();
    create_topic(&address, "shop").await?;
    append(&address).await?;
    server.stop()?;
    let copy = server.snapshot_data()?;

    server.restart()?;
    append(&address).await?;
    server.kill()?;
    server.restart()?;
    assert_eq!(end(&address)?, 2);

    server.stop()?;
    server.restore_data(&copy)?;
    server.restart()?;
    assert_eq!(end(&address)?, 1);
    Ok(())
}

async fn create_topic(address: &str, name: &str) -> Result<()> {
    let admin: AdminClient<_> = client(address).create()?;
    let topic = NewTopic::new(name, 1, TopicReplication::Fixed(1));
    for made in admin.create_topics([&topic], &AdminOptions::new()).await? {
        made.map_err(|(topic, code)| anyhow::anyhow!("{topic}: {code}"))?;
    }
    Ok(())
}

fn client(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address).set("message.timeout.ms", "60000");
    config
}

async fn append(address: &str) -> Result<()> {
    let producer: FutureProducer = client(address).create()?;
    let sent = producer.send(FutureRecord::<(), _>::to("shop").payload("x"), Duration::from_secs(60)).await;
    sent.map_err(|(error, _)| error)?;
    Ok(())
}

fn end(address: &str) -> Result<i64> {
    let consumer: BaseConsumer = client(address).create()?;
    Ok(consumer.fetch_watermarks("shop", 0, Duration::from_secs(60))?.1)
}

#[tokio::test(flavor = "multi_thread")]
async fn names_keep_two_users_of_the_shared_set_apart() -> Result<()> {
    let set = shared();
    for _ in 0..2 {
        create_topic(&set.kafka, &format!("{}shop", topic_prefix())).await?;

        let path = zookeeper_chroot();
        create_znode(&set.zookeeper, &path).await?;
        create_znode(&format!("{}{path}", set.zookeeper), "/shop").await?;

        let name = mysql_database();
        let mut client = MySqlConnection::connect(&set.mysql).await?;
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut client).await?;
        let mut own = MySqlConnection::connect(&set.mysql_url(&name)).await?;
        sqlx::query("CREATE TABLE item (id INT PRIMARY KEY)").execute(&mut own).await?;
        sqlx::query(sqlx::AssertSqlSafe(format!("DROP DATABASE {name}"))).execute(&mut client).await?;
    }
    Ok(())
}

#[test]
fn a_paused_backend_does_not_answer_and_a_dropped_one_is_gone() -> Result<()> {
    let server = Running::start(&Redis)?;
    server.pause()?;
    server.ask().err().context("a paused server answered")?;
    server.resume()?;
    until("it answers again", || Ok(server.ask().is_ok()))?;

    let process = format!("/proc/{}", server.pid()?);
    let home = server.home().to_owned();
    assert!(Path::new(&process).exists());
    drop(server);
    assert!(!Path::new(&process).exists());
    assert!(!home.exists());
    Ok(())
}

/// One question has a limit of seconds, which a machine that stalls may reach.
#[expect(clippy::disallowed_methods, reason = "tests measure real time")]
fn until(what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    while !condition()? {
        ensure!(started.elapsed() < Duration::from_secs(30), "not within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

#[test]
fn a_paused_backend_can_be_stopped() -> Result<()> {
    let mut server = Running::start(&Redis)?;
    server.pause()?;
    server.stop()?;
    assert!(!server.is_running());
    Ok(())
}
