//! A rebuild that is asked for from outside, and how far it is.

use std::time::Duration;

use loki_domain::LogId;
use loki_runner::{Applied, Batch, State, Stored, Target};
use loki_zookeeper::contract::{PATIENCE, World, Writer, node, server};
use loki_zookeeper::{forget, rebuilding};

use crate::recovery::until;
use crate::shared;

#[tokio::test]
async fn how_far_a_rebuild_is_can_be_seen() {
    let world = shared().await;
    let log = LogId::MIN;
    let mut projection = world.projection();
    assert_eq!(rebuilding(&world.config).await.unwrap(), None);
    for _ in 0..2 {
        projection.begin_rebuild(log, 0).await.unwrap();
        assert_eq!(rebuilding(&world.config).await.unwrap(), Some(0));
        let batch = Batch { log, target: Target::Shadow, from: 0, to: 7, items: &[], state: State::Building, ended_ms: None };
        assert_eq!(projection.apply(batch).await.unwrap(), Applied::Done);
        assert_eq!(rebuilding(&world.config).await.unwrap(), Some(7));
        assert_eq!(projection.finish_rebuild(log, 7, 1).await.unwrap(), Applied::Done);
        assert_eq!(rebuilding(&world.config).await.unwrap(), None);
        for _ in 0..2 {
            forget(&world.config).await.unwrap();
            assert!(projection.stored().await.unwrap().is_some() && projection.is_asked());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_keep_a_store_that_is_asked_unless_it_is_given_up() {
    let world = shared().await;
    let mut writer = Writer::new(&world, 1);
    forget(&world.config).await.unwrap();
    assert_eq!(writer.projection.stored().await.unwrap(), None);
    assert_eq!(writer.rebuild(vec![node(1, None, "a")]).await.unwrap(), Applied::Done);
    let reader = world.reader().await;
    reader.wait(0, PATIENCE).await.unwrap();
    forget(&world.config).await.unwrap();
    // a batch that was under way is refused
    assert_eq!(writer.write(&[server(2, "web-2")]).await, Applied::Refused);
    assert!(writer.projection.stored().await.unwrap().is_some_and(|stored| stored.state == State::Live) && writer.projection.is_asked());
    let told = || async { reader.stored().await.is_ok_and(|stored| stored.is_some_and(|stored| stored.state == State::Building)) };
    until("who asks is told that it is not done", told).await;
    reader.wait(0, PATIENCE).await.unwrap();
    let (log, at) = (writer.log, writer.position);
    let building = Batch { log, target: Target::Main, from: at, to: at, items: &[], state: State::Building, ended_ms: None };
    assert_eq!(writer.projection.apply(building).await.unwrap(), Applied::Refused);
    let wrong =
        Batch { log, target: Target::Main, from: at, to: at, items: &[], state: State::Building, ended_ms: Some(Stored::GIVEN_UP_MS) };
    assert_eq!(writer.projection.apply(wrong).await.unwrap(), Applied::Done);
    assert!(writer.projection.stored().await.unwrap().is_some_and(|stored| stored.is_given_up()) && !writer.projection.is_asked());
    until("readers get nothing", || async { reader.wait(0, Duration::ZERO).await.is_err() }).await;
    assert_eq!(writer.rebuild(vec![node(1, None, "b")]).await.unwrap(), Applied::Done);
    writer.check(&world).await;
    // swapped while it is asked
    forget(&world.config).await.unwrap();
    assert_eq!(writer.rebuild(vec![node(1, None, "c")]).await.unwrap(), Applied::Done);
    writer.check(&world).await;
    assert!(writer.projection.stored().await.unwrap().is_some() && !writer.projection.is_asked());
}
