//! A vantage that fails its own controls says nothing.

use std::sync::atomic::Ordering;

use loki_prober::Config;

use crate::prober::{fixed, start, until};
use crate::site::Site;
use crate::stub::Stub;

#[tokio::test]
async fn no_vote_while_the_controls_fail() {
    let (stub, site, control) = (Stub::default(), Site::start().await, Site::start().await);
    let api = stub.start().await;
    let config = Config { controls: vec![control.url("/ok")], ..fixed(&api, [site.url("/ok"), site.url("/failing")]) };
    let running = start(config);
    let vantage = || stub.points("domain.vantage.ok").last().map(|point| point["value"].as_f64().unwrap());
    let voted = |path: &str| stub.values("domain.availability", path).len();
    until("a vote for both", || voted("/ok") > 0 && voted("/failing") > 0 && vantage() == Some(1.0)).await;
    assert_eq!(stub.points("domain.vantage.ok")[0]["tags"], serde_json::json!({"vantage": "here"}));

    control.seen().is_down.store(true, Ordering::SeqCst);
    running.is_not_ready_for("controls: this vantage says nothing of availability while its controls fail").await;
    until("the controls fail", || vantage() == Some(0.0)).await;
    // what was judged before is sent by then
    let status = |path: &str| stub.values("domain.status", path).len();
    let (ok, failing) = (status("/ok") + 1, status("/failing") + 1);
    until("probes since then", || status("/ok") > ok && status("/failing") > failing).await;
    let before = (voted("/ok"), voted("/failing"));
    let (ok, failing) = (status("/ok") + 1, status("/failing") + 1);
    until("more probes", || status("/ok") > ok && status("/failing") > failing).await;
    assert_eq!((voted("/ok"), voted("/failing")), before);
    assert!(stub.values("domain.availability", "/ok").iter().all(|value| *value == 1.0));

    control.seen().is_down.store(false, Ordering::SeqCst);
    until("a vote again", || voted("/ok") > before.0 && voted("/failing") > before.1 && vantage() == Some(1.0)).await;
    running.is_ready().await;
    running.stop().await;
}

/// Everything is down at once: that says something of the vantage, and nothing of the domains.
#[tokio::test]
async fn a_lost_line_is_nobody_s_outage() {
    let (stub, site) = (Stub::default(), Site::start().await);
    let api = stub.start().await;
    // the control and the target fail at the same moment, as when the line goes
    let running = start(Config { controls: vec![site.url("/ok")], ..fixed(&api, [site.url("/ok")]) });
    until("a vote", || !stub.values("domain.availability", "/ok").is_empty()).await;
    site.seen().is_down.store(true, Ordering::SeqCst);
    until("the controls fail", || stub.points("domain.vantage.ok").iter().any(|point| point["value"] == 0.0)).await;
    let status = || stub.values("domain.status", "/ok").iter().filter(|status| **status == 503.0).count();
    until("failed probes", || status() >= 2).await;
    assert!(stub.values("domain.availability", "/ok").iter().all(|value| *value == 1.0));
    running.stop().await;
}
