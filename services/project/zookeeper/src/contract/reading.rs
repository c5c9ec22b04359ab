//! What readers see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use loki_runner::{Applied, Batch, State, Target};
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;
use loki_wire::Change;
use loki_wire::mounted::Encoded;

use super::given::{Given, Writer, mount, node, node_key, node_ref, server, servers_body};
use super::{PATIENCE, World};
use crate::port::{Refusal, TreeReader};

/// Steps that are written, at least.
const STEPS: u32 = 300;
/// Steps of which the reader must see this many: then it has read while they were written.
const SEEN: u64 = 30;

pub async fn a_store_that_is_being_filled_is_not_read(world: &dyn World) {
    let mut writer = Given::live(world, vec![node(1, None, "a")]).await;
    let reader = world.reader().await;
    reader.wait(0, PATIENCE).await.unwrap();
    assert_eq!(reader.stored().await.unwrap(), Some(writer.stored()));
    let batch = |state| Batch { log: writer.log, target: Target::Main, from: 1, to: 1, items: &[], state, ended_ms: None };
    assert_eq!(writer.projection.apply(batch(State::Building)).await.unwrap(), Applied::Done);
    until("the reader stops", || matches!(reader.servers("/a", true), Err(Refusal::NotReady(_)))).await;
    assert_eq!(reader.stored().await.unwrap().map(|stored| stored.state), Some(State::Building));
    assert_eq!(writer.projection.apply(batch(State::Live)).await.unwrap(), Applied::Done);
    reader.wait(0, PATIENCE).await.unwrap();
    assert!(reader.servers("/a", true).unwrap().value.is_some());
}

pub async fn a_reader_sees_whole_steps_only(world: &dyn World) {
    // two servers on two nodes have the same name after each step, and a node is there or not
    let mut writer =
        Given::live(world, vec![node(1, None, "a"), server(2, "v0"), server(3, "v0"), mount(1, 2), mount(1, 3), node(4, None, "even")])
            .await;
    let reader = world.reader().await;
    reader.wait(writer.position - 1, PATIENCE).await.unwrap();
    let (done, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let watching = task::spawn_blocking("reader", {
        let (reader, done, seen) = (reader.clone(), done.clone(), seen.clone());
        move || watch(&*reader, &done, &seen)
    });
    let started = Stopwatch::start();
    let mut step = 0;
    while step < STEPS || seen.load(Ordering::SeqCst) < SEEN {
        assert!(started.elapsed() < PATIENCE, "the reader has seen {} of {step} steps", seen.load(Ordering::SeqCst));
        step += 1;
        let name = format!("v{step}");
        let even = if step % 2 == 0 { node(4, None, "even") } else { Change::Removed(node_key(4)) };
        let facts = writer.command(&[server(2, &name), even, server(3, &name)]);
        assert_eq!(writer.apply(Target::Main, &facts).await.unwrap(), Applied::Done);
        if watching.is_finished() {
            break;
        }
    }
    let waited = reader.wait(writer.position - 1, PATIENCE).await;
    done.store(true, Ordering::SeqCst);
    watching.await.unwrap();
    waited.unwrap();
    assert!(servers_body(&*reader, "/a").contains(&format!("v{step}")));
    writer.check(world).await;
}

/// Reads again and again, and counts the steps that it sees.
fn watch(reader: &dyn TreeReader, done: &AtomicBool, seen: &AtomicU64) {
    let mut last = 0;
    while !done.load(Ordering::SeqCst) {
        let answer = reader.servers("/a", false).unwrap();
        assert!(answer.position >= last, "the position went from {last} back to {}", answer.position);
        if answer.position != last {
            seen.fetch_add(1, Ordering::SeqCst);
        }
        last = answer.position;
        let body = String::from_utf8(answer.value.unwrap().body.to_vec()).unwrap();
        let step = (answer.position - 6) / 3;
        assert_eq!(body.matches(&format!("\"name\":\"v{step}\"")).count(), 2, "at {}: {body}", answer.position);
        let tree = reader.tree(&node_ref("/"), 1).unwrap();
        let step = (tree.position - 6) / 3;
        assert_eq!(tree.value.unwrap().children.len() == 2, step.is_multiple_of(2), "at {}", tree.position);
        std::thread::yield_now();
    }
}

pub async fn a_kept_answer_changes_with_what_it_shows(world: &dyn World) {
    let changes = vec![node(1, None, "a"), node(2, Some(1), "b"), node(3, None, "c"), server(4, "web-4"), mount(2, 4), server(5, "web-5")];
    let mut writer = Given::live(world, changes).await;
    let reader = world.reader().await;
    let mut kept = read(&*reader, &writer).await;
    // unrelated: a server that is not mounted there, another node
    for unrelated in [server(5, "renamed"), mount(3, 5), node(6, Some(3), "d")] {
        assert_eq!(writer.write(&[unrelated]).await, Applied::Done);
        let now = read(&*reader, &writer).await;
        assert_eq!(now.etag, kept.etag);
        assert_eq!(now, kept);
    }
    for related in [server(4, "renamed"), mount(1, 5), node(2, Some(1), "z"), Change::Removed(node_key(2))] {
        assert_eq!(writer.write(&[related]).await, Applied::Done);
        let now = read(&*reader, &writer).await;
        assert_ne!(now.etag, kept.etag);
        kept = now;
    }
}

/// The servers under `/a` when everything written is seen.
async fn read(reader: &dyn TreeReader, writer: &Writer) -> Arc<Encoded> {
    reader.wait(writer.position - 1, PATIENCE).await.unwrap();
    reader.servers("/a", true).unwrap().value.unwrap()
}

pub async fn a_reader_follows_a_rebuild(world: &dyn World) {
    let mut writer = Given::live(world, vec![node(1, None, "a"), node(2, None, "b")]).await;
    let reader = world.reader().await;
    reader.wait(1, PATIENCE).await.unwrap();
    assert_eq!(writer.rebuild(vec![node(1, None, "a"), node(3, None, "c"), node(4, None, "d")]).await.unwrap(), Applied::Done);
    reader.wait(2, PATIENCE).await.unwrap();
    let names = |tree: crate::port::Branch| tree.children.into_iter().map(|child| child.name).collect::<Vec<_>>();
    assert_eq!(names(reader.tree(&node_ref("/"), 1).unwrap().value.unwrap()), ["a", "c", "d"]);
    // emptied: no answer until it is there again
    world.empty().await;
    until("the reader stops", || reader.servers("/", true).is_err()).await;
    assert!(reader.wait(1, Duration::from_millis(500)).await.is_err(), "an emptied store has passed nothing");
    assert_eq!(writer.rebuild(vec![node(1, None, "a"), node(3, None, "c"), node(4, None, "d")]).await.unwrap(), Applied::Done);
    reader.wait(2, PATIENCE).await.unwrap();
    assert_eq!(writer.write(&[node(5, None, "e")]).await, Applied::Done);
    reader.wait(3, PATIENCE).await.unwrap();
    assert_eq!(names(reader.tree(&node_ref("/"), 1).unwrap().value.unwrap()), ["a", "c", "d", "e"]);
    let listed = |after: &str| reader.nodes(&"/".parse().unwrap(), 1, Some(&after.parse().unwrap()), 10).unwrap().value.unwrap();
    assert_eq!(listed("/b").into_iter().map(|node| node.path).collect::<Vec<_>>(), ["/c", "/d", "/e"]);
    assert_eq!(reader.stored().await.unwrap(), Some(writer.stored()));
}

pub async fn a_rebuild_takes_no_answer_away(world: &dyn World) {
    let changes = |count: u32| -> Vec<Change> { (0..count).map(|number| node(number, None, &format!("n{number}"))).collect() };
    let mut writer = Given::live(world, changes(100)).await;
    let reader = world.reader().await;
    reader.wait(writer.position - 1, PATIENCE).await.unwrap();
    let rebuilt = Arc::new(AtomicBool::new(false));
    let watching = task::spawn_blocking("reader", {
        let (reader, rebuilt, started) = (reader.clone(), rebuilt.clone(), Stopwatch::start());
        move || {
            loop {
                let ends = rebuilt.load(Ordering::SeqCst) || started.elapsed() > PATIENCE;
                let at = reader.tree(&node_ref("/"), 1)?.position;
                if ends {
                    return Ok::<u64, Refusal>(at);
                }
            }
        }
    });
    for count in 101..104 {
        assert_eq!(writer.rebuild(changes(count)).await.unwrap(), Applied::Done);
        reader.wait(writer.position - 1, PATIENCE).await.unwrap();
    }
    rebuilt.store(true, Ordering::SeqCst);
    assert_eq!(watching.await.unwrap(), Ok(103));
}

pub async fn a_log_that_was_set_back_is_followed(world: &dyn World) {
    let mut writer = Given::live(world, vec![node(1, None, "a"), node(2, None, "b"), node(3, None, "c")]).await;
    let reader = world.reader().await;
    reader.wait(2, PATIENCE).await.unwrap();
    // rebuilt from what the log holds now: that is no older copy of the store
    assert_eq!(writer.rebuild(vec![node(1, None, "a"), node(4, None, "d")]).await.unwrap(), Applied::Done);
    until("the reader follows", || reader.tree(&node_ref("/d"), 0).is_ok_and(|answer| answer.value.is_some())).await;
    assert_eq!(reader.tree(&node_ref("/"), 0).unwrap().position, 2);
    assert_eq!(writer.write(&[node(5, None, "e")]).await, Applied::Done);
    reader.wait(2, PATIENCE).await.unwrap();
}

/// Waits for a condition.
pub(super) async fn until(what: &str, condition: impl Fn() -> bool) {
    let started = Stopwatch::start();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        task::sleep(Duration::from_millis(5)).await;
    }
}
