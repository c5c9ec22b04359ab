//! Many targets at once.

use std::sync::atomic::Ordering;
use std::time::Duration;

use loki_prober::Config;

use crate::prober::{fixed, start, until};
use crate::site::Site;
use crate::stub::Stub;

#[tokio::test]
async fn no_more_probes_at_once_than_are_allowed() {
    let (stub, site) = (Stub::default(), Site::start().await);
    let api = stub.start().await;
    // each takes 150 ms: four places do 26 a second, and more are due
    let urls = (0..40).map(|number| site.url(&format!("/slow/{number}")));
    let running = start(Config { concurrency_max: 4, ..fixed(&api, urls) });
    until("requests", || site.seen().asked.load(Ordering::SeqCst) >= 60).await;
    assert_eq!(site.seen().under_way_max.load(Ordering::SeqCst), 4);
    until("each has its turn", || (0..40).all(|number| !stub.values("domain.availability", &format!("/slow/{number}")).is_empty())).await;
    running.stop().await;
}

#[tokio::test]
async fn one_target_is_never_probed_twice_at_once() {
    let (stub, site) = (Stub::default(), Site::start().await);
    let api = stub.start().await;
    // it takes longer than a period
    let config = Config { timeout: Duration::from_millis(1_500), ..fixed(&api, [site.url("/never")]) };
    let running = start(config);
    until("three points", || stub.points("domain.availability").len() >= 3).await;
    running.stop().await;
    let seconds: Vec<i64> = stub.points("domain.availability").iter().map(|point| point["timestamp"].as_i64().unwrap()).collect();
    assert!(seconds.windows(2).all(|pair| pair[1] - pair[0] >= 2), "{seconds:?}");
}
