//! Samples are measured at the wall clock's rounds and sent as OpenTSDB takes them.

use std::collections::BTreeSet;
use std::time::Duration;

use loki_runtime::clock::Stopwatch;

use crate::agent::{config, free_address, start, until};
use crate::stub::{Put, Stub, ms};

#[tokio::test]
async fn what_this_host_measures_is_sent() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let (address, _) = stub.listen(free_address()).await;
    let watch = Stopwatch::start();
    // no second round within the test
    let agent = start(loki_agent::Config { every: Duration::from_secs(3_600), ..config(address, folder.path()) });
    until("the first round", || !stub.points().is_empty()).await;
    assert!(watch.elapsed() < Duration::from_secs(10), "{:?}", watch.elapsed());
    agent.is_ready().await;
    let points = stub.points();
    for metric in ["host.up", "host.cpu.usage", "host.load.1m", "host.memory.usage", "host.uptime", "host.processes", "host.disk.usage"] {
        assert!(points.iter().any(|point| point["metric"] == metric), "no `{metric}`");
    }
    assert!(points.iter().all(|point| point["tags"]["host"] == "web01" && point["value"].is_f64()), "{points:?}");
    let usage = points.iter().find(|point| point["metric"] == "host.cpu.usage").unwrap();
    assert!(usage["value"].as_f64().is_some_and(|usage| (0.0..=100.0).contains(&usage)), "{usage}");
    let series: BTreeSet<String> = points.iter().map(|point| format!("{}{}", point["metric"], point["tags"])).collect();
    assert_eq!(series.len(), points.len(), "a series has two values at one instant");
    agent.stop().await;
}

#[tokio::test]
async fn rounds_are_those_of_the_wall_clock() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let (address, _) = stub.listen(free_address()).await;
    let agent = start(config(address, folder.path()));
    until("some rounds", || stub.rounds().len() > 5).await;
    agent.stop().await;
    let rounds = stub.rounds();
    assert!(rounds[1..].iter().all(|at| at % 50 == 0), "{rounds:?}");
    assert!(rounds.is_sorted_by(|one, next| one < next), "{rounds:?}");
}

#[tokio::test]
async fn points_that_are_refused_are_not_sent_again() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    stub.set(Put::Refuses("host.uptime"));
    let (address, _) = stub.listen(free_address()).await;
    let agent = start(config(address, folder.path()));
    until("some rounds", || stub.rounds().len() > 3).await;
    agent.is_ready().await;
    let refused = stub.rounds();
    stub.set(Put::Takes);
    until("more rounds", || stub.rounds().len() > refused.len() + 3).await;
    agent.stop().await;
    let points = stub.points();
    let uptimes = points.iter().filter(|point| point["metric"] == "host.uptime").map(|point| ms(&point["timestamp"]));
    assert!(uptimes.into_iter().all(|at| !refused.contains(&at)));
    let rounds = stub.rounds();
    assert_eq!(rounds.iter().collect::<BTreeSet<_>>().len(), rounds.len(), "a round was sent twice");
}
