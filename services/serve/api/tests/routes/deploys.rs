//! Named tokens as bearer tokens, and what is read of packages, templates and runs.

use loki_wire::signature::Secret;
use serde_json::{Value, json};

use crate::cell::{Cell, Setting};
use crate::client::Client;

fn secret(number: u8) -> Secret {
    Secret::new([number; 32])
}

pub(crate) fn token(name: &str, number: u8, uses: &[&str]) -> Value {
    json!({ "name": name, "uses": uses, "key": secret(number).public().to_string() })
}

pub(crate) fn as_token(cell: &Cell, number: u8) -> Client {
    cell.client.with_token(&secret(number).reveal())
}

pub(crate) fn after(outcome: &Value) -> String {
    outcome["after"].as_str().unwrap().to_owned()
}

/// A node with two servers, and the owner's token.
pub(crate) async fn given() -> Cell {
    let cell = Cell::start().await;
    cell.client.accept("node.create", json!({ "path": "/acme/shop", "parents": true })).await;
    for name in ["web01", "web02"] {
        cell.client.accept("server.register", json!({ "name": name, "state": "online" })).await;
        cell.client.accept("server.mount", json!({ "server": name, "node": "/acme/shop" })).await;
    }
    let made = cell.client.accept("token.create", token("owner", 1, &["deploy", "script", "grant"])).await;
    cell.client.get(&format!("/v1/tokens?after={}", after(&made))).await.good();
    cell
}

#[tokio::test]
async fn whoever_has_a_named_token_may_what_it_is_for() {
    let cell = given().await;
    let refused = cell.client.command("token.create", token("ci", 2, &["deploy"])).await;
    assert_eq!((refused.status, &refused.body["code"]), (200, &json!("forbidden")), "{}", refused.text);
    // a secret that no token has is told so at once, also where everybody may read
    let detail = as_token(&cell, 2).get("/v1/status").await.problem(401, "unauthorized")["detail"].clone();
    assert!(detail.as_str().unwrap().contains("loki admin token list"), "{detail}");

    let mut ci = token("ci", 2, &["deploy"]);
    ci["node"] = json!("/acme/shop");
    let made = as_token(&cell, 1).accept("token.create", ci).await;
    assert_eq!(made["actor"], "owner", "who names no actor is the token");
    let listed = cell.client.get(&format!("/v1/tokens?after={}", after(&made))).await;
    let items = listed.good()["items"].as_array().unwrap();
    let names: Vec<_> = items.iter().map(|item| (&item["token"]["name"], &item["path"])).collect();
    assert_eq!(names, [(&json!("ci"), &json!("/acme/shop")), (&json!("owner"), &json!(null))]);

    // a token that is new is known within a second
    let start = json!({ "node": "/acme/shop", "template": "script", "settings": { "script": "uptime" } });
    let ci = as_token(&cell, 2);
    let mut answer = ci.command("run.start", start.clone()).await;
    while answer.status == 401 {
        answer = ci.command("run.start", start.clone()).await;
    }
    assert_eq!(answer.body["code"], "forbidden", "it is for deploys alone: {}", answer.text);
    // a signature of one's own stays
    let named = json!({ "id": "a-1", "actor": "ann", "type": "run.start", "data": start, "keyid": "ci" });
    let half = ci.post("/v1/commands?wait=60s", named.to_string()).await;
    assert_eq!(half.problem(422, "bad_envelope")["field"], "signature");

    let removed = as_token(&cell, 1).accept("token.remove", json!({ "name": "ci" })).await;
    cell.client.get(&format!("/v1/tokens?after={}", after(&removed))).await.good();
    // it counts as there for some seconds more, and is worth nothing
    let gone = ci.command("package.withdraw", json!({ "name": "web", "version": "1", "reason": "no" })).await;
    assert!(gone.status == 401 || gone.body["code"] == "forbidden", "{}", gone.text);
}

#[tokio::test]
async fn a_named_token_opens_a_closed_door() {
    let cell = Cell::start_with(Setting { token: "secret", ..Setting::default() }).await;
    let by_setting = cell.client.with_token("secret");
    let made = by_setting.accept("token.create", token("owner", 1, &["deploy", "script", "grant"])).await;
    by_setting.get(&format!("/v1/tokens?after={}", after(&made))).await.good();
    as_token(&cell, 1).get("/v1/status").await.good();
    as_token(&cell, 3).get("/v1/status").await.problem(401, "unauthorized");
    cell.client.get("/v1/status").await.problem(401, "unauthorized");
}

#[tokio::test]
async fn packages_templates_and_runs_are_read() {
    let cell = given().await;
    let owner = as_token(&cell, 1);
    let package = |version: &str| json!({ "name": "web", "version": version, "url": "artifact", "sha256": "00".repeat(32), "size": 7 });
    for version in ["1.0", "1.1"] {
        owner.accept("package.register", package(version)).await;
    }
    owner.accept("package.withdraw", json!({ "name": "web", "version": "1.0", "reason": "it leaks" })).await;
    let settings = json!({ "package": "web", "pause_ms": 0 });
    owner.accept("template.set", json!({ "node": "/acme", "name": "web", "kind": "standard-deploy", "settings": settings })).await;
    let script = json!({ "node": "/acme/shop", "template": "script", "settings": { "script": "uptime", "batches": "1" } });
    owner.accept("run.start", script).await;
    let start = json!({ "node": "/acme/shop", "template": "web", "settings": { "version": "1.1" } });
    let started = owner.accept("run.start", start).await;
    let after = after(&started);
    let get = async |path: &str| {
        let and = if path.contains('?') { '&' } else { '?' };
        cell.client.get(&format!("{path}{and}after={after}")).await
    };

    let packages = get("/v1/packages?limit=1").await;
    assert_eq!((&packages.good()["items"][0]["version"], packages.body["items"][0]["withdrawn"].is_null()), (&json!("1.0"), false));
    let next = cell.client.get(&packages.link().unwrap()).await;
    assert_eq!((&next.good()["items"][0]["version"], &next.body["next"]), (&json!("1.1"), &json!(null)));
    assert_eq!(get("/v1/packages?name=api").await.good()["items"], json!([]));
    assert_eq!(get("/v1/packages/web/1.1").await.good()["size"], 7);
    get("/v1/packages/web/2").await.problem(404, "not_found");
    get("/v1/packages/We%20b/2").await.names("name");

    let templates = get("/v1/templates?node=/acme/shop").await;
    let of: Vec<_> = templates.good()["items"].as_array().unwrap().iter().map(|item| (&item["template"]["name"], &item["path"])).collect();
    assert_eq!(of, [(&json!("web"), &json!("/acme"))]);
    get("/v1/templates?node=/no").await.problem(404, "not_found");
    cell.client.get("/v1/templates").await.names("node");

    let runs = get("/v1/runs?node=/acme&unfinished=true").await;
    let items = runs.good()["items"].as_array().unwrap();
    let of: Vec<_> = items.iter().map(|item| (&item["run"]["job"]["type"], &item["path"])).collect();
    assert_eq!(of, [(&json!("deploy"), &json!("/acme/shop")), (&json!("script"), &json!("/acme/shop"))]);
    assert_eq!(get("/v1/runs?state=failed").await.good()["items"], json!([]));
    get("/v1/runs?state=done").await.names("state");
    get("/v1/runs?node=/no").await.problem(404, "not_found");

    let id = items[0]["run"]["id"].as_str().unwrap();
    let run = get(&format!("/v1/runs/{id}")).await;
    assert_eq!((&run.good()["package"]["version"], &run.body["from"]), (&json!("1.1"), &json!(null)));
    assert_eq!(run.body["run"]["by"], "owner");
    let batches = get(&format!("/v1/runs/{id}/batches")).await;
    let sizes: Vec<_> =
        batches.good()["items"].as_array().unwrap().iter().map(|batch| batch["servers"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [1, 1]);
    let told = async || get(&format!("/v1/runs/{id}/tasks")).await.good()["items"].as_array().unwrap().clone();
    assert!(told().await.iter().all(|task| task["name"] == "web01" || task["name"] == "web02"));
    // one of each server's tasks is open, and nothing has failed
    let told_in = async |states: &str| get(&format!("/v1/runs/{id}/tasks?state={states}")).await.good()["items"].as_array().unwrap().len();
    assert_eq!((told_in("pending,running").await, told_in("failed,unknown").await), (told().await.len(), 0));
    assert_eq!(run.body["batch"], json!({ "pending": 1, "running": 0, "succeeded": 0, "failed": 0, "unknown": 0 }));
    for wrong in ["done", "failed,", ""] {
        get(&format!("/v1/runs/{id}/tasks?state={wrong}")).await.names("state");
    }
    for path in ["/v1/runs/0000000000000000", "/v1/runs/0000000000000000/batches", "/v1/runs/0000000000000000/tasks"] {
        get(path).await.problem(404, "not_found");
    }
    cell.client.get("/v1/runs/x").await.names("run");
}

#[tokio::test]
async fn a_run_at_a_node_above_goes_back_to_what_a_run_below_has_brought() {
    let cell = given().await;
    let owner = as_token(&cell, 1);
    for version in ["1.0", "1.1"] {
        let package = json!({ "name": "web", "version": version, "url": "artifact", "sha256": "00".repeat(32), "size": 7 });
        owner.accept("package.register", package).await;
    }
    let run_of = |outcome: &Value| {
        let facts = outcome["facts"].as_array().unwrap().iter();
        facts.filter_map(|fact| fact["key"].as_str()?.strip_prefix("run/")).next().unwrap().to_owned()
    };
    let start = |node: &str, version: &str| json!({ "node": node, "settings": { "package": "web", "version": version, "batches": "2" } });
    let below = owner.accept("run.start", start("/acme/shop", "1.0")).await;
    let run = run_of(&below);
    let tasks = cell.client.get(&format!("/v1/runs/{run}/tasks?after={}", after(&below))).await;
    for task in tasks.good()["items"].as_array().unwrap() {
        let report = json!({ "run": run, "server": task["task"]["server"], "attempt": 1, "state": "succeeded" });
        cell.client.accept("run.report", report).await;
    }
    let above = owner.accept("run.start", start("/acme", "1.1")).await;
    let detail = cell.client.get(&format!("/v1/runs/{}?after={}", run_of(&above), after(&above))).await;
    assert_eq!((&detail.good()["package"]["version"], &detail.body["from"]["version"]), (&json!("1.1"), &json!("1.0")));
    let refused = owner.command("run.roll_back", json!({ "run": run })).await;
    assert_eq!((&refused.body["code"], &refused.body["outcome"]), (&json!("wrong_state"), &json!("rejected")), "{}", refused.text);
}

#[tokio::test]
async fn an_agent_waits_for_what_is_new_and_hears_of_it_at_once() {
    let cell = given().await;
    let owner = as_token(&cell, 1);
    let first = cell.client.get("/v1/servers/web01/tasks").await;
    assert_eq!(first.good()["items"], json!([]));
    let (server, seen) = (first.body["server"].as_str().unwrap().to_owned(), first.header("loki-position").to_owned());
    let waits = |seen: &str, wait: &str| format!("/v1/servers/id:{server}/tasks?seen={seen}&wait={wait}");
    let nothing = cell.client.get(&waits(&seen, "50ms")).await;
    assert_eq!((nothing.status, nothing.header("loki-position"), nothing.text.as_str()), (204, seen.as_str(), ""));
    // other servers' tasks do not end the wait, its own do, long before its time
    let client = cell.client.clone();
    let path = waits(&seen, "60s");
    let waiting = tokio::spawn(async move { client.get(&path).await });
    let start = json!({ "node": "/acme/shop", "template": "script", "settings": { "script": "uptime", "batches": "100%" } });
    let started = owner.accept("run.start", start).await;
    let woken = waiting.await.unwrap();
    // this cell's decider has no key: nothing is signed, so that nothing is told, but the position is further
    assert_eq!(woken.good()["items"], json!([]));
    assert_ne!(woken.header("loki-position"), seen);
    let now = cell.client.get(&format!("/v1/servers/web01/tasks?after={}", after(&started))).await.header("loki-position").to_owned();
    assert_eq!(cell.client.get(&waits(&now, "50ms")).await.status, 204);
    cell.client.get(&format!("/v1/servers/web01/tasks?seen={now}&wait=x")).await.names("wait");
    cell.client.get("/v1/servers/web01/tasks?seen=c1&wait=1s").await.names("seen");
}
