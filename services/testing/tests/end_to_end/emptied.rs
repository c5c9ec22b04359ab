//! Stores emptied with their own tools, and set back to an older copy, while everything runs: each is filled again by itself, and meanwhile
//! readers get 503 or the truth, never less.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loki_core::generate::Wild;
use loki_testing::real::{Kafka, MariaDb, Running, ZooKeeper};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection};

use crate::platform::{Backends, Platform};

#[tokio::test(flavor = "multi_thread")]
async fn emptied_and_set_back_stores_are_filled_again() {
    let (kafka, mut mysql, mut zookeeper) = tokio::task::block_in_place(|| (start(&Kafka), start(&MariaDb), start(&ZooKeeper)));
    let backends = Backends { kafka: kafka.address(), mysql: mysql.url(), zookeeper: zookeeper.address() };
    let platform = Platform::real(&backends).await;
    let api = platform.api.clone();
    let (_, made) =
        api.post("/v1/commands?wait=10s", json!({ "type": "node.create", "data": { "path": "/always" } }).to_string()).await.unwrap();
    assert_eq!(made["outcome"], "accepted", "{made}");
    api.settled().await;

    let done = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn({
        let (api, done) = (api.clone(), done.clone());
        async move {
            for asked in Wild::new(31) {
                if done.load(Ordering::SeqCst) {
                    break;
                }
                api.send(&asked, false).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    let watch = tokio::spawn(truthful(platform.api.clone(), made["facts"][0]["data"]["id"].as_str().unwrap().to_owned(), done.clone()));

    for sql in [format!("DROP TABLE {}.node", platform.database), format!("DROP DATABASE {}", platform.database)] {
        let mut root = sqlx::MySqlConnection::connect(&format!("{}/mysql", backends.mysql)).await.unwrap();
        sqlx::query(AssertSqlSafe(sql)).execute(&mut root).await.unwrap();
        api.until("/v1/status", |_, status| status["projections"][0]["state"] != "live").await;
        recovered(&platform).await;
    }
    delete_all(&backends.zookeeper, &platform.chroot).await;
    recovered(&platform).await;

    let (mysql_copy, zookeeper_copy) = tokio::task::block_in_place(|| {
        mysql.stop().unwrap();
        zookeeper.stop().unwrap();
        let copies = (mysql.snapshot_data().unwrap(), zookeeper.snapshot_data().unwrap());
        mysql.restart().unwrap();
        zookeeper.restart().unwrap();
        copies
    });
    recovered(&platform).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    tokio::task::block_in_place(|| {
        mysql.stop().unwrap();
        mysql.restore_data(&mysql_copy).unwrap();
        mysql.restart().unwrap();
    });
    recovered(&platform).await;
    tokio::task::block_in_place(|| {
        zookeeper.stop().unwrap();
        zookeeper.restore_data(&zookeeper_copy).unwrap();
        zookeeper.restart().unwrap();
    });
    recovered(&platform).await;

    done.store(true, Ordering::SeqCst);
    load.await.unwrap();
    let answers = watch.await.unwrap();
    assert!(answers > 20, "{answers}");
    api.settled().await;
    platform.verify();
}

fn start(backend: &'static dyn loki_testing::real::Backend) -> Running {
    Running::start(backend).unwrap()
}

/// All three projections are live and near the end, under load.
async fn recovered(platform: &Platform) {
    platform
        .api
        .until("/v1/status", |status, answer| {
            let projections = answer["projections"].as_array().cloned().unwrap_or_default();
            status == 200
                && projections.len() == 3
                && projections.iter().all(|p| p["state"] == "live" && p["lag"].as_u64().is_some_and(|lag| lag < 100))
        })
        .await;
    for path in ["/v1/tree/always", "/v1/audit?limit=1"] {
        platform.api.until(path, |status, _| status == 200).await;
    }
}

/// Asks for what is always there: it is there, or the store is not ready. The number of answers.
async fn truthful(api: crate::api::Api, id: String, done: Arc<AtomicBool>) -> usize {
    let mut answers = 0;
    let node = format!("/v1/nodes/{id}");
    while !done.load(Ordering::SeqCst) {
        for path in ["/v1/tree/always", "/v1/servers?node=/always", node.as_str(), "/v1/audit?limit=1&key=node/"] {
            let path = if path.ends_with("node/") { format!("{path}{id}") } else { path.to_owned() };
            let (status, answer): (u16, Value) = api.get(&path).await.unwrap();
            assert!(matches!(status, 200 | 503), "{path} was answered {status} {answer}");
            if path.contains("audit") && status == 200 {
                assert_eq!(answer["items"].as_array().map(Vec::len), Some(1), "{path}: {answer}");
            }
            answers += usize::from(status == 200);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    answers
}

/// What `deleteall` of ZooKeeper's own shell does: children first.
async fn delete_all(address: &str, path: &str) {
    let client = zookeeper::Client::connect(address).await.unwrap();
    let mut open = vec![path.to_owned()];
    let mut all = Vec::new();
    while let Some(path) = open.pop() {
        open.extend(client.list_children(&path).await.unwrap_or_default().into_iter().map(|child| format!("{path}/{child}")));
        all.push(path);
    }
    for path in all.iter().rev() {
        // the projector may be making it again already
        let _gone_or_busy = client.delete(path, None).await;
    }
}
