//! The API's list of domains: in parts, changing, and away.

use loki_prober::Config;
use serde_json::{Value, json};

use crate::prober::{config, start, until};
use crate::site::Site;
use crate::stub::Stub;

fn domain(site: &Site, path: &str, more: Value) -> Value {
    let mut domain =
        json!({"id": path, "name": site.name(), "path": path, "scheme": "http", "node": {"id": "n1", "path": "/acme"}, "vendor": "wangsu"});
    for (field, value) in more.as_object().into_iter().flatten() {
        domain[field] = value.clone();
    }
    domain
}

fn of_acme(api: &str) -> Config {
    Config { node: Some("/acme".to_owned()), ..config(api) }
}

#[tokio::test]
async fn the_list_is_read_in_parts_and_followed() {
    let (stub, site) = (Stub::default(), Site::start().await);
    let expecting = |expect: Value| json!({ "expect": expect });
    stub.seen().domains = vec![
        domain(&site, "/ok", expecting(json!({"status": ["200"], "body": "welcome", "within_ms": 20_000}))),
        domain(&site, "/forbidden", expecting(json!({"status": ["403"]}))),
        domain(&site, "/failing", expecting(json!({"status": ["5xx"]}))),
        domain(&site, "/moved", expecting(json!({"body": "not there"}))),
        domain(&site, "/slow/1", expecting(json!({"within_ms": 10}))),
        json!({"id": "odd", "name": "a b"}),
        // the series of the first
        domain(&site, "/ok", json!({"id": "other"})),
    ];
    let api = stub.start().await;
    let running = start(of_acme(&api));
    for (path, availability) in [("/ok", 1.0), ("/forbidden", 1.0), ("/failing", 1.0), ("/moved", 0.0), ("/slow/1", 0.0)] {
        until(path, || stub.values("domain.availability", path).len() >= 2).await;
        assert!(stub.values("domain.availability", path).iter().all(|value| *value == availability), "{path}");
    }
    assert!(stub.points("domain.availability").iter().all(|point| point["tags"]["vendor"] == "wangsu"));
    running.is_ready().await;
    until("the list is read twice", || stub.seen().parts.len() >= 8).await;
    assert_eq!(stub.seen().parts[..8], [0, 2, 4, 6, 0, 2, 4, 6]);

    stub.seen().domains.push(domain(&site, "/endless", Value::Null));
    until("the new one", || !stub.values("domain.availability", "/endless").is_empty()).await;

    stub.seen().domains.truncate(1);
    stub.seen().parts.clear();
    until("the change", || stub.seen().parts.len() >= 2).await;
    let count = |path: &str| stub.values("domain.availability", path).len();
    let (forbidden, ok) = (count("/forbidden"), count("/ok"));
    until("the first goes on", || count("/ok") > ok + 2).await;
    assert!(count("/forbidden") <= forbidden + 1, "one may have been on its way");
    running.stop().await;
}

#[tokio::test]
async fn the_last_list_stays_while_the_api_is_away() {
    let (stub, site) = (Stub::default(), Site::start().await);
    stub.seen().domains = vec![domain(&site, "/slow/1", Value::Null)];
    let (address, away) = stub.listen("127.0.0.1:0".parse().unwrap()).await;
    let running = start(of_acme(&format!("http://{address}")));
    until("a point", || !stub.values("domain.availability", "/slow/1").is_empty()).await;

    away.begin();
    running.is_not_ready_for("targets: the list of domains is not the newest: no answer").await;
    let asked = || site.seen().asked.load(std::sync::atomic::Ordering::SeqCst);
    let (before, sent) = (asked(), stub.values("domain.availability", "/slow/1").len());
    until("probes go on", || asked() > before + 2).await;

    // points of meanwhile are sent when it is back, as are new domains
    stub.seen().domains.push(domain(&site, "/ok", Value::Null));
    let (_, away) = stub.listen(address).await;
    until("points of meanwhile", || stub.values("domain.availability", "/slow/1").len() >= sent + 2).await;
    until("the new one", || !stub.values("domain.availability", "/ok").is_empty()).await;
    running.is_ready().await;
    running.stop().await;
    away.begin();
}

#[tokio::test]
async fn there_is_a_bound_to_the_list() {
    let (stub, site) = (Stub::default(), Site::start().await);
    stub.seen().domains = (0..7).map(|number| domain(&site, &format!("/slow/{number}"), Value::Null)).collect();
    let api = stub.start().await;
    let running = start(Config { targets_max: 3, ..of_acme(&api) });
    until("the third", || !stub.values("domain.availability", "/slow/2").is_empty()).await;
    until("the first again", || stub.values("domain.availability", "/slow/0").len() >= 3).await;
    assert!(stub.values("domain.availability", "/slow/3").is_empty());
    // two parts of two, and no more are asked for
    assert!(stub.seen().parts.iter().all(|cursor| *cursor < 4));
    running.stop().await;
}
