//! Somebody else deletes in ZooKeeper while Loki writes and reads there.

use std::time::Duration;

use loki_runner::Applied;
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;
use loki_testing::real;
use loki_zookeeper::contract::{Given, PATIENCE, World, Writer, mount, node, server};

use super::given::Real;

/// Servers that are mounted when somebody begins to delete.
const MOUNTED: u32 = 200;

/// `deleteall` takes its time and begins with the entities, while the writer goes on with new revisions: what is left is never an answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_have_deleted_is_never_the_answer() {
    let servers = task::spawn_blocking("shared", || real::shared().zookeeper.clone()).await.unwrap();
    let world = Real::new(servers);
    let mut changes = vec![node(1, None, "a")];
    changes.extend((0..MOUNTED).flat_map(|number| [server(100 + number, &format!("web-{number}")), mount(1, 100 + number)]));
    let mut writer = Given::live(&world, changes.clone()).await;
    let reader = world.reader().await;
    reader.wait(writer.position - 1, PATIENCE).await.unwrap();

    let client = world.client().await;
    let mut left = MOUNTED;
    let mounts = world.path("g1/mount");
    let mut buckets = client.list_children(&mounts).await.unwrap().into_iter();
    while left > MOUNTED / 2 {
        let bucket = format!("{mounts}/{}", buckets.next().unwrap());
        for mount in client.list_children(&bucket).await.unwrap() {
            client.delete(&format!("{bucket}/{mount}"), None).await.unwrap();
            left -= 1;
        }
        // each is a new revision, until the writer notices
        writer.write(&[node(1, None, &format!("a{left}"))]).await;
        if let Ok(answer) = reader.servers("/", true) {
            let body: serde_json::Value = serde_json::from_slice(&answer.value.unwrap().body).unwrap();
            assert_eq!(body["servers"].as_array().unwrap().len(), MOUNTED as usize, "{left} are left");
        }
    }
    // what is left does not become the answer when it is quiet again, nor for a reader that begins now
    let another = world.reader().await;
    assert!(another.wait(0, world.config.settle * 3).await.is_err());
    assert!(reader.wait(0, Duration::from_millis(1)).await.is_err());
    // the writer notices by itself, also one that begins now
    for mut writer in [writer, Writer::new(&world, 1)] {
        let started = Stopwatch::start();
        while writer.projection.stored().await.unwrap().is_some() {
            assert!(started.elapsed() < PATIENCE, "the writer does not notice");
            task::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(writer.write(&[node(2, None, "b")]).await, Applied::Refused);
    }
    let mut writer = Writer::new(&world, 1);
    changes.extend((0..MOUNTED).map(|number| node(1_000 + number, None, &format!("n-{number}"))));
    assert_eq!(writer.rebuild(changes).await.unwrap(), Applied::Done);
    writer.check(&world).await;
    for reader in [reader, another] {
        reader.wait(writer.position - 1, PATIENCE).await.unwrap();
    }
}
