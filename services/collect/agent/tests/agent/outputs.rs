//! What hooks and scripts print arrives in order and once, whatever becomes of the API and of the agent.

use axum::http::StatusCode;
use loki_domain::RunId;

use crate::agent::{config, free_address, start, until};
use crate::stub::{Chunk, SERVER, Stub};
use crate::tasks::{a_success_is_told, give, running, script, secret, with_tasks};

/// The chunks that were taken, each once, as one text; and whether the last one is there.
fn printed(stub: &Stub) -> (String, bool) {
    let mut chunks: Vec<Chunk> = stub.seen().chunks.clone();
    chunks.dedup();
    let mut text = String::new();
    for chunk in &chunks {
        assert_eq!((chunk.offset, chunk.bytes), (text.len(), chunk.text.len()), "{chunks:?}");
        assert_eq!((chunk.step.as_str(), chunk.host.as_str()), ("script", format!("id:{SERVER}").as_str()));
        text += &chunk.text;
    }
    assert!(chunks.iter().rev().skip(1).all(|chunk| !chunk.last), "{chunks:?}");
    (text, chunks.last().is_some_and(|chunk| chunk.last))
}

#[tokio::test]
async fn what_is_printed_comes_while_it_is_and_to_its_end() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let gate = folder.path().join("gate");
    let agent = running(&stub, folder.path()).await;
    let lines = format!("echo one; until [ -e {} ]; do sleep 0.02; done; echo zwölf", gate.display());
    give(&stub, &script(RunId::MIN, &lines), &secret());
    until("the first line is there while it runs", || printed(&stub) == ("one\n".to_owned(), false)).await;
    assert!(!a_success_is_told(&stub));
    std::fs::write(&gate, "").unwrap();
    until("all is there", || printed(&stub) == ("one\nzwölf\n".to_owned(), true)).await;
    until("its end is told", || a_success_is_told(&stub)).await;
    agent.stop().await;
    // nothing is sent twice by the next one
    let before = stub.seen().chunks.len();
    let agent = running(&stub, folder.path()).await;
    give(&stub, &script(RunId::MAX, "true"), &secret());
    until("the next is done", || stub.seen().chunks.len() > before).await;
    let all = stub.seen().chunks.clone();
    assert_eq!((all.len(), all[before].run.as_str(), all[before].last), (before + 1, RunId::MAX.to_string().as_str(), true));
    agent.stop().await;
}

#[tokio::test]
async fn what_could_not_be_sent_is_sent_by_the_next_process() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let agent = running(&stub, folder.path()).await;
    stub.seen().chunks_answer = Some(StatusCode::SERVICE_UNAVAILABLE);
    give(&stub, &script(RunId::MIN, "echo late"), &secret());
    until("its end is told all the same", || a_success_is_told(&stub)).await;
    until("it was tried", || stub.seen().chunks_asked > 0).await;
    agent.kill().await;
    // the API gives the task no more: its end is known
    stub.seen().tasks.clear();
    stub.seen().chunks_answer = None;
    let agent = start(with_tasks(config(stub.listen(free_address()).await.0, &folder.path().join("spool")), folder.path()));
    until("it is there", || printed(&stub) == ("late\n".to_owned(), true)).await;
    agent.stop().await;
}

#[tokio::test]
async fn what_will_never_be_taken_is_given_up() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let agent = running(&stub, folder.path()).await;
    stub.seen().chunks_answer = Some(StatusCode::NOT_FOUND);
    give(&stub, &script(RunId::MIN, "echo no"), &secret());
    let mark = folder.path().join("deploys/.tasks").join(RunId::MIN.to_string()).join("1/shipped.json");
    until("it is given up", || std::fs::read_to_string(&mark).is_ok_and(|text| text.contains("\"is_done\":true"))).await;
    until("its end is told", || a_success_is_told(&stub)).await;
    stub.seen().chunks_answer = None;
    give(&stub, &script(RunId::MAX, "echo yes"), &secret());
    until("another is taken", || !stub.seen().chunks.is_empty()).await;
    assert!(stub.seen().chunks.iter().all(|chunk| chunk.run == RunId::MAX.to_string()));
    agent.stop().await;
}
