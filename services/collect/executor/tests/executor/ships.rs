//! What a real script prints is handed out while it runs, and once more to who comes after a kill.

use loki_executor::{Chunk, Executor, Outcome, Unshipped};
use loki_runtime::{Shutdown, task};
use loki_testing::shell::wait_for;
use loki_wire::task::{Document, Wanted};

use crate::host::{Host, NOW_MS, config, document, run, until};

fn script(lines: &str) -> Document {
    document(1, 1, Wanted::Script { script: lines.to_owned(), user: None, output_bytes_max: 1_000 })
}

fn next(executor: &Executor) -> Option<Chunk> {
    match executor.unshipped(run(1), 1).unwrap() {
        Unshipped::Chunk(chunk) => Some(chunk),
        Unshipped::NothingYet | Unshipped::Done => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_handed_out_until_it_is_shipped() {
    let host = Host::new();
    let go = host.path().join("go");
    let waits = script(&format!("echo one; {}; echo two; echo three >&2", wait_for(&go)));
    let (executor, begun, stop) = (host.executor.clone(), host.task(&waits), Shutdown::new());
    let stopping = stop.clone();
    let working = task::spawn("agent", async move { executor.carry_out(&begun, |_, _| {}, &stopping).await });
    until("it prints", || next(&host.executor).is_some()).await;
    let one = next(&host.executor).unwrap();
    assert_eq!((one.step, one.offset, one.text().as_str(), one.is_last), ("script", 0, "one\n", false));
    stop.begin();
    assert_eq!(working.await.unwrap(), None);
    let Host { folder, executor, .. } = host;
    drop(executor);

    // the agent that comes after does not know whether it was sent
    let executor = Executor::open(config(&folder.path().join("root"))).unwrap();
    assert_eq!((next(&executor), executor.ended_unshipped().unwrap()), (Some(one.clone()), vec![]));
    std::fs::write(&go, "").unwrap();
    let begun = executor.begun(NOW_MS).unwrap().remove(0);
    assert_eq!(executor.carry_out(&begun, |_, _| {}, &Shutdown::new()).await, Some(Outcome::Succeeded));
    assert_eq!((next(&executor), executor.ended_unshipped().unwrap()), (Some(one.clone()), vec![(run(1), 1)]));
    executor.shipped(run(1), 1, &one).unwrap();
    let rest = next(&executor).unwrap();
    assert_eq!((rest.offset, rest.text().as_str(), rest.is_last), (4, "two\nthree\n", true));
    executor.shipped(run(1), 1, &rest).unwrap();
    assert_eq!((executor.unshipped(run(1), 1).unwrap(), executor.ended_unshipped().unwrap()), (Unshipped::Done, vec![]));
}
