//! The status of a separate API process tells what the projectors' own processes suffer from, and stops when they do.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection};

use crate::api::Api;
use crate::platform::{Backends, Platform};

async fn create(api: &Api, path: &str) {
    let body = json!({ "type": "node.create", "data": { "path": path } }).to_string();
    let (_, made) = api.post("/v1/commands?wait=10s", body).await.unwrap();
    assert_eq!(made["outcome"], "accepted", "{made}");
}

async fn until(api: &Api, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let of = |status: &Value| status["projections"].as_array().and_then(|all| all.iter().find(|one| one["name"] == name).cloned());
    let status = api.until("/v1/status", |_, status| of(status).is_some_and(|projection| wanted(&projection))).await;
    of(&status).unwrap()
}

fn says(projection: &Value, text: &str) -> bool {
    projection["last_error"].as_str().is_some_and(|said| said.contains(text))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projectors_trouble_is_told_by_the_api() {
    let backends = Backends::shared();
    let mut platform = Platform::real(&backends).await;
    let api = platform.api.clone();
    create(&api, "/acme").await;
    api.settled().await;
    for name in ["mysql", "history", "task_logs", "cdn_system", "zookeeper"] {
        until(&api, name, |projection| projection["last_error"].is_null()).await;
    }

    for (process, name) in [("mysql", "history"), ("zookeeper", "zookeeper")] {
        platform.stop(process);
        let told = until(&api, name, |projection| says(projection, "no projector is running")).await;
        assert_eq!((&told["state"], &told["last_error_since"]), (&json!("live"), &json!(null)), "what it holds can be read");
    }
    platform.start("zookeeper").await;
    until(&api, "zookeeper", |projection| projection["last_error"].is_null()).await;

    // a projector whose user may read and nothing else
    let database = &platform.database;
    let mut root = sqlx::MySqlConnection::connect(&format!("{}/mysql", backends.mysql)).await.unwrap();
    let both = [database.clone(), format!("{database}_cdn_system")];
    let grant = |rights: &str| both.iter().map(|on| format!("GRANT {rights} ON `{on}`.* TO '{database}'@'%'")).collect::<Vec<_>>();
    for sql in std::iter::once(format!("CREATE USER '{database}'@'%' IDENTIFIED BY 'secret'")).chain(grant("SELECT")) {
        sqlx::query(AssertSqlSafe(sql)).execute(&mut root).await.unwrap();
    }
    let rights = grant("ALL");
    let place = backends.mysql.rsplit(['@', '/']).next().unwrap();
    platform.set("LOKI__MYSQL__URL", format!("mysql://{database}:secret@{place}/{database}"));
    platform.spawn("mysql", "mysql");
    create(&api, "/acme/shop").await;
    for name in ["mysql", "history", "cdn_system"] {
        let told = until(&api, name, |projection| says(projection, "the store cannot be used") && projection["lag"] != 0).await;
        assert!(told["state"] == "live" && told["last_error_since"].is_string() && !says(&told, "no projector"), "{told}");
        assert!(says(&told, "denied") && !says(&told, "secret"), "{told}");
    }
    let shown = platform.loki(&["status"]);
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.lines().any(|line| line.starts_with("mysql ") && line.contains("denied")), "{shown}");
    until(&api, "zookeeper", |projection| projection["last_error"].is_null() && projection["lag"] == 0).await;

    for sql in rights {
        sqlx::query(AssertSqlSafe(sql)).execute(&mut root).await.unwrap();
    }
    platform.ready("mysql").await;
    api.settled().await;
    for name in ["mysql", "history", "cdn_system"] {
        until(&api, name, |projection| projection["last_error"].is_null() && projection["last_error_since"].is_null()).await;
    }
    platform.verify();
    sqlx::query(AssertSqlSafe(format!("DROP USER '{}'@'%'", platform.database))).execute(&mut root).await.unwrap();
}
