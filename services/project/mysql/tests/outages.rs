//! What happens when the database is killed, stands still, or is set back: nothing half, nothing for ever, nothing older than was answered.
#![allow(clippy::disallowed_methods, reason = "tests measure real time")]

use std::time::{Duration, Instant};

use loki_domain::{Entity, Labels, LogId, Node, NodeId, NodeRef};
use loki_mysql::port::{NotReady, ReadError};
use loki_mysql::{Config, Readers, StateProjection, migrate};
use loki_runner::{Applied, Batch, Projection, State, StoreError, Stored, Target};
use loki_testing::real::{MariaDb, Running};
use loki_wire::{Change, Fact};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};

const PATIENCE: Duration = Duration::from_secs(60);

/// A server of one's own, which takes seconds to start.
async fn start() -> Running {
    tokio::task::spawn_blocking(|| Running::start(&MariaDb).unwrap()).await.unwrap()
}

/// For what must succeed, however much the machine stalls.
fn config(server: &Running) -> Config {
    let limit = Duration::from_secs(30);
    Config { connect_timeout: limit, lock_timeout: limit, ..Config::mysql(format!("{}/loki", server.url())) }
}

/// For what must end in time, and nothing else.
fn impatient(server: &Running) -> Config {
    Config {
        connect_timeout: Duration::from_secs(2),
        statement_timeout: Duration::from_secs(1),
        lock_timeout: Duration::from_secs(1),
        ..config(server)
    }
}

fn fact(number: u64) -> Fact {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    let node = Node {
        id: NodeId::from_digest(&digest),
        parent: None,
        name: format!("n{number}").parse().unwrap(),
        labels: Labels::default(),
        contacts: vec![],
        defaults: Labels::default(),
    };
    Fact { offset: number, command: number, last: true, change: Change::Set(Entity::Node(node)) }
}

/// Facts `from` to `to`, as one batch.
async fn apply(projection: &mut StateProjection, from: u64, to: u64) -> Result<Applied, StoreError> {
    let items: Vec<Fact> = (from..to).map(fact).collect();
    let batch = Batch { log: LogId::MIN, target: Target::Main, from, to, items: &items, state: State::Live, ended_ms: None };
    projection.apply(batch).await
}

async fn begin(config: &Config) -> StateProjection {
    migrate(config).await.unwrap();
    let mut projection = StateProjection::state(config).unwrap();
    projection.begin_rebuild(LogId::MIN, 0).await.unwrap();
    assert_eq!(projection.finish_rebuild(LogId::MIN, 0, 1).await.unwrap(), Applied::Done);
    projection
}

/// The position, once the database answers again.
async fn position(projection: &mut StateProjection) -> Stored {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match projection.stored().await {
            Ok(stored) => return stored.unwrap(),
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn count(readers: &Readers) -> u64 {
    let mut dump = readers.state.dump(None).await.unwrap();
    let mut count = 0;
    loop {
        match dump.next().await.unwrap().len() as u64 {
            0 => return count,
            lines => count += lines,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_position_and_rows_agree() {
    let mut server = start().await;
    let config = config(&server);
    let mut projection = begin(&config).await;
    let mut at = 0;
    for round in 0..4_u64 {
        let (progress, mut done) = tokio::sync::watch::channel(0_u64);
        let victim = tokio::spawn({
            let config = config.clone();
            async move {
                let mut projection = StateProjection::state(&config).unwrap();
                let mut at = at;
                while let Ok(Applied::Done) = apply(&mut projection, at, at + 40).await {
                    at += 40;
                    progress.send_modify(|done| *done += 1);
                }
                *progress.borrow()
            }
        });
        done.wait_for(|done| *done > 3 * round + 2).await.unwrap();
        server.kill().unwrap();
        let applied: u64 = victim.await.unwrap();
        let server = tokio::task::block_in_place(|| server.restart());
        server.unwrap();
        let stored = position(&mut projection).await;
        // what was acknowledged is there, and at most one batch more
        assert!(stored.position == at + 40 * applied || stored.position == at + 40 * (applied + 1), "{stored:?} after {applied} of {at}");
        assert_eq!(count(&Readers::open(&config).unwrap()).await, stored.position);
        at = stored.position;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_is_away_in_time() {
    let server = start().await;
    let config = config(&server);
    let mut projection = begin(&config).await;
    let readers = Readers::open(&config).unwrap();
    let node = NodeRef::Path("/n1".parse().unwrap());
    assert_eq!(apply(&mut projection, 0, 5).await.unwrap(), Applied::Done);
    assert!(readers.state.node(&node, None).await.unwrap().value.is_some());
    // connected before it stands still
    let (mut waiting, asking) = (StateProjection::state(&impatient(&server)).unwrap(), Readers::open(&impatient(&server)).unwrap());
    assert_eq!(position(&mut waiting).await.position, 5);
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = asking.state.node(&node, None).await {
        assert!(matches!(error, ReadError::Away(_)) && Instant::now() < deadline, "{error:?}");
    }

    server.pause().unwrap();
    let started = Instant::now();
    assert!(matches!(apply(&mut waiting, 5, 9).await, Err(StoreError::Away(_))));
    assert!(matches!(waiting.stored().await, Err(StoreError::Away(_))));
    assert!(matches!(asking.state.node(&node, None).await, Err(ReadError::Away(_))));
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    server.resume().unwrap();

    // what was under way may hold its locks for a while, and may still take effect: then this one is refused
    let deadline = Instant::now() + PATIENCE;
    loop {
        match apply(&mut projection, 5, 9).await {
            Ok(Applied::Done | Applied::Refused) => break,
            Err(error) => assert!(matches!(error, StoreError::Away(_)) && Instant::now() < deadline, "{error}"),
        }
    }
    assert_eq!(position(&mut waiting).await.position, 9, "the connections are good again");
    assert_eq!(position(&mut projection).await.position, 9);
    assert_eq!(count(&readers).await, 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_set_back_takes_back_no_answer() {
    let mut server = start().await;
    let config = config(&server);
    let mut projection = begin(&config).await;
    let readers = Readers::open(&config).unwrap();
    assert_eq!(apply(&mut projection, 0, 5).await.unwrap(), Applied::Done);
    let copy = tokio::task::block_in_place(|| {
        server.stop().unwrap();
        let copy = server.snapshot_data().unwrap();
        server.restart().unwrap();
        copy
    });
    assert_eq!(position(&mut projection).await.position, 5);
    assert_eq!(apply(&mut projection, 5, 9).await.unwrap(), Applied::Done);
    let node = NodeRef::Path("/n8".parse().unwrap());
    assert!(readers.state.node(&node, None).await.unwrap().value.is_some());
    tokio::task::block_in_place(|| {
        server.stop().unwrap();
        server.restore_data(&copy).unwrap();
        server.restart().unwrap();
    });

    assert_eq!(position(&mut projection).await.position, 5);
    let refused = readers.state.node(&node, None).await.err();
    assert!(matches!(refused, Some(ReadError::NotReady(NotReady::SetBack { .. }))), "{refused:?}");
    // a batch for where the store was is refused, the missing one is applied
    assert_eq!(apply(&mut projection, 9, 12).await.unwrap(), Applied::Refused);
    assert_eq!(apply(&mut projection, 5, 9).await.unwrap(), Applied::Done);
    assert!(readers.state.node(&node, None).await.unwrap().value.is_some());
}

/// Somebody at the same database, past the projection.
async fn another(server: &Running) -> sqlx::Result<MySqlConnection> {
    MySqlConnection::connect(&format!("{}/loki", server.url())).await
}

async fn run(connection: &mut MySqlConnection, sql: impl Into<String>) {
    let sql: String = sql.into();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap();
}

/// It is away with this number of an error.
fn is_away(answer: Result<Applied, StoreError>, number: &str) {
    assert!(matches!(&answer, Err(StoreError::Away(why)) if why.contains(number)), "not away for {number}: {answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowded_server_is_away_until_there_is_room() {
    let server = start().await;
    let config = config(&server);
    let mut projection = begin(&config).await;
    assert_eq!(apply(&mut projection, 0, 5).await.unwrap(), Applied::Done);
    drop(projection);
    let mut first = another(&server).await.unwrap();
    // the least that can be set
    run(&mut first, "SET GLOBAL max_connections = 10").await;
    let mut held = vec![first];
    let refused = loop {
        match another(&server).await {
            Ok(connection) => held.push(connection),
            Err(error) => break error,
        }
    };
    assert!(refused.to_string().contains("1040"), "{refused}");
    let mut projection = StateProjection::state(&impatient(&server)).unwrap();
    is_away(apply(&mut projection, 5, 9).await, "1040");
    drop(held);
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = apply(&mut projection, 5, 9).await {
        assert!(matches!(error, StoreError::Away(_)) && Instant::now() < deadline, "{error}");
    }
    assert_eq!(position(&mut projection).await.position, 9);
    assert_eq!(count(&Readers::open(&config).unwrap()).await, 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_another_holds_and_a_deadlock_are_gone_through_once_more() {
    let server = start().await;
    // the server gives a lock up before we give an answer up
    let mut projection = begin(&Config { statement_timeout: Duration::from_secs(30), ..impatient(&server) }).await;
    assert_eq!(apply(&mut projection, 0, 5).await.unwrap(), Applied::Done);
    let mut other = another(&server).await.unwrap();
    run(&mut other, "BEGIN; SELECT * FROM state_position FOR UPDATE").await;
    is_away(apply(&mut projection, 5, 9).await, "1205");
    run(&mut other, "ROLLBACK").await;
    assert_eq!(apply(&mut projection, 5, 9).await.unwrap(), Applied::Done);

    // who has written less is the victim of a deadlock
    run(&mut other, "CREATE TABLE scratch (n INT)").await;
    run(&mut other, "BEGIN; INSERT INTO scratch SELECT seq FROM seq_1_to_20000").await;
    let Change::Set(Entity::Node(node)) = fact(12).change else { unreachable!() };
    run(&mut other, format!("INSERT INTO node (id, parent, name, fact, json) VALUES ('{}', '', 'n', 0, '{{}}')", node.id)).await;
    let mut waiting = StateProjection::state(&config(&server)).unwrap();
    let waits = tokio::spawn(async move {
        let answer = apply(&mut waiting, 9, 15).await;
        (waiting, answer)
    });
    // it has the position's row, and waits for the node's
    let mut looking = another(&server).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let waits = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'";
        if sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut looking).await.unwrap() > 0 {
            break;
        }
        assert!(Instant::now() < deadline, "nobody waits");
        // who asks again within 100 ms is told what was told before, and so for ever
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    run(&mut other, "SELECT * FROM state_position FOR UPDATE").await;
    let (mut waiting, answer) = waits.await.unwrap();
    is_away(answer, "1213");
    run(&mut other, "ROLLBACK").await;
    assert_eq!(apply(&mut waiting, 9, 15).await.unwrap(), Applied::Done);
    assert_eq!(position(&mut waiting).await.position, 15);
    assert_eq!(count(&Readers::open(&config(&server)).unwrap()).await, 15);
}
