//! `loki rebuild` on the real set: what is wrong in a store is gone, whoever reads meanwhile has an answer, and a projector that is away is told of.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loki_core::generate::Wild;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection};

use crate::api::Api;
use crate::platform::{Backends, Platform};

const COMMANDS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn stores_are_rebuilt_while_they_are_read() {
    let backends = Backends::shared();
    let mut platform = Platform::real(&backends).await;
    let api = platform.api.clone();
    let (_, made) =
        api.post("/v1/commands?wait=10s", json!({ "type": "node.create", "data": { "path": "/always" } }).to_string()).await.unwrap();
    assert_eq!(made["outcome"], "accepted", "{made}");
    for asked in Wild::new(47).take(COMMANDS) {
        api.send(&asked, false).await;
    }
    api.settled().await;

    let done = Arc::new(AtomicBool::new(false));
    let reading = tokio::spawn(answered(api.clone(), made["facts"][0]["data"]["id"].as_str().unwrap().to_owned(), done.clone()));
    let wrong = [
        ("UPDATE {}.server SET idc = 'wrong'", "mysql"),
        ("UPDATE {}.outcome SET actor = 'wrong' WHERE command > 0", "history"),
        ("UPDATE {}_cdn_system.node SET name = 'wrong'", "cdn_system"),
    ];
    for (sql, store) in wrong {
        let mut root = sqlx::MySqlConnection::connect(&format!("{}/mysql", backends.mysql)).await.unwrap();
        sqlx::query(AssertSqlSafe(sql.replace("{}", &platform.database))).execute(&mut root).await.unwrap();
        assert!(!platform.loki(&["verify"]).status.success(), "{store}: the difference is not seen");
        platform.expect(&["rebuild", store, "--yes", "--timeout", "60s"]);
        platform.verify();
    }
    platform.expect(&["rebuild", "zookeeper", "--yes", "--timeout", "60s"]);
    platform.verify();

    // nobody is there to do it: the command says so and the store is read on; whoever comes does it
    for store in ["mysql", "zookeeper"] {
        platform.stop(store);
        let output = platform.loki(&["rebuild", store, "--yes", "--timeout", "2s"]);
        assert_eq!(output.status.code(), Some(124), "{store}: {}", String::from_utf8_lossy(&output.stderr));
        platform.start(store).await;
        api.settled().await;
    }
    platform.verify();
    done.store(true, Ordering::SeqCst);
    assert!(reading.await.unwrap() > 50);
}

/// Asks without a break, and is always answered, but while the new tree is read: how often.
async fn answered(api: Api, id: String, done: Arc<AtomicBool>) -> usize {
    let node = format!("/v1/nodes/{id}");
    let mut answers = 0;
    while !done.load(Ordering::SeqCst) {
        for path in [node.as_str(), "/v1/audit?limit=1", "/v1/tree/always"] {
            let (status, answer) = api.get(path).await.unwrap();
            // a busy database is no matter of the rebuild
            let is_away = status == 503 && answer["detail"].as_str().is_some_and(|detail| detail.contains("away"));
            assert!(status == 200 || is_away || status == 503 && path.starts_with("/v1/tree"), "{path} was answered {status} {answer}");
            answers += usize::from(status == 200);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    answers
}
