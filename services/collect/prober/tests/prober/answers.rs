//! What each kind of answer means.

use std::collections::BTreeSet;
use std::time::Duration;

use loki_prober::{Config, Fixed};

use crate::prober::{config, fixed, start, until};
use crate::site::Site;
use crate::stub::Stub;

#[tokio::test]
async fn answers_become_points() {
    let (stub, site) = (Stub::default(), Site::start().await);
    let api = stub.start().await;
    let paths = ["/ok", "/asked?q=1", "/moved", "/forbidden", "/failing", "/never", "/torn", "/stalls", "/endless"];
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let urls = paths.iter().map(|path| site.url(path)).chain([format!("http://{closed}/closed"), "http://name.invalid/unknown".to_owned()]);
    let running = start(Config { timeout: Duration::from_millis(800), ..fixed(&api, urls) });
    running.is_ready().await;

    // (path, availability, status, phases); none: no such point
    let answered = &["connect", "first_byte", "transfer"][..];
    let expected = [
        ("/ok", Some(1.0), Some(200.0), answered),
        ("/asked_q_1", Some(1.0), Some(204.0), answered),
        ("/moved", Some(1.0), Some(307.0), answered),
        ("/forbidden", None, Some(403.0), answered),
        ("/failing", Some(0.0), Some(500.0), answered),
        ("/never", Some(0.0), None, &["connect"]),
        ("/torn", Some(0.0), Some(200.0), &["connect", "first_byte"]),
        ("/stalls", Some(0.0), Some(200.0), &["connect", "first_byte"]),
        ("/endless", Some(1.0), Some(200.0), answered),
        ("/closed", Some(0.0), None, &[]),
        ("/unknown", Some(0.0), None, &[]),
    ];
    for (path, availability, status, phases) in expected {
        let metric = if availability.is_some() { "domain.availability" } else { "domain.status" };
        until(path, || stub.values(metric, path).len() >= 2).await;
        assert!(stub.values("domain.availability", path).iter().all(|value| Some(*value) == availability), "{path}");
        assert!(stub.values("domain.status", path).iter().all(|value| Some(*value) == status), "{path}");
        assert_eq!(stub.values("domain.status", path).is_empty(), status.is_none(), "{path}");
        assert_eq!(stub.values("domain.responsetime", path).is_empty(), phases != answered, "{path}");
        assert_eq!(stub.phases(path), phases, "{path}");
    }
    running.stop().await;

    let point = stub.points("domain.availability").into_iter().find(|point| point["tags"]["path"] == "/ok").unwrap();
    assert_eq!(point["tags"]["domain"], site.name().replace(':', "_"));
    assert_eq!((&point["tags"]["vendor"], &point["tags"]["vantage"]), (&"own".into(), &"here".into()));
    // whole seconds, and each once
    let seconds: Vec<i64> = (stub.points("domain.availability").iter().filter(|point| point["tags"]["path"] == "/ok"))
        .map(|point| point["timestamp"].as_i64().unwrap())
        .collect();
    assert!(seconds.iter().all(|second| *second < i64::from(u32::MAX)));
    assert_eq!(seconds.iter().collect::<BTreeSet<_>>().len(), seconds.len());
    assert!(stub.values("domain.responsetime", "/ok").iter().all(|ms| *ms > 0.0 && *ms < 800.0));
}

#[tokio::test]
async fn what_was_found_is_sent_at_the_end() {
    let (stub, site) = (Stub::default(), Site::start().await);
    let api = stub.start().await;
    stub.seen().takes_nothing = true;
    let running = start(fixed(&api, [site.url("/ok")]));
    running.is_not_ready_for("samples: the API does not take samples: 503 not_ready: the log is away").await;
    // its tries are seconds apart by then; the end does not wait for the next one
    until("tries", || stub.seen().not_taken >= 4).await;
    stub.seen().takes_nothing = false;
    running.stop().await;
    assert!(!stub.values("domain.availability", "/ok").is_empty());
}

#[tokio::test]
async fn what_cannot_be_sent_does_not_hold_up_the_end() {
    let (stub, site) = (Stub::default(), Site::start().await);
    let api = stub.start().await;
    stub.seen().takes_nothing = true;
    let running = start(Config { drain: Duration::from_millis(200), ..fixed(&api, [site.url("/ok")]) });
    running.is_not_ready_for("samples").await;
    running.stop().await;
    assert!(stub.seen().points.is_empty());
}

#[test]
fn a_setting_that_is_wrong_is_named() {
    let wrong = Config { fixed: vec![Fixed::own("livez")], ..config("http://127.0.0.1:1") };
    let component = loki_telemetry::Health::new().component("prober");
    let error = loki_prober::Prober::new(wrong, component, loki_runtime::Clock::system()).err().unwrap();
    assert!(error.to_string().contains("`fixed`: `livez` is no address"), "{error}");
}
