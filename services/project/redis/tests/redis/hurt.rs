//! Redis that is hurt: killed, standing still, full, a replica, set back, partly deleted.

use std::sync::Arc;
use std::time::Duration;

use loki_redis::Config;
use loki_redis::contract::samples::{SamplesWorld, Writer, log, sample, steps};
use loki_redis::samples::{RedisSamples, SamplesReader, SamplesStore, Shape, Step};
use loki_runner::{Applied, State, StoreError};
use loki_runtime::clock::Stopwatch;
use loki_testing::real::{Redis, Running};
use redis::AsyncCommands;

use crate::given::Shared;
use crate::topic::{Feed, one_each, told, until};

fn start() -> Running {
    tokio::task::block_in_place(|| Running::start(&Redis).unwrap())
}

fn told_away(answer: Result<Applied, StoreError>) -> String {
    match answer {
        Err(StoreError::Away(message)) => message,
        other => panic!("{other:?}"),
    }
}

async fn set(world: &Shared, setting: &str, value: &str) {
    let mut client = world.client().await;
    redis::cmd("CONFIG").arg("SET").arg(setting).arg(value).query_async::<()>(&mut client).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_takes_nothing_and_loses_nothing() {
    let server = start();
    let world = Shared::at(&server.url());
    let mut writer = Writer::live(&world).await;
    assert_eq!(writer.write(0, &[sample("m", "a=1", 1, 1.0)], 1).await, Applied::Done);
    set(&world, "maxmemory", "1").await;
    let points: Vec<_> = (0..1_000).map(|number| sample("host.up", &format!("host=h{number}"), 1, 1.0)).collect();
    let step = steps(1, &points, 2, writer.store.shape()).remove(0);
    for _ in 0..3 {
        let message = told_away(writer.apply(0, &step, State::Live).await);
        assert!(message.contains("raise `maxmemory`"), "{message}");
        // not even a part of it
        assert_eq!(writer.place(0).await.map(|place| place.stored.position), Some(1));
        assert_eq!(world.size(0).await, (1, 0));
    }
    assert_eq!(writer.values("m", "").await, ["m{a=1} 1 1.0"]);
    set(&world, "maxmemory", "0").await;
    assert_eq!(writer.apply(0, &step, State::Live).await.unwrap(), Applied::Done);
    assert_eq!(world.size(0).await, (1_001, 1_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_throws_things_away_is_not_used() {
    let server = start();
    let world = Shared::at(&server.url());
    set(&world, "maxmemory-policy", "allkeys-lru").await;
    let refused = world.samples().begin(0, None, log(1), 0).await;
    match refused {
        Err(StoreError::Unusable(message)) => {
            assert!(message.contains("`maxmemory-policy` is `allkeys-lru`") && message.contains("`noeviction`"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.keys().await, Vec::<String>::new());
    set(&world, "maxmemory-policy", "noeviction").await;
    assert_eq!(world.samples().begin(0, None, log(1), 0).await.unwrap(), Applied::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_read_and_not_written() {
    let (primary, replica) = (start(), start());
    let world = Shared::at(&primary.url());
    let mut writer = Writer::live(&world).await;
    assert_eq!(writer.write(0, &[sample("m", "a=1", 1, 1.0)], 1).await, Applied::Done);
    let copy = Shared { config: Config { prefix: world.config.prefix.clone(), ..Config::new(replica.url()) } };
    let mut client = copy.client().await;
    redis::cmd("REPLICAOF").arg("127.0.0.1").arg(primary.port()).query_async::<()>(&mut client).await.unwrap();
    let mut other = Writer::new(&copy);
    other.at[0] = 1;
    until("the copy is there", async || other.store.place(0).await.ok().flatten().is_some_and(|place| place.stored.position == 1)).await;
    assert_eq!(other.values("m", "").await, ["m{a=1} 1 1.0"]);
    let message = told_away(other.apply(0, &Step { from: 1, to: 2, ..Step::default() }, State::Live).await);
    assert!(message.contains("must name the primary"), "{message}");
    assert_eq!(writer.write(0, &[sample("m", "a=1", 2, 2.0)], 1).await, Applied::Done);
    until("the copy follows", async || other.values("m", "").await == ["m{a=1} 2 2.0"]).await;
    // failed over to
    redis::cmd("REPLICAOF").arg("NO").arg("ONE").query_async::<()>(&mut client).await.unwrap();
    other.at[0] = 2;
    assert_eq!(other.write(0, &[sample("m", "a=1", 3, 3.0)], 1).await, Applied::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lacks_a_part_counts_as_empty() {
    let world = Shared::new();
    for (name, partition) in ["values", "times", "names", "hosts"].into_iter().zip([0, 1, 2, 0]) {
        let mut writer = Writer::live(&world).await;
        assert_eq!(writer.write(partition, &[sample("host.up", "host=web01", 1, 1.0)], 1).await, Applied::Done);
        world.client().await.del::<_, ()>(world.key(partition, name)).await.unwrap();
        assert_eq!(writer.place(partition).await, None, "{name}");
        assert_eq!(writer.write(partition, &[sample("m", "a=1", 2, 1.0)], 1).await, Applied::Refused, "{name}");
        let refused = writer.reader.presence(&["web01"]).await.unwrap_err().to_string();
        assert!(refused.contains(&format!("partition {partition} is empty")), "{refused}");
        assert_eq!(writer.begin(partition, 1).await, Applied::Done, "{name}");
        assert_eq!(writer.write(partition, &[sample("host.up", "host=web01", 1, 1.0)], 1).await, Applied::Done, "{name}");
        world.empty().await;
    }
    // and what others have put there cannot be used
    let writer = Writer::live(&world).await;
    let mut client = world.client().await;
    client.del::<_, ()>(world.key(0, "values")).await.unwrap();
    client.set::<_, _, ()>(world.key(0, "values"), "text").await.unwrap();
    match writer.store.place(0).await {
        Err(StoreError::Unusable(message)) => assert!(message.contains("others write to keys"), "{message}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_is_used_again() {
    let mut server = start();
    let mut world = Shared::at(&server.url());
    world.config.response_timeout = Duration::from_millis(300);
    let mut writer = Writer::live(&world).await;
    for (round, hurt) in (0u64..3).zip(["killed", "standing still", "without scripts"]) {
        let step = steps(round, &[sample("m", "a=1", 1 + round as i64, 1.0)], 1, writer.store.shape()).remove(0);
        match hurt {
            "killed" => {
                // so that it is there again after the kill
                redis::cmd("SAVE").query_async::<()>(&mut world.client().await).await.unwrap();
                tokio::task::block_in_place(|| server.kill().unwrap());
                told_away(writer.apply(0, &step, State::Live).await);
                assert!(writer.reader.presence(&[]).await.is_err());
                tokio::task::block_in_place(|| server.restart().unwrap());
            }
            "standing still" => {
                server.pause().unwrap();
                let watch = Stopwatch::start();
                told_away(writer.apply(0, &step, State::Live).await);
                assert!(watch.elapsed() < Duration::from_secs(5), "{:?}", watch.elapsed());
                server.resume().unwrap();
            }
            _ => redis::cmd("SCRIPT").arg("FLUSH").query_async::<()>(&mut world.client().await).await.unwrap(),
        }
        until(hurt, async || match writer.apply(0, &step, State::Live).await {
            Ok(applied) => {
                // what was sent while it stood still may have been taken
                assert!(applied == Applied::Done || hurt == "standing still", "{hurt}");
                writer.at[0] = step.to;
                true
            }
            Err(StoreError::Away(_)) => false,
            Err(other) => panic!("{other}"),
        })
        .await;
        assert_eq!(writer.values("m", "").await, [format!("m{{a=1}} {} 1.0", 1 + round)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_let_in_with_a_wrong_password() {
    let server = start();
    let world = Shared::at(&server.url());
    set(&world, "requirepass", "right").await;
    for url in [server.url(), server.url().replace("redis://", "redis://:wrong@")] {
        let stranger = RedisSamples::new(&Config::new(url), Shape::new(1), loki_runtime::Clock::system()).unwrap();
        match stranger.place(0).await {
            Err(StoreError::Unusable(message)) => assert!(message.contains("`redis.url`") && !message.contains("wrong@"), "{message}"),
            other => panic!("{other:?}"),
        }
    }
    let url = server.url().replace("redis://", "redis://:right@");
    let friend = RedisSamples::new(&Config::new(url), Shape::new(1), loki_runtime::Clock::system()).unwrap();
    assert_eq!(friend.place(0).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_copy_is_not_read_and_replayed() {
    let mut server = start();
    let mut world = Shared::at(&server.url());
    world.config.response_timeout = Duration::from_secs(2);
    let store: Arc<dyn SamplesStore> = world.store();
    let feed = Feed::new(1).await;
    feed.append(&one_each(1, 1.0)).await;
    let following = feed.project(&store);
    feed.caught_up(&following).await;
    let copy = tokio::task::block_in_place(|| {
        server.stop().unwrap();
        let copy = server.snapshot_data().unwrap();
        server.restart().unwrap();
        copy
    });
    for round in 2..5 {
        feed.append(&one_each(round, 1.0)).await;
    }
    feed.caught_up(&following).await;
    assert_eq!(following.values("m").await, told(&one_each(4, 1.0)));
    following.stop().await;
    tokio::task::block_in_place(|| {
        server.kill().unwrap();
        server.restore_data(&copy).unwrap();
        server.restart().unwrap();
    });
    // it is the copy, and this process has read from a newer one
    let reader = loki_redis::samples::Reader::new(store.clone());
    until("a process that has read nothing cannot know", async || reader.presence(&[]).await == Ok(vec![])).await;
    let projector = feed.project(&store);
    feed.caught_up(&projector).await;
    assert_eq!(projector.values("m").await, told(&one_each(4, 1.0)));
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_remembers_how_far_the_store_was() {
    let mut server = start();
    let world = Shared::at(&server.url());
    let mut writer = Writer::live(&world).await;
    assert_eq!(writer.write(0, &[sample("m", "a=1", 1, 1.0)], 1).await, Applied::Done);
    let copy = tokio::task::block_in_place(|| {
        server.stop().unwrap();
        let copy = server.snapshot_data().unwrap();
        server.restart().unwrap();
        copy
    });
    until("back", async || writer.store.place(0).await.is_ok()).await;
    assert_eq!(writer.write(0, &[sample("m", "a=1", 2, 2.0)], 1).await, Applied::Done);
    assert_eq!(writer.values("m", "").await, ["m{a=1} 2 2.0"]);
    tokio::task::block_in_place(|| {
        server.kill().unwrap();
        server.restore_data(&copy).unwrap();
        server.restart().unwrap();
    });
    until("the copy is seen", async || {
        let refused = writer.reader.presence(&[]).await.unwrap_err().to_string();
        refused.contains("partition 0 is at 1, which is older than what was answered before")
    })
    .await;
    // replayed, and beyond
    writer.at[0] = 1;
    assert_eq!(writer.write(0, &[sample("m", "a=1", 2, 2.0)], 1).await, Applied::Done);
    assert_eq!(writer.values("m", "").await, ["m{a=1} 2 2.0"]);
}
