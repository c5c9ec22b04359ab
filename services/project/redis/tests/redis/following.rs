//! The projector of samples on an embedded log: over memory, and over Redis.

use std::sync::Arc;

use bytes::Bytes;
use loki_log::{Log, NewRecord};
use loki_redis::contract::samples::{PARTITIONS, SamplesWorld, sample};
use loki_redis::samples::{MemorySamples, SamplesReader, SamplesStore, Shape};
use loki_runner::State;

use crate::given::Shared;
use crate::spy::{Fault, Spy};
use crate::topic::{Feed, GROUP, MINUTE, one_each, told, until};

/// A store of each kind.
fn stores() -> (Shared, [Spy; 2]) {
    let shared = Shared::new();
    let memory: Arc<dyn SamplesStore> = Arc::new(MemorySamples::new(Shape::new(PARTITIONS)));
    let stores = [Spy::new(memory), Spy::new(shared.store())];
    (shared, stores)
}

fn shared(spy: &Spy) -> Arc<dyn SamplesStore> {
    Arc::new(spy.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_store_begins_ten_minutes_before_the_end() {
    let (_redis, stores) = stores();
    for spy in &stores {
        let feed = Feed::new(1).await;
        feed.append(&one_each(1, 1.0)).await;
        feed.pass(5 * MINUTE);
        feed.append(&one_each(2, 2.0)).await;
        feed.pass(10 * MINUTE);
        feed.append(&one_each(3, 3.0)[..2]).await;
        // an idle log keeps what it said last
        feed.pass(60 * MINUTE);
        let following = feed.project(&shared(spy));
        feed.caught_up(&following).await;
        assert_eq!(spy.begun(), [(0, 1), (1, 1), (2, 0)], "{spy:?}");
        let last = [&one_each(3, 3.0)[..2], &one_each(2, 2.0)[2..]].concat();
        assert_eq!(following.values("m").await, told(&last));
        until("ready", async || following.health.why_not().is_none()).await;
        following.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_on_where_the_store_is() {
    let (_redis, stores) = stores();
    for spy in &stores {
        let feed = Feed::new(1).await;
        for round in 1..4 {
            let following = feed.project(&shared(spy));
            feed.append(&one_each(round, 1.0)).await;
            feed.caught_up(&following).await;
            feed.append(&one_each(round, 2.0)).await;
            feed.caught_up(&following).await;
            assert_eq!(following.values("m").await, told(&one_each(round, 1.0)), "the first of an instant stays");
            following.stop().await;
            for partition in 0..PARTITIONS {
                let committed = feed.log.committed(GROUP, &Feed::partition(partition)).await.unwrap();
                assert_eq!(committed.map(|committed| committed.position), Some(feed.end(partition).await));
            }
        }
        assert_eq!(spy.begun().len(), PARTITIONS as usize);
        let steps = spy.applied(0);
        assert!(steps.windows(2).all(|pair| pair[0].1 == pair[1].0), "{steps:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_older_than_the_window_is_filled_from_there() {
    let (_redis, stores) = stores();
    for spy in &stores {
        let feed = Feed::new(1).await;
        feed.append(&one_each(1, 1.0)).await;
        let following = feed.project(&shared(spy));
        feed.caught_up(&following).await;
        following.stop().await;
        for round in 2..5 {
            feed.pass(9 * MINUTE);
            feed.append(&one_each(round, 1.0)).await;
        }
        let following = feed.project(&shared(spy));
        feed.caught_up(&following).await;
        assert_eq!(spy.begun(), [(0, 0), (0, 2), (1, 0), (1, 2), (2, 0), (2, 2)]);
        assert_eq!(following.values("m").await, told(&one_each(4, 1.0)));
        following.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_for_it_is_passed() {
    let (_redis, stores) = stores();
    for spy in &stores {
        let feed = Feed::new(1).await;
        let following = feed.project(&shared(spy));
        let points = one_each(1, 1.0);
        // all three in each partition, and something else
        for partition in 0..PARTITIONS {
            feed.append_to(partition, &points).await;
            let value = Some(Bytes::from_static(b"{\"no\":\"points\"}"));
            feed.append_raw(partition, NewRecord { value, ..NewRecord::default() }).await;
            feed.append_raw(partition, NewRecord::default()).await;
        }
        feed.caught_up(&following).await;
        assert_eq!(following.values("m").await, told(&points));
        for partition in 0..PARTITIONS {
            assert_eq!(feed.end(partition).await, 3);
        }
        following.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_emptied_is_filled_again() {
    let redis = Shared::new();
    let memory = MemorySamples::new(Shape::new(PARTITIONS));
    for spy in [Spy::new(Arc::new(memory.clone())), Spy::new(redis.store())] {
        let feed = Feed::new(1).await;
        feed.append(&one_each(1, 1.0)).await;
        feed.append(&[sample("host.up", "host=web01", 1, 1.0)]).await;
        let following = feed.project(&shared(&spy));
        feed.caught_up(&following).await;
        for round in 2..4 {
            memory.clear();
            redis.empty().await;
            // with records, which are refused, or without, which is noticed as well
            if round == 3 {
                feed.append(&one_each(round, 1.0)).await;
            }
            until("filled", async || following.reader.presence(&["web01"]).await.is_ok_and(|heard| heard[0].is_some())).await;
            feed.caught_up(&following).await;
            let last = if round == 3 { one_each(3, 1.0) } else { one_each(1, 1.0) };
            assert_eq!(following.values("m").await, told(&last));
        }
        assert_eq!(spy.begun().len(), 3 * PARTITIONS as usize);
        following.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_another_log_nothing_is_left() {
    let (_redis, stores) = stores();
    for spy in &stores {
        let old = Feed::new(1).await;
        old.append(&one_each(9, 9.0)).await;
        let following = old.project(&shared(spy));
        old.caught_up(&following).await;
        following.stop().await;
        let new = Feed::new(2).await;
        new.append(&one_each(1, 1.0)[..1]).await;
        let following = new.project(&shared(spy));
        new.caught_up(&following).await;
        assert_eq!(following.values("m").await, told(&one_each(1, 1.0)[..1]));
        following.stop().await;
        // of this log, but beyond its end
        let restored = Feed::new(2).await;
        let following = restored.project(&shared(spy));
        restored.caught_up(&following).await;
        assert_eq!(following.values("m").await, Vec::<String>::new());
        following.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_below_what_the_group_has_committed_is_not_read_until_the_end() {
    let (_redis, stores) = stores();
    for spy in &stores {
        let feed = Feed::new(1).await;
        feed.append_to(0, &one_each(1, 1.0)[..1]).await;
        let following = feed.project(&shared(spy));
        feed.caught_up(&following).await;
        following.stop().await;
        // another copy of it has gone on
        for round in 2..4 {
            feed.append_to(0, &one_each(round, 1.0)[..1]).await;
        }
        let mut member = feed.log.member(GROUP, &[Feed::partition(0).topic]).await.unwrap();
        while !matches!(member.next(1, std::time::Duration::from_secs(1)).await.unwrap(), loki_log::Event::Assigned(_)) {}
        member.commit(&Feed::partition(0), 3, None).await.unwrap();
        member.leave().await.unwrap();
        let following = feed.project(&shared(spy));
        feed.caught_up(&following).await;
        let steps = spy.applied(0);
        assert!(steps.contains(&(1, 1, State::Building)), "it is marked before anything else: {steps:?}");
        assert_eq!(steps.last(), Some(&(1, 3, State::Live)), "{steps:?}");
        assert_eq!(spy.begun().len(), PARTITIONS as usize, "it is not filled anew for that");
        following.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_is_waited_for() {
    let (_redis, stores) = stores();
    for spy in &stores {
        let feed = Feed::new(1).await;
        let following = feed.project(&shared(spy));
        feed.caught_up(&following).await;
        until("ready", async || following.health.why_not().is_none()).await;
        spy.fail([Fault::Unusable; 50]);
        feed.append_to(0, &one_each(1, 1.0)[..1]).await;
        until("unusable", async || following.health.why_not().is_some_and(|why| why.contains("cannot be used: as ordered"))).await;
        until("back", async || spy.has_failed()).await;
        feed.caught_up(&following).await;
        let before = spy.applied(1).len();
        spy.fail([Fault::Away, Fault::Unknown, Fault::Away, Fault::Unknown]);
        for round in 2..5 {
            feed.append_to(1, &one_each(round, 1.0)[1..2]).await;
            feed.caught_up(&following).await;
        }
        until("all faults", async || spy.has_failed()).await;
        let steps = spy.applied(1)[before..].to_vec();
        assert_eq!(steps, [(0, 1, State::Live), (1, 2, State::Live), (2, 3, State::Live)], "each once");
        until("ready", async || following.health.why_not().is_none()).await;
        assert_eq!(spy.begun().len(), PARTITIONS as usize);
        following.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_share_the_partitions() {
    let (_redis, stores) = stores();
    for spy in &stores {
        let feed = Feed::new(1).await;
        let first = feed.project(&shared(spy));
        feed.append(&one_each(1, 1.0)).await;
        feed.caught_up(&first).await;
        let second = feed.project(&shared(spy));
        for round in 2..30 {
            feed.append(&one_each(round, 1.0)).await;
        }
        feed.caught_up(&second).await;
        first.stop().await;
        feed.append(&one_each(30, 1.0)).await;
        feed.caught_up(&second).await;
        assert_eq!(second.values("m").await, told(&one_each(30, 1.0)));
        for partition in 0..PARTITIONS {
            let steps = spy.applied(partition);
            assert!(steps.windows(2).all(|pair| pair[0].1 == pair[1].0), "nothing twice, nothing left out: {steps:?}");
        }
        assert_eq!(spy.begun().len(), PARTITIONS as usize);
        second.stop().await;
    }
}
