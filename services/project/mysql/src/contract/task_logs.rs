//! What hooks and scripts have printed.

use loki_domain::{Position, RunId, ServerId};
use loki_runner::projection::PlacedChunk;
use loki_runner::{Applied, Projection, Target};
use loki_wire::task_log::{BYTES_MAX, Chunk};

use super::World;
use super::given::*;
use crate::port::{Place, ReadError, TaskLog};
use crate::{Retained, chunk_line};

const DAY_MS: i64 = 86_400_000;

/// What `server` prints in its attempt, at this place of the topic.
fn printed(at: u64, server: ServerId, (attempt, offset): (u32, u64), text: &str, is_last: bool) -> PlacedChunk {
    let bytes = u32::try_from(text.len()).expect("short");
    let (step, text) = ("start".to_owned(), text.to_owned());
    PlacedChunk { offset: at, at_ms: 1_000, chunk: Chunk { run: RunId::MIN, server, attempt, step, offset, bytes, text, is_last } }
}

pub async fn chunks_of_a_log_come_in_order_and_once(world: &dyn World) {
    let (a, b) = (server_id(1), server_id(2));
    let other_run = |placed: PlacedChunk| PlacedChunk { chunk: Chunk { run: RunId::MAX, ..placed.chunk }, ..placed };
    let chunks = [
        printed(0, a, (1, 0), "one\n", false),
        printed(1, b, (1, 0), "b\n", true),
        printed(2, a, (1, 4), "ż\u{fffd}\u{0}'\n", false),
        // sent again, because nobody had heard that it was taken
        printed(3, a, (1, 4), "ż\u{fffd}\u{0}'\n", false),
        other_run(printed(4, a, (1, 4), "elsewhere\n", false)),
        printed(5, a, (1, 12), "", true),
        printed(6, a, (2, 0), "again\n", true),
        printed(7, a, (2, 0), "again\n", true),
    ];
    let mut projection = task_logs(world);
    assert_eq!(projection.name(), "task_logs");
    fill(&mut projection, &chunks).await;
    let readers = readers(world);
    let read = async |server, from: (u32, u64), limit| {
        let from = Place { attempt: from.0, offset: from.1 };
        readers.task_logs.task_log(RunId::MIN, server, from, limit, None).await.expect("read").value
    };
    let texts = |log: &TaskLog| log.chunks.iter().map(|view| view.chunk.text.clone()).collect::<Vec<_>>();
    let whole = read(a, (0, 0), 100).await;
    assert_eq!(texts(&whole), ["one\n", "ż\u{fffd}\u{0}'\n", "", "again\n"]);
    assert_eq!(whole.chunks[0].at_ms, 1_000);
    assert_eq!(whole.newest, Some(chunks[7].chunk.clone()));
    // part by part, whatever is there twice
    let (mut from, mut found) = ((0, 0), Vec::new());
    loop {
        let part = read(a, from, 1).await;
        let Some(view) = part.chunks.last() else { break };
        found.extend(texts(&part));
        let next = Place::after(&view.chunk);
        assert!((next.attempt, next.offset) > from);
        from = (next.attempt, next.offset);
    }
    assert_eq!(found, texts(&whole));
    assert_eq!(from, (3, 0));
    assert_eq!(texts(&read(a, (1, 5), 100).await), ["", "again\n"]);
    assert_eq!(texts(&read(b, (0, 0), 100).await), ["b\n"]);
    assert_eq!(read(server_id(3), (0, 0), 100).await, TaskLog { chunks: vec![], newest: None });
    let behind = readers.task_logs.task_log(RunId::MIN, a, Place::default(), 1, Some(Position::task_log(8))).await;
    assert!(matches!(behind, Err(ReadError::NotReady(_))), "{behind:?}");
    let other = readers.task_logs.task_log(RunId::MIN, a, Place::default(), 1, Some(Position::fact(1))).await;
    assert!(matches!(other, Err(ReadError::Invalid { .. })), "{other:?}");
}

/// In batches of any size, and as a shadow: what stays is a matter of the log alone.
pub async fn of_logs_stays_what_is_new_and_fits(world: &dyn World) {
    let (noisy, quiet) = (server_id(1), server_id(2));
    let chunk = |at: u64, server, at_ms, bytes| {
        let placed = printed(at, server, (1, at), "x", false);
        PlacedChunk { at_ms, chunk: Chunk { bytes, ..placed.chunk }, ..placed }
    };
    let mut chunks = vec![chunk(0, quiet, 1, 1), chunk(1, noisy, 2, 1)];
    chunks
        .extend((2..2_200).map(|at| chunk(at, if at % 50 == 0 { quiet } else { noisy }, DAY_MS, if at % 3 == 0 { 9 } else { BYTES_MAX })));
    chunks.extend((2_200..2_900).map(|at| chunk(at, noisy, DAY_MS + 7, BYTES_MAX)));
    chunks.push(chunk(2_900, quiet, 30 * DAY_MS + 2, 1));
    let kept = |chunks: &[PlacedChunk]| {
        let mut retained = Retained::default();
        chunks.iter().for_each(|placed| retained.read(placed));
        chunks.iter().filter(|placed| retained.is_kept(placed)).map(chunk_line).collect::<Vec<_>>()
    };
    let dumped = async || lines(readers(world).task_logs.dump(None).await.expect("a dump")).await;
    let mut projection = task_logs(world);
    fill(&mut projection, &chunks[..2]).await;
    let (mut from, mut size) = (2, 1);
    while from < chunks.len() {
        let to = (from + size).min(chunks.len());
        let applied = projection.apply(batch(Target::Main, from as u64, to as u64, &chunks[from..to])).await.expect("applied");
        assert_eq!(applied, Applied::Done);
        assert!(dumped().await == kept(&chunks[..to]), "after {to}");
        (from, size) = (to, size * 3);
    }
    let whole = kept(&chunks);
    assert!(!whole.iter().any(|line| line == &chunk_line(&chunks[0])) && whole.len() < chunks.len() - 2, "{}", whole.len());
    fill(&mut projection, &chunks).await;
    assert!(dumped().await == whole, "filled anew");
    world.run("UPDATE task_log SET size = 7, attempt = 9 WHERE position = 2900").await;
    assert!(dumped().await.last().is_some_and(|line| line.ends_with(" differs: attempt, size")));
}
