//! A writer that never rests: readers keep up with it, and see whole steps only.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use loki_domain::LogId;
use loki_runner::{Applied, Target};
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;
use loki_testing::real;
use loki_wire::{Change, Fact};
use loki_zookeeper::contract::{Given, PATIENCE, World, Writer, fold, mount, node, node_key, node_ref, server};
use loki_zookeeper::{Config, TreeReader, dump};

use super::given::Real;

/// How long it writes, at least.
const BUSY: Duration = Duration::from_secs(3);
/// Commands of one batch. Each is a step of its own, and several are on their way at once.
const COMMANDS: u64 = 1_024;
/// Facts of the first state, and of each command after it.
const FIRST: u64 = 6;
const FACTS: u64 = 3;
/// One of so many steps is seen by a reader, at least. One that waits for the writer to rest sees one of some hundreds.
const SEEN_OF: u64 = 60;

fn first() -> Vec<Change> {
    vec![node(1, None, "a"), server(2, "v0"), server(3, "v0"), mount(1, 2), mount(1, 3), node(4, None, "even")]
}

/// Two servers have the same name after each step, and a node is there or not.
fn changes(step: u64) -> [Change; FACTS as usize] {
    let name = format!("v{step}");
    let even = if step.is_multiple_of(2) { node(4, None, "even") } else { Change::Removed(node_key(4)) };
    [server(2, &name), even, server(3, &name)]
}

fn batch(from: u64) -> Vec<Fact> {
    let command_of = |step: u64| {
        let command = FIRST + (step - 1) * FACTS;
        let facts = changes(step).into_iter().zip(command..);
        facts.map(move |(change, offset)| Fact { offset, command, last: offset == command + FACTS - 1, change })
    };
    let first = (from - FIRST) / FACTS + 1;
    (first..first + COMMANDS).flat_map(command_of).collect()
}

/// Writes until told to stop.
async fn write(mut writer: Writer, done: Arc<AtomicBool>, steps: Arc<AtomicU64>) -> Writer {
    while !done.load(Ordering::SeqCst) {
        let facts = batch(writer.position);
        assert_eq!(writer.apply(Target::Main, &facts).await.unwrap(), Applied::Done);
        steps.store((writer.position - FIRST) / FACTS, Ordering::SeqCst);
    }
    writer
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
        assert_eq!((answer.position - FIRST) % FACTS, 0, "the position is within a command");
        let body = String::from_utf8(answer.value.unwrap().body.to_vec()).unwrap();
        let step = (answer.position - FIRST) / FACTS;
        assert_eq!(body.matches(&format!("\"name\":\"v{step}\"")).count(), 2, "at {}: {body}", answer.position);
        let tree = reader.tree(&node_ref("/"), 1).unwrap();
        let step = (tree.position - FIRST) / FACTS;
        assert_eq!(tree.value.unwrap().children.len() == 2, step.is_multiple_of(2), "at {}", tree.position);
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The lines that a dump has at this position.
fn lines(log: LogId, position: u64, writer: LogId) -> Vec<String> {
    assert_eq!(log, writer);
    let step = (position - FIRST) / FACTS;
    let mut lines = first();
    if step > 0 {
        lines.extend(changes(step));
    }
    fold(&lines)
}

/// Tells the others to end, also when the test fails.
struct Ends(Arc<AtomicBool>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_never_rests_starves_nobody() {
    let servers = task::spawn_blocking("shared", || real::shared().zookeeper.clone()).await.unwrap();
    let mut world = Real::patient(servers);
    world.config = Config { multi_operations: FACTS as usize, ..world.config.clone() };
    let writer = Given::live(&world, first()).await;
    let log = writer.log;
    let (stopped, done): (Arc<AtomicBool>, Arc<AtomicBool>) = Default::default();
    let (steps, seen): (Arc<AtomicU64>, Arc<AtomicU64>) = Default::default();
    let _ends = (Ends(stopped.clone()), Ends(done.clone()));
    let reader = world.reader().await;
    reader.wait(FIRST - 1, PATIENCE).await.unwrap();
    let watching = task::spawn_blocking("reader", {
        let (reader, done, seen) = (reader.clone(), done.clone(), seen.clone());
        move || watch(&*reader, &done, &seen)
    });
    let started = Stopwatch::start();
    let writing = task::spawn("writer", write(writer, stopped.clone(), steps.clone()));
    // one that begins now, and dumps
    let another = world.reader().await;
    let ready = another.wait(FIRST, PATIENCE).await;
    let keeps_up = || seen.load(Ordering::SeqCst) * SEEN_OF >= steps.load(Ordering::SeqCst);
    let mut dumps = 0;
    // on a machine that stalls it takes longer until all of that was seen
    while started.elapsed() < BUSY || ((dumps == 0 || !keeps_up()) && started.elapsed() < PATIENCE) {
        if writing.is_finished() || watching.is_finished() {
            break;
        }
        if let Some(Ok(dumped)) = task::timeout(PATIENCE, dump(&world.config)).await {
            let (stored, found) = dumped.unwrap();
            assert_eq!(found, lines(stored.log, stored.position, log), "at {}", stored.position);
            dumps += 1;
        }
    }
    let (kept_up, seen_while_busy) = (keeps_up(), seen.load(Ordering::SeqCst));
    stopped.store(true, Ordering::SeqCst);
    let mut writer = writing.await.unwrap();
    for reader in [&reader, &another] {
        reader.wait(writer.position - 1, PATIENCE).await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    watching.await.unwrap();
    let steps = steps.load(Ordering::SeqCst);
    ready.expect("a reader that begins while it is written to");
    assert!(kept_up, "the reader has seen {seen_while_busy} of {steps} steps");
    assert!(dumps > 0, "no dump while it is written to");
    writer.check(&world).await;
}

/// Servers that each command renames: with paths so long they are too many for one question.
const RENAMED: u32 = 1_500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_is_too_large_for_one_question_is_seen_whole() {
    let servers = task::spawn_blocking("shared", || real::shared().zookeeper.clone()).await.unwrap();
    let mut world = Real::patient(servers);
    world.config.chroot.push_str(&format!("/{}", "x".repeat(200)));
    let rename = |step: u32| (0..RENAMED).map(move |number| server(10 + number, &format!("v{step}-{number}")));
    let mounts = (0..RENAMED).map(|number| mount(1, 10 + number));
    let mut writer = Given::live(&world, [node(1, None, "a")].into_iter().chain(rename(0)).chain(mounts).collect()).await;
    let first = writer.position;
    let reader = world.reader().await;
    reader.wait(first - 1, PATIENCE).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let _ends = Ends(done.clone());
    let watching = task::spawn_blocking("reader", {
        let (reader, done) = (reader.clone(), done.clone());
        move || {
            while !done.load(Ordering::SeqCst) {
                let answer = reader.servers("/a", false).unwrap();
                let body = String::from_utf8(answer.value.unwrap().body.to_vec()).unwrap();
                let step = (answer.position - first) / u64::from(RENAMED);
                assert_eq!(body.matches(&format!("\"name\":\"v{step}-")).count(), RENAMED as usize, "at {}", answer.position);
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    for step in 1..=10 {
        let facts = writer.command(&rename(step).collect::<Vec<_>>());
        assert_eq!(writer.apply(Target::Main, &facts).await.unwrap(), Applied::Done);
    }
    reader.wait(writer.position - 1, PATIENCE).await.unwrap();
    done.store(true, Ordering::SeqCst);
    watching.await.unwrap();
    writer.check(&world).await;
}
