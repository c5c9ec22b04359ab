//! What cannot be sent waits on disk, over kills, and is sent oldest first once the API is back.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use axum::http::StatusCode;
use loki_agent::{Agent, Config, Error};
use loki_runtime::{Clock, task};
use loki_telemetry::Health;

use crate::agent::{config, free_address, start, until};
use crate::stub::{Put, Stub};

fn spooled(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let segments = files.filter(|path| path.extension().is_some_and(|extension| extension == "segment"));
    segments.filter_map(|path| path.metadata().ok()).map(|metadata| metadata.len()).sum()
}

#[tokio::test]
async fn rounds_wait_while_the_api_is_away_and_survive_a_kill() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let address = free_address();
    for _ in 0..2 {
        let before = spooled(folder.path());
        let agent = start(config(address, folder.path()));
        agent.is_not_ready_for("the API does not take samples: no answer from").await;
        until("several rounds are spooled", || spooled(folder.path()) > before + 6_000).await;
        agent.kill().await;
    }
    stub.listen(address).await;
    let agent = start(config(address, folder.path()));
    until("all is sent", || spooled(folder.path()) == 0 && !stub.rounds().is_empty()).await;
    agent.is_ready().await;
    agent.stop().await;

    let requests = stub.seen().requests.clone();
    let rounds: Vec<Vec<i64>> = requests
        .iter()
        .map(|points| {
            points.iter().filter(|point| point["metric"] == "host.up").map(|point| crate::stub::ms(&point["timestamp"])).collect()
        })
        .collect();
    // a fresh one is alone and may be sent between two that have waited; those are in order
    let waited: Vec<i64> = rounds.iter().filter(|rounds| rounds.len() > 1).flatten().copied().collect();
    assert!(waited.len() > 6 && waited.is_sorted(), "{rounds:?}");
    let all: BTreeSet<i64> = rounds.iter().flatten().copied().collect();
    assert_eq!(all.len(), rounds.iter().map(Vec::len).sum::<usize>(), "a round was sent twice: {rounds:?}");
}

#[tokio::test]
async fn fresh_rounds_do_not_wait_for_old_ones() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    stub.set(Put::Fails(StatusCode::SERVICE_UNAVAILABLE));
    let (address, _) = stub.listen(free_address()).await;
    let agent = start(Config { every: Duration::from_millis(20), ..config(address, folder.path()) });
    // while the API is not asked again, as many more gather: more than one request holds
    until("many rounds are spooled", || spooled(folder.path()) > 40_000).await;
    agent.is_not_ready_for("503 not_now: the log is away").await;
    let asked = stub.seen().asked;
    assert!(asked < 30, "asked {asked} times while it was away");
    stub.set(Put::Takes);
    until("all is sent", || spooled(folder.path()) == 0).await;
    agent.stop().await;
    let rounds = stub.rounds();
    let newest_first = rounds.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!(newest_first > 0, "no fresh round was sent before all old ones: {rounds:?}");
    assert_eq!(rounds.iter().collect::<BTreeSet<_>>().len(), rounds.len(), "a round was sent twice");
}

#[tokio::test]
async fn a_slow_api_costs_nothing_but_time() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    stub.set(Put::Slow(Duration::from_secs(60)));
    let (address, _) = stub.listen(free_address()).await;
    let agent = start(Config { timeout: Duration::from_millis(200), ..config(address, folder.path()) });
    agent.is_not_ready_for("within").await;
    until("rounds are spooled", || spooled(folder.path()) > 3_000).await;
    stub.set(Put::Slow(Duration::from_millis(20)));
    until("all is sent", || spooled(folder.path()) == 0 && !stub.rounds().is_empty()).await;
    agent.is_ready().await;
    agent.stop().await;
}

#[tokio::test]
async fn a_wrong_token_loses_nothing() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    stub.set(Put::Fails(StatusCode::UNAUTHORIZED));
    let (address, _) = stub.listen(free_address()).await;
    let agent = start(config(address, folder.path()));
    agent.is_not_ready_for("samples: the API does not take samples: 401").await;
    assert!(spooled(folder.path()) > 0);
    stub.set(Put::Takes);
    until("all is sent", || spooled(folder.path()) == 0 && !stub.rounds().is_empty()).await;
    agent.is_ready().await;
    agent.stop().await;
}

#[tokio::test]
async fn a_clean_stop_spools_what_it_cannot_send() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    stub.set(Put::Slow(Duration::from_secs(60)));
    let (address, _) = stub.listen(free_address()).await;
    // the first round is in hand, and no second one comes
    let agent = start(Config { every: Duration::from_secs(3_600), timeout: Duration::from_secs(60), ..config(address, folder.path()) });
    until("it is being sent", || stub.seen().asked == 1).await;
    assert_eq!(spooled(folder.path()), 0);
    agent.stop().await;
    assert!(spooled(folder.path()) > 0);

    stub.set(Put::Takes);
    let agent = start(Config { every: Duration::from_secs(3_600), ..config(address, folder.path()) });
    until("both are sent", || stub.rounds().len() == 2 && spooled(folder.path()) == 0).await;
    agent.stop().await;
}

#[tokio::test]
async fn the_spool_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let bytes_max = 64 << 10;
    let agent = start(Config { every: Duration::from_millis(5), spool_bytes_max: bytes_max, ..config(free_address(), folder.path()) });
    until("it is nearly full", || spooled(folder.path()) > bytes_max * 9 / 10).await;
    for _ in 0..20 {
        task::sleep(Duration::from_millis(10)).await;
        assert!(spooled(folder.path()) <= bytes_max);
    }
    agent.kill().await;
}

#[tokio::test]
async fn two_agents_do_not_share_a_spool() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(free_address(), folder.path());
    let first = Agent::new(config.clone(), Health::new().component("agent"), Clock::system()).unwrap();
    let second = Agent::new(config, Health::new().component("agent"), Clock::system()).map(|_| ()).unwrap_err();
    assert!(matches!(second, Error::SpoolTaken { .. }), "{second}");
    drop(first);
}
