//! Up to 20,000 generated points, a sink that is killed at random moments, and in the end everything read once more.

use std::time::Duration;

use loki_opentsdb::contract::Faults;
use loki_runtime::task;

use crate::given::Generator;
use crate::model::{self, Expected};
use crate::world::{PARTITIONS, World};

async fn run(seed: u64, number: usize, rings_bytes_max: usize, faults: Faults) {
    let mut world = World::new().await;
    world.config.rings_bytes_max = rings_bytes_max;
    let mut generator = Generator::new(seed);
    world.store.set(faults);
    world.start();
    let (mut points, mut kills) = (0, 0);
    while points < number {
        // some seconds of the log, and what came in them
        world.clock.set(world.clock.now_ms() + generator.chance.below(30_000) as i64);
        let mut values: Vec<Vec<String>> = vec![Vec::new(); PARTITIONS as usize];
        for _ in 0..=generator.chance.below(40) {
            let sent = generator.record(world.clock.now_ms());
            points += sent.points;
            values[sent.partition as usize].push(sent.value);
        }
        for (partition, values) in (0..).zip(values) {
            world.send_raw(partition, values).await;
        }
        if generator.chance.happens(30) {
            task::sleep(Duration::from_millis(generator.chance.below(60))).await;
        }
        if generator.chance.happens(12) {
            world.kill().await;
            kills += 1;
            world.start();
        }
    }
    world.finished().await;
    model::check(&world).await;
    let expected = Expected::of(&world).await;
    assert!(kills > 1 && expected.dead.len() > number / 40, "{kills} kills, {} letters", expected.dead.len());
    // everything once more, for a sink that knows nothing
    world.stop().await;
    world.config.group = "another".to_owned();
    world.start();
    world.finished().await;
    world.stop().await;
    model::check(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_good_point_is_stored_once_with_the_value_of_the_lowest_offset() {
    let faults = Faults { fails: 50, refuses: 15, takes: Duration::from_millis(8), ..Faults::default() };
    run(0x5eed, 20_000, 64 << 20, faults).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_is_with_little_memory_and_a_store_that_hardly_works() {
    let faults = Faults { fails: 200, refuses: 80, takes: Duration::from_millis(4), ..Faults::default() };
    run(0xfeed, 6_000, 4_000, faults).await;
}
