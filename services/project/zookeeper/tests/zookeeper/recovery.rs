//! What ZooKeeper's store does when the server fails or somebody else writes there.

use std::sync::Arc;
use std::time::Duration;

use super::given::{Real, delete_all};
use loki_domain::{Entity, Text};
use loki_runner::{Applied, Batch, State, StoreError, Stored, Target};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Secret, task};
use loki_testing::real::{Running, ZooKeeper};
use loki_wire::Change;
use loki_zookeeper::contract::{Given, PATIENCE, World, Writer, node, node_key, node_ref, server};
use loki_zookeeper::{Config, TreeReader, rebuilding};

fn start() -> Running {
    task_block(|| Running::start(&ZooKeeper).unwrap())
}

fn task_block<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

/// Pauses it, and waits until the last of its threads stands still.
async fn stand_still(process: &Running) {
    process.pause().unwrap();
    let threads = format!("/proc/{}/task", process.pid().unwrap());
    until("the server stands still", || async {
        std::fs::read_dir(&threads).unwrap().all(|thread| {
            let stat = std::fs::read_to_string(thread.unwrap().path().join("stat")).unwrap();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
        })
    })
    .await;
}

pub(crate) async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let started = Stopwatch::start();
    while !condition().await {
        assert!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        task::sleep(Duration::from_millis(20)).await;
    }
}

fn answers(reader: &Arc<dyn TreeReader>) -> bool {
    reader.tree(&node_ref("/"), 1).is_ok()
}

/// Tries until the store is there again. Whether a try that ended with `Away` was `in_doubt` carried out is unknown: if it was, the next is refused.
async fn write_when_back(writer: &mut Writer, changes: &[Change], mut in_doubt: bool) {
    let facts = writer.facts(changes);
    let to = writer.position + facts.len() as u64;
    let started = Stopwatch::start();
    loop {
        assert!(started.elapsed() < PATIENCE, "the store has not come back");
        match writer.apply(Target::Main, &facts).await {
            Ok(Applied::Done) => return,
            Ok(Applied::Refused) => {
                assert!(in_doubt, "the first try was refused");
                break;
            }
            Err(StoreError::Away(_)) => in_doubt = true,
            Err(other) => panic!("{other}"),
        }
        task::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(stored_when_back(writer).await.map(|stored| stored.position), Some(to), "it was refused and not done before");
    writer.position = to;
    writer.changes.extend(changes.iter().cloned());
}

/// What the store says once it answers.
async fn stored_when_back(writer: &mut Writer) -> Option<Stored> {
    let started = Stopwatch::start();
    loop {
        match writer.projection.stored().await {
            Ok(stored) => return stored,
            Err(error) => assert!(matches!(error, StoreError::Away(_)) && started.elapsed() < PATIENCE, "{error}"),
        }
        task::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_is_away_and_comes_back() {
    let mut server_process = start();
    let world = Real::new(server_process.address());
    let mut writer = Given::live(&world, vec![node(1, None, "a")]).await;
    let reader = world.reader().await;
    reader.wait(0, PATIENCE).await.unwrap();
    for round in 0..3 {
        task_block(|| server_process.kill().unwrap());
        until("the reader stops", || async { !answers(&reader) }).await;
        assert!(reader.stored().await.is_err());
        assert!(matches!(writer.projection.stored().await, Err(StoreError::Away(_))));
        task_block(|| server_process.restart().unwrap());
        write_when_back(&mut writer, &[server(10 + round, &format!("web-{round}"))], false).await;
        reader.wait(writer.position - 1, PATIENCE).await.unwrap();
        writer.check(&world).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_is_away_in_bounded_time() {
    let server_process = start();
    let world = Real::new(server_process.address());
    let mut writer = Given::live(&world, vec![node(1, None, "a")]).await;
    let reader = world.reader().await;
    reader.wait(0, PATIENCE).await.unwrap();
    // only what shall be away in time has limits that a busy machine may reach as well
    let limits = Config { operation_timeout: Duration::from_secs(3), session_timeout: Duration::from_secs(2), ..world.config.clone() };
    writer.projection = Real::with(limits).projection();
    assert_eq!(stored_when_back(&mut writer).await, Some(writer.stored()));
    stand_still(&server_process).await;
    let started = Stopwatch::start();
    let facts = writer.facts(&[server(2, "web-2")]);
    assert!(matches!(writer.apply(Target::Main, &facts).await, Err(StoreError::Away(_))));
    assert!(matches!(writer.projection.stored().await, Err(StoreError::Away(_))));
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    until("the reader stops", || async { !answers(&reader) }).await;
    server_process.resume().unwrap();
    // the same connection, or one that takes its place
    assert!(stored_when_back(&mut writer).await.is_some());
    writer.projection = world.projection();
    write_when_back(&mut writer, &[server(2, "web-2")], true).await;
    reader.wait(1, PATIENCE).await.unwrap();
    writer.check(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_set_back_shows_its_older_position() {
    let mut server_process = start();
    let world = Real::new(server_process.address());
    let mut writer = Given::live(&world, vec![node(1, None, "a"), node(2, None, "b")]).await;
    task_block(|| server_process.stop().unwrap());
    let older = task_block(|| server_process.snapshot_data().unwrap());
    task_block(|| server_process.restart().unwrap());
    write_when_back(&mut writer, &[server(3, "web-3"), server(4, "web-4")], false).await;
    let reader = world.reader().await;
    reader.wait(3, PATIENCE).await.unwrap();

    task_block(|| server_process.stop().unwrap());
    task_block(|| server_process.restore_data(&older).unwrap());
    task_block(|| server_process.restart().unwrap());
    until("the reader is connected", || async { reader.stored().await.is_ok() }).await;
    assert_eq!(reader.stored().await.unwrap().map(|stored| stored.position), Some(2));
    // never an older truth
    assert!(reader.wait(0, Duration::from_millis(500)).await.is_err());
    assert!(!answers(&reader));
    // what was in flight does not fit any more: there would be a hole
    let started = Stopwatch::start();
    let facts = writer.facts(&[server(5, "web-5")]);
    let applied = loop {
        assert!(started.elapsed() < PATIENCE, "the store has not come back");
        if let Ok(applied) = writer.apply(Target::Main, &facts).await {
            break applied;
        }
    };
    assert_eq!(applied, Applied::Refused);
    assert_eq!(writer.projection.stored().await.unwrap().map(|stored| stored.position), Some(2));
    // replayed from there it is as it was
    let lost = writer.changes.split_off(2);
    writer.position = 2;
    assert_eq!(writer.write(&lost).await, Applied::Done);
    reader.wait(3, PATIENCE).await.unwrap();
    writer.check(&world).await;
}

/// A store that was emptied counts its generations anew: one with a higher number may be of an older copy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_from_before_the_store_was_emptied_is_not_taken_for_one_filled_since() {
    let mut server_process = start();
    let world = Real::new(server_process.address());
    let mut writer = Given::live(&world, vec![node(1, None, "a")]).await;
    assert_eq!(writer.rebuild(vec![node(1, None, "a")]).await.unwrap(), Applied::Done);
    task_block(|| server_process.stop().unwrap());
    let older = task_block(|| server_process.snapshot_data().unwrap());
    task_block(|| server_process.restart().unwrap());
    until("the writer is connected", || async { world.projection().stored().await.is_ok() }).await;
    world.empty().await;
    let changes = vec![node(1, None, "a"), node(2, None, "b"), server(3, "web-3")];
    let mut writer = Given::live(&world, changes.clone()).await;
    let reader = world.reader().await;
    reader.wait(2, PATIENCE).await.unwrap();

    task_block(|| server_process.stop().unwrap());
    task_block(|| server_process.restore_data(&older).unwrap());
    task_block(|| server_process.restart().unwrap());
    let said = || async { reader.wait(0, Duration::ZERO).await.err().map(|why| why.0) };
    until("the reader has read it", || async { said().await.is_none_or(|why| why.contains("f1")) }).await;
    assert!(said().await.is_some_and(|why| why.contains("older than what was answered")) && !answers(&reader));
    // filled anew it may be read, whatever the number of its generation
    until("the writer is connected", || async { world.projection().stored().await.is_ok() }).await;
    writer.projection = world.projection();
    assert_eq!(writer.rebuild(changes).await.unwrap(), Applied::Done);
    reader.wait(2, PATIENCE).await.unwrap();
    writer.check(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_position_asks_for_a_rebuild() {
    let server_process = start();
    let world = Real::new(server_process.address());
    let mut writer = Given::live(&world, vec![node(1, None, "a")]).await;
    let reader = world.reader().await;
    reader.wait(0, PATIENCE).await.unwrap();
    delete_all(&world.client().await, &world.path(&format!("position/{}-1", writer.log))).await;
    assert_eq!(writer.projection.stored().await.unwrap(), None);
    assert_eq!(writer.write(&[server(2, "web-2")]).await, Applied::Refused);
    // what readers see is still right
    assert!(answers(&reader));
    assert_eq!(writer.rebuild(vec![node(1, None, "a"), server(2, "web-2")]).await.unwrap(), Applied::Done);
    reader.wait(1, PATIENCE).await.unwrap();
    writer.check(&world).await;
    // the generation before is deleted in the end
    let client = world.client().await;
    until("one generation is left", || async {
        client.list_children(world.path("").trim_end_matches('/')).await.unwrap().iter().filter(|name| name.starts_with('g')).count() == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_by_somebody_else_is_noticed() {
    let server_process = start();
    let mut world = Real::new(server_process.address());
    // the time for which a reader stops, at least: long enough to be seen
    world.config.settle = Duration::from_secs(8);
    let mut writer = Given::live(&world, vec![node(1, None, "a"), server(2, "web-2")]).await;
    let reader = world.reader().await;
    reader.wait(1, PATIENCE).await.unwrap();
    let client = world.client().await;
    let key = server(2, "web-2").key().unwrap();
    let path = find(&client, &world.path("g1"), &key.id()).await;
    let Change::Set(forged) = server(2, "forged") else { panic!("a server") };
    client.set_data(&path, &loki_wire::fact::v1::write_entity(&forged), None).await.unwrap();
    // no new revision explains it: no answer, then everything is read again
    until("the reader stops", || async { !answers(&reader) }).await;
    reader.wait(1, PATIENCE).await.unwrap();
    assert!(world.dump().await.unwrap().1[1].contains("forged"), "a dump shows it");
    assert_eq!(writer.write(&[server(2, "renamed"), node(1, None, "b")]).await, Applied::Done);
    reader.wait(3, PATIENCE).await.unwrap();
    writer.check(&world).await;
    // with less than its revision says it is no answer, and counts as emptied for who writes there
    client.delete(&path, None).await.unwrap();
    until("the reader stops", || async { !answers(&reader) }).await;
    // also after everything was read again
    assert!(reader.wait(1, world.config.settle + Duration::from_secs(3)).await.is_err());
    assert_eq!(writer.write(&[server(2, "again")]).await, Applied::Refused);
    assert_eq!(writer.projection.stored().await.unwrap(), None);
    let changes = vec![node(1, None, "b"), server(2, "again"), server(3, "new"), server(4, "newer"), server(5, "newest")];
    assert_eq!(writer.rebuild(changes).await.unwrap(), Applied::Done);
    writer.check(&world).await;
    reader.wait(4, PATIENCE).await.unwrap();
    // the same with folders gone
    delete_all(&client, &world.path("g2/server")).await;
    assert_eq!(writer.write(&[server(2, "again")]).await, Applied::Refused);
    assert_eq!(writer.projection.stored().await.unwrap(), None);
    assert_eq!(writer.rebuild(vec![server(2, "again")]).await.unwrap(), Applied::Done);
    writer.check(&world).await;
}

/// The path that ends with this name.
async fn find(client: &zookeeper::Client, under: &str, name: &str) -> String {
    let mut open = vec![under.to_owned()];
    while let Some(path) = open.pop() {
        if path.ends_with(&format!("/{name}")) {
            return path;
        }
        open.extend(client.list_children(&path).await.unwrap().into_iter().map(|child| format!("{path}/{child}")));
    }
    panic!("`{name}` is not under `{under}`")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_never_cut_and_one_that_is_too_large_is_named() {
    let server_process = start();
    let mut world = Real::new(server_process.address());
    world.config = Config { multi_operations: 10, multi_bytes: 4 << 10, request_bytes: 64 << 10, ..world.config.clone() };
    let mut writer = Given::live(&world, vec![node(1, None, "a")]).await;
    let servers = |count: u32| -> Vec<Change> { (0..count).map(|number| server(100 + number, &format!("web-{number}"))).collect() };
    let facts = writer.command(&servers(100));
    assert_eq!(writer.apply(Target::Main, &facts).await.unwrap(), Applied::Done);
    writer.check(&world).await;
    let facts = writer.command(&servers(1_000));
    match writer.apply(Target::Main, &facts).await {
        Err(StoreError::Unusable(message)) => assert!(message.contains("jute.maxbuffer"), "{message}"),
        other => panic!("{other:?}"),
    }
    writer.check(&world).await;
    // a large entity alone is fine
    let Change::Set(Entity::Node(mut large)) = node(1, None, "a") else { unreachable!() };
    large.contacts = (0..20).map(|number| format!("{number}{}", "x".repeat(100)).parse::<Text>().unwrap()).collect();
    assert_eq!(writer.write(&[Change::Set(Entity::Node(large))]).await, Applied::Done);
    writer.check(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shadow_survives_a_lost_connection() {
    let mut server_process = start();
    let world = Real::new(server_process.address());
    let mut writer = Writer::new(&world, 1);
    writer.projection.begin_rebuild(writer.log, 0).await.unwrap();
    let facts = writer.facts(&[node(1, None, "a"), server(2, "web-2")]);
    assert_eq!(writer.apply(Target::Shadow, &facts).await.unwrap(), Applied::Done);
    task_block(|| server_process.kill().unwrap());
    let facts = writer.facts(&[server(2, "renamed"), server(3, "web-3")]);
    assert!(matches!(writer.apply(Target::Shadow, &facts).await, Err(StoreError::Away(_))));
    task_block(|| server_process.restart().unwrap());
    let started = Stopwatch::start();
    while writer.apply(Target::Shadow, &facts).await.map_or(true, |applied| applied != Applied::Done) {
        assert!(started.elapsed() < PATIENCE, "the store has not come back");
    }
    assert_eq!(writer.projection.finish_rebuild(writer.log, 4, 1_000).await.unwrap(), Applied::Done);
    writer.check(&world).await;
    let same = Batch { log: writer.log, target: Target::Main, from: 4, to: 4, items: &[], state: State::Live, ended_ms: None };
    assert_eq!(writer.projection.apply(same).await.unwrap(), Applied::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shadow_goes_on_where_a_batch_was_cut_off() {
    let server_process = start();
    let world = Real::with(Config { multi_operations: 1, ..Real::new(server_process.address()).config.clone() });
    let mut writer = Writer::new(&world, 1);
    writer.projection.begin_rebuild(writer.log, 0).await.unwrap();
    let facts = writer.facts(&[node(1, None, "a"), server(2, "web-2")]);
    assert_eq!(writer.apply(Target::Shadow, &facts).await.unwrap(), Applied::Done);
    // a piece each, and the third one fails
    let facts = writer.facts(&[server(3, "web-3"), server(4, "web-4"), server(2, "renamed"), server(5, "web-5")]);
    let client = world.client().await;
    let path = find(&client, &world.path("g1"), &server(2, "web-2").key().unwrap().id()).await;
    let (data, _) = client.get_data(&path).await.unwrap();
    client.delete(&path, None).await.unwrap();
    assert!(matches!(writer.apply(Target::Shadow, &facts).await, Err(StoreError::Away(_))));
    assert_eq!(rebuilding(&world.config).await.unwrap(), Some(4), "half of it is written");
    let options = zookeeper::CreateMode::Persistent.with_acls(zookeeper::Acls::anyone_all());
    client.create(&path, &data, &options).await.unwrap();
    assert_eq!(writer.apply(Target::Shadow, &facts).await.unwrap(), Applied::Done);
    // once more, and it is somewhere else
    writer.position = 2;
    assert_eq!(writer.apply(Target::Shadow, &facts).await.unwrap(), Applied::Refused);
    writer.position = 6;
    assert_eq!(writer.projection.finish_rebuild(writer.log, 6, 1_000).await.unwrap(), Applied::Done);
    writer.check(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_credentials_nobody_else_may_write() {
    let server_process = start();
    let mut world = Real::new(server_process.address());
    world.config.auth = Secret::new("loki:right");
    let mut writer = Given::live(&world, vec![node(1, None, "a")]).await;
    let reader = world.reader().await;
    reader.wait(0, PATIENCE).await.unwrap();
    for auth in ["", "loki:wrong"] {
        let stranger = Real::with(Config { auth: Secret::new(auth), ..world.config.clone() });
        match stranger.projection().stored().await {
            Err(StoreError::Unusable(message)) => assert!(message.contains("zookeeper.auth"), "{message}"),
            other => panic!("{other:?}"),
        }
        let reader = stranger.reader().await;
        assert!(reader.wait(0, Duration::from_millis(300)).await.is_err());
    }
    assert_eq!(writer.write(&[server(2, "web-2")]).await, Applied::Done);
    reader.wait(1, PATIENCE).await.unwrap();
    writer.check(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_call_leaves_the_writer_usable() {
    let server_process = start();
    let world = Real::patient(server_process.address());
    let mut writer = Writer::new(&world, 1);
    writer.projection.begin_rebuild(writer.log, 0).await.unwrap();
    for target in [Target::Shadow, Target::Main] {
        for round in 0..10 {
            // standing still, the server answers after the call was dropped
            stand_still(&server_process).await;
            let changes =
                [server(2, &format!("web-{round}")), if round % 2 == 0 { node(1, None, "a") } else { Change::Removed(node_key(1)) }];
            let facts = writer.facts(&changes);
            let ended = task::timeout(Duration::from_millis(20), writer.apply(target, &facts)).await;
            server_process.resume().unwrap();
            assert!(ended.is_none(), "{target:?} {round}: {ended:?}");
            // it was applied or not: what follows says so
            if writer.apply(target, &facts).await.unwrap() == Applied::Refused {
                writer.position += 2;
                writer.changes.extend(changes);
            }
            let facts = writer.facts(&[server(3, &format!("next-{round}"))]);
            assert_eq!(writer.apply(target, &facts).await.unwrap(), Applied::Done, "{target:?} {round}");
        }
        if target == Target::Shadow {
            assert_eq!(writer.projection.finish_rebuild(writer.log, writer.position, 1_000).await.unwrap(), Applied::Done);
        }
        writer.check(&world).await;
    }
}
