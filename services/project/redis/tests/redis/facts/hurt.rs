//! A store of facts that is hurt: partly deleted, full, set back, asked for a rebuild.

use loki_redis::facts::{RedisProjection, ServersReader, forget};
use loki_runner::{Applied, Batch, Projection, State, StoreError, Stored, Target};
use loki_testing::real::{Redis, Running};
use loki_zookeeper::contract::{Given, Writer, mount, node, server};
use redis::AsyncCommands;

use super::world::Facts;
use crate::given::Shared;
use crate::topic::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lacks_a_part_counts_as_empty() {
    let world = Facts::new();
    let changes = || vec![node(1, None, "a"), server(2, "web-2"), mount(1, 2)];
    for part in ["at", "node", "server", "mount", "edges", "children", "mounts", "places", "own", "under"] {
        let mut writer = Given::live(&world, changes()).await;
        let reader = world.servers();
        assert!(reader.servers("/a", true).await.is_ok());
        let keys = world.0.keys().await;
        let key = keys.iter().find(|key| key.ends_with(&format!(":{part}"))).unwrap();
        world.0.client().await.del::<_, ()>(key).await.unwrap();
        assert_eq!(writer.projection.stored().await.unwrap(), None, "{part}");
        assert_eq!(writer.write(&[server(3, "hole")]).await, Applied::Refused, "{part}");
        let refused = reader.servers("/a", true).await.unwrap_err().to_string();
        assert!(refused.contains("waits to be filled"), "{part}: {refused}");
        assert_eq!(writer.rebuild(changes()).await.unwrap(), Applied::Done, "{part}");
        writer.check(&world).await;
        assert!(reader.servers("/a", true).await.is_ok(), "{part}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_for_a_rebuild_is_found() {
    let world = Facts::new();
    forget(&world.0.config).await.unwrap();
    let mut writer = Given::live(&world, vec![node(1, None, "a")]).await;
    let mut projection = world.writer();
    assert!(projection.stored().await.unwrap().is_some() && !projection.is_asked());
    forget(&world.0.config).await.unwrap();
    assert_eq!(projection.stored().await.unwrap(), Some(writer.stored()));
    assert!(projection.is_asked());
    let reader = world.servers();
    assert!(reader.servers("/a", true).await.unwrap().value.is_some(), "readers keep what there is");
    assert_eq!(reader.stored().await.unwrap().map(|stored| stored.state), Some(State::Building));
    assert_eq!(writer.write(&[server(2, "web-2")]).await, Applied::Refused);
    // giving up takes the place of the request
    let (log, ended_ms) = (writer.log, Some(Stored::GIVEN_UP_MS));
    let gives_up = Batch { log, target: Target::Main, from: 1, to: 1, items: &[], state: State::Building, ended_ms };
    assert_eq!(projection.apply(gives_up).await.unwrap(), Applied::Done);
    assert!(projection.stored().await.unwrap().unwrap().is_given_up() && !projection.is_asked());
    assert!(reader.servers("/a", true).await.is_err());
    forget(&world.0.config).await.unwrap();
    assert_eq!(writer.rebuild(vec![node(1, None, "b")]).await.unwrap(), Applied::Done);
    assert!(projection.stored().await.unwrap().is_some() && !projection.is_asked());
    writer.check(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_takes_no_part_of_a_batch() {
    let server_process = tokio::task::block_in_place(|| Running::start(&Redis).unwrap());
    let world = Facts(Shared::at(&server_process.url()));
    let mut writer = Given::live(&world, vec![node(1, None, "a")]).await;
    let mut client = world.0.client().await;
    let mut set =
        async |value: &str| redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(value).query_async::<()>(&mut client).await.unwrap();
    set("1").await;
    let facts = writer.facts(&[server(2, "web-2"), mount(1, 2), node(3, Some(1), "b")]);
    match writer.apply(Target::Main, &facts).await {
        Err(StoreError::Away(message)) => assert!(message.contains("raise `maxmemory`"), "{message}"),
        other => panic!("{other:?}"),
    }
    writer.check(&world).await;
    set("0").await;
    assert_eq!(writer.apply(Target::Main, &facts).await.unwrap(), Applied::Done);
    writer.check(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_copy_is_not_read() {
    let mut server_process = tokio::task::block_in_place(|| Running::start(&Redis).unwrap());
    let world = Facts(Shared::at(&server_process.url()));
    let mut writer = Given::live(&world, vec![node(1, None, "a"), node(2, None, "b")]).await;
    let copy = tokio::task::block_in_place(|| {
        server_process.stop().unwrap();
        let copy = server_process.snapshot_data().unwrap();
        server_process.restart().unwrap();
        copy
    });
    let reader = world.servers();
    until("back", async || reader.servers("/b", false).await.is_ok()).await;
    let facts = writer.facts(&[node(3, None, "c")]);
    until("written", async || matches!(writer.apply(Target::Main, &facts).await, Ok(Applied::Done))).await;
    assert!(reader.servers("/c", false).await.unwrap().value.is_some());
    tokio::task::block_in_place(|| {
        server_process.kill().unwrap();
        server_process.restore_data(&copy).unwrap();
        server_process.restart().unwrap();
    });
    until("the copy is seen", async || reader.servers("/c", false).await.unwrap_err().to_string().contains("is at f2, which is older"))
        .await;
    assert_eq!(reader.stored().await.unwrap().map(|stored| stored.position), Some(2));
    // replayed by another process
    let mut other = Writer { position: 2, ..Writer::new(&world, 1) };
    assert_eq!(other.write(&[node(3, None, "c")]).await, Applied::Done);
    assert!(reader.servers("/c", false).await.unwrap().value.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_said_to_be() {
    let mut server_process = tokio::task::block_in_place(|| Running::start(&Redis).unwrap());
    let world = Facts(Shared::at(&server_process.url()));
    let mut projection: RedisProjection = world.writer();
    assert_eq!(projection.stored().await.unwrap(), None);
    tokio::task::block_in_place(|| server_process.kill().unwrap());
    assert!(matches!(projection.stored().await, Err(StoreError::Away(_))));
    assert!(world.servers().wait(0, std::time::Duration::from_millis(50)).await.unwrap_err().to_string().contains("redis"));
    tokio::task::block_in_place(|| server_process.restart().unwrap());
    until("back", async || projection.stored().await.is_ok()).await;
}
