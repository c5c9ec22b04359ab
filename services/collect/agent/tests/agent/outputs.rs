//! What hooks and scripts print arrives in order and once, whatever becomes of the API and of the agent.

use axum::http::StatusCode;
use loki_domain::RunId;
use loki_testing::shell::wait_for;

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
    let lines = format!("echo one; {}; echo zwölf", wait_for(&gate));
    give(&stub, &script(RunId::MIN, &lines), &secret());
    until("the first line is there while it runs", || printed(&stub) == ("one\n".to_owned(), false)).await;
    assert!(!a_success_is_told(&stub));
    std::fs::write(&gate, "").unwrap();
    until("all is there", || printed(&stub) == ("one\nzwölf\n".to_owned(), true)).await;
    until("its end is told", || a_success_is_told(&stub)).await;
    agent.stop().await;
    // nothing is sent twice by the next one, but what this one was sending when it was stopped: as it was
    let before = stub.seen().chunks.clone();
    let agent = running(&stub, folder.path()).await;
    give(&stub, &script(RunId::MAX, "true"), &secret());
    let of_next = |chunk: &&Chunk| chunk.run == RunId::MAX.to_string();
    until("the next is done", || stub.seen().chunks.iter().any(|chunk| of_next(&chunk))).await;
    let all = stub.seen().chunks.clone();
    let again: Vec<&Chunk> = all[before.len()..].iter().filter(|chunk| !of_next(chunk)).collect();
    assert!(again.iter().all(|chunk| before.last() == Some(*chunk)) && again.len() <= 1, "{again:?}");
    assert_eq!(all.iter().filter(of_next).map(|chunk| chunk.last).collect::<Vec<_>>(), [true]);
    agent.stop().await;
}

#[tokio::test]
async fn what_could_not_be_sent_is_sent_by_the_next_process() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let agent = running(&stub, folder.path()).await;
    stub.seen().chunks_answer = Some((StatusCode::SERVICE_UNAVAILABLE, "not_ready"));
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
async fn what_is_not_taken_now_is_sent_until_it_is() {
    let refusals = [
        (StatusCode::TEMPORARY_REDIRECT, ""),
        (StatusCode::UNAUTHORIZED, "unauthorized"),
        (StatusCode::FORBIDDEN, "forbidden"),
        (StatusCode::NOT_FOUND, "no_such_route"),
        (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
        (StatusCode::REQUEST_TIMEOUT, "timeout"),
        (StatusCode::TOO_MANY_REQUESTS, "overloaded"),
    ];
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let agent = running(&stub, folder.path()).await;
    for (number, refusal) in (1_u8..).zip(refusals) {
        let before = stub.seen().chunks_asked;
        stub.seen().chunks_answer = Some(refusal);
        let run = RunId::from_digest(&[number; 32]);
        give(&stub, &script(run, &format!("echo {number}")), &secret());
        until("it was tried", || stub.seen().chunks_asked > before).await;
        stub.seen().chunks_answer = None;
        until("it is taken", || stub.seen().chunks.iter().any(|chunk| chunk.text == format!("{number}\n"))).await;
    }
    agent.stop().await;
}

#[tokio::test]
async fn an_api_that_comes_back_gets_what_was_printed_meanwhile() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let (begun, gate) = (folder.path().join("begun"), folder.path().join("gate"));
    let (address, api) = stub.listen(free_address()).await;
    let agent = start(with_tasks(config(address, &folder.path().join("spool")), folder.path()));
    let lines = format!("echo one; {}; echo two; : >{}", wait_for(&gate), begun.display());
    give(&stub, &script(RunId::MIN, &lines), &secret());
    until("the first line is there", || printed(&stub) == ("one\n".to_owned(), false)).await;
    api.begin();
    agent.is_not_ready_for("cannot be asked for").await;
    std::fs::write(&gate, "").unwrap();
    until("it has printed more", || begun.exists()).await;
    stub.listen(address).await;
    until("all is there", || printed(&stub) == ("one\ntwo\n".to_owned(), true)).await;
    until("its end is told", || a_success_is_told(&stub)).await;
    agent.stop().await;
}

#[tokio::test]
async fn what_ended_without_its_loop_is_sent_once_another_task_is_done() {
    let (stub, folder, other) = (Stub::default(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let agent = running(&stub, other.path()).await;
    stub.seen().chunks_answer = Some((StatusCode::SERVICE_UNAVAILABLE, "not_ready"));
    give(&stub, &script(RunId::MIN, "echo left"), &secret());
    until("its end is told", || a_success_is_told(&stub)).await;
    agent.kill().await;
    stub.seen().tasks.clear();
    stub.seen().chunks_answer = None;
    let agent = running(&stub, folder.path()).await;
    give(&stub, &script(RunId::from_digest(&[1; 32]), "true"), &secret());
    until("the end of the first is there", || stub.seen().chunks.len() == 1).await;
    // as if one that had begun had been ended by another
    let task = format!("deploys/.tasks/{}", RunId::MIN);
    std::fs::rename(other.path().join(&task), folder.path().join(&task)).unwrap();
    give(&stub, &script(RunId::MAX, "true"), &secret());
    until("what was left is there", || stub.seen().chunks.iter().any(|chunk| chunk.text == "left\n" && chunk.last)).await;
    agent.stop().await;
}

#[tokio::test]
async fn what_will_never_be_taken_is_given_up() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let agent = running(&stub, folder.path()).await;
    stub.seen().chunks_answer = Some((StatusCode::NOT_FOUND, "not_found"));
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
