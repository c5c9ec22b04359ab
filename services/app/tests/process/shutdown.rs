//! SIGTERM under load: success within the bound, and nothing that was acknowledged is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::loki::Running;

/// Sends commands until told to stop; gives the acknowledged ones.
async fn load(address: String, name: usize, stop: Arc<AtomicBool>) -> Vec<(String, Value)> {
    let client = loki_cli::client::plain().build().unwrap();
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let id = format!("load-{name}-{number}");
        let body = json!({ "id": id, "type": "node.create", "data": { "path": format!("/n{name}-{number}") } });
        let wait = if number % 2 == 0 { "?wait=10s" } else { "" };
        let sent = client.post(format!("http://{address}/v1/commands{wait}")).json(&body).send().await;
        let Ok(answer) = sent else { break };
        let status = answer.status().as_u16();
        let Ok(body) = answer.json::<Value>().await else { break };
        match status {
            200 | 202 => acknowledged.push((id, body)),
            503 => {}
            _ => panic!("{status} {body}"),
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_ends_well_and_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut loki = Running::start(home.path(), "all", &[("LOKI__DRAIN", "15s")]);
    loki.ready().await;
    let stop = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..8).map(|name| tokio::spawn(load(loki.address.clone(), name, stop.clone()))).collect();
    let following =
        loki_cli::client::plain().build().unwrap().get(format!("http://{}/v1/events?from=o", loki.address)).send().await.unwrap();
    loki.until("/v1/status", |_, status| status["commands"].as_str().is_some_and(|end| end[1..].parse::<u64>().unwrap() > 200)).await;

    loki.terminate();
    let (status, took, said) = loki.ended().await;
    assert!(status.success(), "{status}\n{said}");
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert!(said.contains("stopped") && !said.contains("still at work") && !said.contains("still in hand"), "{said}");
    stop.store(true, Ordering::SeqCst);
    // the stream ended too
    drop(following.bytes().await);
    let mut acknowledged = Vec::new();
    for sender in senders {
        acknowledged.extend(sender.await.unwrap());
    }
    assert!(acknowledged.len() > 200, "{}", acknowledged.len());

    // the folder is free again, and everything acknowledged has its outcome, the same where one was given
    let mut loki = Running::start(home.path(), "all", &[]);
    loki.ready().await;
    for (id, before) in acknowledged {
        let now = loki.until(&format!("/v1/commands/{id}?wait=10s"), |status, _| status == 200).await;
        assert_eq!((&now["outcome"], &now["position"]), (&json!("accepted"), &before["position"]), "{id}");
        if before["outcome"] != "pending" {
            assert_eq!(now, before, "{id}");
        }
    }
    loki.terminate();
    assert!(loki.ended().await.0.success());
}
