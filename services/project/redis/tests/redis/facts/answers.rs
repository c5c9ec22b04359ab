//! The answers are those of the tree, byte for byte, whatever happened and whatever was kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use loki_redis::facts::{Refusal, ServersReader};
use loki_runner::{Applied, State, Stored, Target};
use loki_runtime::task;
use loki_wire::Change;
use loki_zookeeper::View;
use loki_zookeeper::contract::{Given, PATIENCE, World, Writer, mount, node, node_key, server};
use loki_zookeeper::live::Live;

use super::world::Facts;

fn random(seed: &mut u64, below: u32) -> u32 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    (*seed % u64::from(below)) as u32
}

/// Few entities, so that they meet; parents may be missing, or be their own children.
fn change(seed: &mut u64) -> Change {
    let (kind, one, other, name) = (random(seed, 11), random(seed, 6), random(seed, 7), random(seed, 3));
    match kind {
        0..=2 => node(one, (other < 6).then_some(other), &format!("n{name}")),
        3..=4 => server(one, &format!("s{name}")),
        5..=7 => mount(one, other % 6),
        8 => Change::Removed(node_key(one)),
        9 => Change::Removed(server(one, "s").key().unwrap()),
        _ => Change::Removed(mount(one, other % 6).key().unwrap()),
    }
}

/// All that may be asked.
fn questions() -> Vec<String> {
    let mut questions = vec!["/".to_owned()];
    for a in 0..3 {
        questions.push(format!("/n{a}"));
        questions.extend((0..3).map(|b| format!("/n{a}/n{b}")));
    }
    questions.extend((0..6).map(|number| node_key(number).id()));
    questions
}

/// What the tree answers after these changes.
fn tree(changes: &[Change]) -> Live {
    let mut view = View::default();
    changes.iter().for_each(|change| view.apply(change));
    let (live, stored) = (Live::default(), Stored { log: loki_domain::LogId::MIN, position: 1, state: State::Live, ended_ms: 0 });
    live.replace(view, Some(stored), 1);
    live
}

/// Compares the answers to a question.
async fn compare(reader: &dyn ServersReader, writer: &Writer, tree: &Live, question: &str, recursive: bool) {
    let (found, expected) = (reader.servers(question, recursive).await.unwrap(), tree.servers(question, recursive).unwrap());
    assert_eq!(found.position, writer.position);
    let of_found = found.value.map(|encoded| (encoded.body.clone(), encoded.etag.clone()));
    let of_expected = expected.value.map(|encoded| (encoded.body.clone(), encoded.etag.clone()));
    assert_eq!(of_found, of_expected, "{question}, recursive: {recursive}, after {:?}", writer.changes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_are_those_of_the_tree() {
    let world = Facts::new();
    for mut seed in [0x2545_f491_4f6c_dd1d_u64, 7, 0xdead_beef_0000_0001] {
        let mut writer = Given::live(&world, vec![]).await;
        let reader = world.servers();
        for _ in 0..30 {
            let changes: Vec<Change> = (0..=random(&mut seed, 3)).map(|_| change(&mut seed)).collect();
            assert_eq!(writer.write(&changes).await, Applied::Done);
            let tree = tree(&writer.changes);
            for question in questions() {
                for recursive in [false, true] {
                    compare(&reader, &writer, &tree, &question, recursive).await;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_ones_are_put_together() {
    let world = Facts::new();
    // nodes in a row of rows, with servers of which each is on two of them; one node has more than a question looks at
    let mut changes: Vec<Change> = vec![node(1, None, "a"), node(2, Some(1), "full")];
    changes.extend((0..60).map(|number| node(10 + number, Some(if number < 6 { 1 } else { 4 + number / 6 }), &format!("n{number}"))));
    changes.extend((0..3_000).map(|number| server(1_000 + number, &format!("web-{number}"))));
    changes.extend((0..3_000).flat_map(|number| [mount(2, 1_000 + number), mount(10 + number % 60, 1_000 + number)]));
    let mut writer = Writer::new(&world, 1);
    writer.projection.begin_rebuild(writer.log, 0).await.unwrap();
    for some in changes.chunks(1_000) {
        let facts = writer.facts(some);
        assert_eq!(writer.apply(Target::Shadow, &facts).await.unwrap(), Applied::Done);
    }
    assert_eq!(writer.projection.finish_rebuild(writer.log, writer.position, 1_000).await.unwrap(), Applied::Done);
    let reader = world.servers();
    for related in [server(1_007, "renamed"), node(10, Some(2), "moved"), mount(10, 1_007), Change::Removed(node_key(11))] {
        let tree = tree(&writer.changes);
        for (question, recursive) in [("/", true), ("/a", true), ("/a/full", false), ("/a/full", true), ("/a/n1", true), ("/", false)] {
            compare(&reader, &writer, &tree, question, recursive).await;
        }
        assert_eq!(writer.write(&[related]).await, Applied::Done);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_sees_whole_steps() {
    let world = Facts::new();
    // servers on two nodes have the same name after each step
    let changes = vec![node(1, None, "a"), node(2, Some(1), "b"), server(3, "v0"), server(4, "v0"), mount(1, 3), mount(2, 4)];
    let mut writer = Given::live(&world, changes).await;
    let (reader, done) = (Arc::new(world.servers()), Arc::new(AtomicBool::new(false)));
    let watching = task::spawn("reader", {
        let (reader, done) = (reader.clone(), done.clone());
        async move {
            let (mut last, mut seen, mut in_vain) = (0, 0, 0);
            while !done.load(Ordering::SeqCst) {
                let answer = match reader.servers("/a", true).await {
                    Ok(answer) => answer,
                    // the writer never rests
                    Err(Refusal::NotReady(why)) if why.0.contains("changes faster") => {
                        in_vain += 1;
                        continue;
                    }
                    Err(other) => panic!("{other}"),
                };
                assert!(answer.position >= last, "the position went from {last} back to {}", answer.position);
                seen += u64::from(answer.position > last);
                last = answer.position;
                let body = String::from_utf8(answer.value.unwrap().body.to_vec()).unwrap();
                let step = (answer.position - 6) / 2;
                assert_eq!(body.matches(&format!("\"name\":\"v{step}\"")).count(), 2, "at {last}: {body}");
            }
            (seen, in_vain)
        }
    });
    for step in 1..400 {
        let name = format!("v{step}");
        let facts = writer.command(&[server(3, &name), server(4, &name)]);
        assert_eq!(writer.apply(Target::Main, &facts).await.unwrap(), Applied::Done);
    }
    reader.wait(writer.position - 1, PATIENCE).await.unwrap();
    done.store(true, Ordering::SeqCst);
    let (seen, in_vain) = watching.await.unwrap();
    assert!(seen > 30 && in_vain < seen, "{seen} steps were seen, {in_vain} questions in vain");
    writer.check(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_takes_no_answer_away() {
    let world = Facts::new();
    let changes = |count: u32| (0..count).map(|number| node(number, None, &format!("n{number}"))).collect::<Vec<_>>();
    let mut writer = Given::live(&world, changes(20)).await;
    let (reader, done) = (Arc::new(world.servers()), Arc::new(AtomicBool::new(false)));
    let watching = task::spawn("reader", {
        let (reader, done) = (reader.clone(), done.clone());
        async move {
            let mut last = 0;
            while !done.load(Ordering::SeqCst) {
                let answer = reader.servers("/n7", false).await.unwrap();
                assert!(answer.value.is_some());
                last = answer.position;
            }
            last
        }
    });
    for count in 21..40 {
        assert_eq!(writer.rebuild(changes(count)).await.unwrap(), Applied::Done);
        reader.wait(writer.position - 1, PATIENCE).await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    assert!(watching.await.unwrap() > 20);
    // one that is behind, because its log was set back
    assert_eq!(writer.rebuild(changes(2)).await.unwrap(), Applied::Done);
    assert_eq!(reader.servers("/n1", true).await.unwrap().position, 2);
    assert!(reader.servers("/n7", false).await.unwrap().value.is_none());
    // nothing of all the old ones is left
    let keys = world.0.keys().await;
    let marks = keys.iter().filter(|key| key.ends_with(":at")).count();
    assert_eq!(marks, 1, "{keys:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_a_node_is_said() {
    let world = Facts::new();
    let _writer = Given::live(&world, vec![node(1, None, "a")]).await;
    let reader = world.servers();
    for wrong in ["", "a", "/a/", "//", "/a b", "0123"] {
        assert!(matches!(reader.servers(wrong, false).await, Err(Refusal::Invalid(_))), "{wrong}");
    }
    for none in ["/b", "/a/b", &node_key(2).id()] {
        assert_eq!(reader.servers(none, true).await.unwrap().value, None, "{none}");
    }
    assert_eq!(world.dump().await.map(|(stored, _)| stored.position), Some(1));
}
