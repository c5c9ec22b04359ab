//! The store away, late points that cannot be looked up, a log that was cut: one at a time.

use std::time::Duration;

use loki_log::Partition;
use loki_opentsdb::contract::{Faults, sample, series};
use loki_runtime::task;
use loki_wire::dead::DeadLetter;

use crate::world::{NOW_MS, PARTITIONS, World, eventually, host, point};

const SECOND: i64 = 1_000;

fn why(world: &World) -> String {
    world.health.report().components["opentsdb"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_is_waited_for_and_nothing_is_read_meanwhile() {
    let mut world = World::new().await;
    world.config.open_max = 2_100;
    for host in 0..7 {
        world.send(&[point(&format!("web{host}"), NOW_MS, 1.0)]).await;
    }
    world.start();
    world.finished().await;
    let committed = world.committed(0).await;
    world.store.set(Faults { is_away: true, ..Faults::default() });
    for number in 1..3_000 {
        world.send(&[point(&format!("web{}", number % 7), NOW_MS + number * 10, 1.0)]).await;
    }
    eventually("it says that the store is away", || why(&world).contains("switched off")).await;
    assert!(!world.health.report().ready);
    let before = world.store.calls().0;
    task::sleep(Duration::from_millis(200)).await;
    // it is tried again, with pauses
    let tries = world.store.calls().0 - before;
    assert!(tries <= 20, "{tries}");
    assert_eq!(world.committed(0).await, committed);
    world.store.set(Faults::default());
    world.finished().await;
    eventually("it is ready", || world.health.report().ready).await;
    world.stop().await;
    assert_eq!(world.store.cells().len(), 7 + 2_999);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_throttles_counts_as_away() {
    let mut world = World::new().await;
    world.store.set(Faults { refuses: 1_000, ..Faults::default() });
    let samples: Vec<_> = (0..100).map(|second| point("a", NOW_MS - second * SECOND, 1.0)).collect();
    world.send(&samples).await;
    world.start();
    eventually("it says how many", || why(&world).contains("throttled")).await;
    world.store.set(Faults::default());
    world.finished().await;
    world.stop().await;
    assert_eq!(world.stored(&host("a")).len(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn points_that_are_stuck_hold_back_the_commit_and_nobody_else() {
    let mut world = World::new().await;
    world.store.set(Faults { is_partly_away: true, ..Faults::default() });
    let stuck = sample(&series(&"stuck.m".parse().unwrap(), &[("host", "a")]), NOW_MS, 1.0);
    let partition = stuck.series.partition(PARTITIONS);
    let others: Vec<_> =
        (0..20).map(|number| format!("web{number}")).filter(|name| host(name).partition(PARTITIONS) == partition).collect();
    world.send(std::slice::from_ref(&stuck)).await;
    world.start();
    for second in 0..200 {
        world.send(&[point(&others[second as usize % others.len()], NOW_MS + second * 100, 1.0)]).await;
    }
    eventually("the others are stored", || world.store.cells().len() == 200).await;
    for second in 200..400 {
        world.send(&[point(&others[0], NOW_MS + second * 100, 1.0)]).await;
        if why(&world).contains("stuck.m") && second > 300 {
            break;
        }
    }
    eventually("it says which one", || why(&world).contains("stuck.m")).await;
    assert_eq!(world.committed(partition).await, 0);
    world.store.set(Faults::default());
    world.finished().await;
    eventually("it is ready", || world.health.report().ready).await;
    world.stop().await;
    assert_eq!(world.stored(&stuck.series), [(NOW_MS, vec![1.0])]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_points_do_not_hold_fresh_ones_up() {
    let mut world = World::new().await;
    world.send(&[point("a", NOW_MS, 1.0)]).await;
    world.start();
    world.finished().await;
    world.stop().await;
    // it knows the series from the log now, and not how old it is
    world.start();
    world.store.set(Faults { cannot_find: true, ..Faults::default() });
    let late = point("a", NOW_MS - 3_600 * SECOND, 1.0);
    world.send(std::slice::from_ref(&late)).await;
    let partition = late.series.partition(PARTITIONS);
    let committed = world.committed(partition).await;
    for second in 1..500 {
        world.send(&[point("a", NOW_MS + second * 100, 1.0)]).await;
    }
    eventually("fresh points are stored", || world.stored(&host("a")).len() == 500).await;
    eventually("it says what is wrong", || why(&world).contains("looked up")).await;
    // below the late one
    assert_eq!(world.committed(partition).await, committed);
    world.store.set(Faults::default());
    world.finished().await;
    world.stop().await;
    assert_eq!(world.stored(&host("a")).len(), 501);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_value_of_somebody_else_stays() {
    let mut world = World::new().await;
    let (there, twice) = (point("a", NOW_MS, 5.0), point("b", NOW_MS, 5.0));
    world.store.write(&there);
    world.store.write(&twice);
    world.store.write(&point("b", NOW_MS, 6.0));
    let offset = world.send(&[point("a", NOW_MS, 1.0), point("a", NOW_MS + SECOND, 1.0)]).await;
    world.send(&[point("b", NOW_MS, 5.0)]).await;
    world.start();
    world.finished().await;
    world.stop().await;
    assert_eq!(world.stored(&host("a")), [(NOW_MS, vec![5.0]), (NOW_MS + SECOND, vec![1.0])]);
    assert_eq!(world.stored(&host("b")), [(NOW_MS, vec![5.0, 6.0])]);
    let dead = world.dead().await;
    let letter = &dead[&format!("loki.samples/{}/{offset}/0", host("a").partition(PARTITIONS))].0;
    assert_eq!((letter.reason.code.as_str(), dead.len()), ("conflict", 2));
    assert!(letter.reason.message.contains("has 5.0"), "{}", letter.reason.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_misplaced_point_is_appended_where_it_belongs_once() {
    let mut world = World::new().await;
    let sample = point("a", NOW_MS, 1.0);
    let right = sample.series.partition(PARTITIONS);
    let wrong = (right + 1) % PARTITIONS;
    let (value, mut headers) = loki_wire::sample::write([&sample]);
    let text = String::from_utf8(value.to_vec()).unwrap();
    let bare = text.trim_start_matches("{\"points\":").trim_end_matches('}').to_owned() + "}";
    world.send_raw(wrong, vec![bare.replace("]}", "]")]).await;
    world.start();
    world.finished().await;
    let copies = world.read(&World::partition(right)).await;
    assert_eq!(copies.len(), 1);
    assert_eq!(copies[0].header("loki_moved").unwrap(), &format!("loki.samples/{wrong}/0/0"));
    assert_eq!(world.stored(&host("a")), [(NOW_MS, vec![1.0])]);
    // a copy in a wrong partition is nobody's doing but a producer's
    headers.push(("loki_moved".to_owned(), "x".into()));
    let again = loki_log::NewRecord { value: Some(value), headers, ..loki_log::NewRecord::default() };
    loki_log::Log::append(&world.log, &World::partition(wrong), vec![again]).await.unwrap();
    world.finished().await;
    world.stop().await;
    let dead: Vec<DeadLetter> = world.dead().await.into_values().map(|(letter, _)| letter).collect();
    assert_eq!(dead.iter().map(|letter| letter.reason.code.as_str()).collect::<Vec<_>>(), ["misplaced"]);
    assert_eq!(world.read(&World::partition(right)).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_is_read_again_and_not_asked_for() {
    let mut world = World::new().await;
    for second in 0..100 {
        world.clock.set(NOW_MS + second * SECOND);
        world.send(&[point("a", NOW_MS + second * SECOND, 1.0)]).await;
    }
    world.start();
    world.finished().await;
    world.stop().await;
    let (puts, finds) = world.store.calls();
    world.clock.set(NOW_MS + 100 * SECOND);
    // one is known, one is fresh, one loses
    world
        .send(&[point("a", NOW_MS + 99 * SECOND, 1.0), point("a", NOW_MS + 100 * SECOND, 1.0), point("a", NOW_MS + 98 * SECOND, 2.0)])
        .await;
    world.start();
    world.finished().await;
    world.stop().await;
    assert_eq!(world.store.calls(), (puts + 1, finds));
    assert_eq!((world.stored(&host("a")).len(), world.dead().await.len()), (101, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_that_retention_took_are_passed_over() {
    let mut world = World::new().await;
    let partition: Partition = World::partition(host("a").partition(PARTITIONS));
    world.send(&[point("a", NOW_MS, 1.0)]).await;
    world.start();
    world.finished().await;
    world.stop().await;
    for second in 1..10 {
        world.send(&[point("a", NOW_MS + second * SECOND, 1.0)]).await;
    }
    world.clock.set(NOW_MS + 8 * 86_400 * SECOND);
    world.log.compact(world.clock.now_ms()).await.unwrap();
    assert!(loki_log::Log::bounds(&world.log, &partition).await.unwrap().start > 1);
    let last = point("a", world.clock.now_ms(), 1.0);
    world.send(std::slice::from_ref(&last)).await;
    world.start();
    world.finished().await;
    world.stop().await;
    assert_eq!(world.stored(&host("a")), [(NOW_MS, vec![1.0]), (last.at.ms(), vec![1.0])]);
}
