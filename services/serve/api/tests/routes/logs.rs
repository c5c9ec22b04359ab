//! What hooks and scripts print: from an agent into the log, and from the store to whoever reads or follows.

use serde_json::{Value, json};

use crate::cell::Cell;
use crate::client::Client;
use crate::deploys::{after, as_token, given};

/// A script that has begun on two servers: its run's id.
async fn begun(cell: &Cell) -> String {
    let owner = as_token(cell, 1);
    let start = json!({ "node": "/acme/shop", "template": "script", "settings": { "script": "uptime", "batches": "100%" } });
    let started = owner.accept("run.start", start).await;
    let facts = started["facts"].as_array().unwrap().iter();
    let run = facts.filter_map(|fact| fact["key"].as_str()?.strip_prefix("run/")).next().unwrap().to_owned();
    cell.client.get(&format!("/v1/runs/{run}?after={}", after(&started))).await.good();
    run
}

fn chunk(attempt: u32, offset: u64, text: &str, last: bool) -> Value {
    json!({ "attempt": attempt, "step": "script", "offset": offset, "bytes": text.len(), "text": text, "last": last })
}

async fn sends(client: &Client, run: &str, chunk: &Value) -> String {
    let answer = client.post(&format!("/v1/runs/{run}/hosts/web01/log"), chunk.to_string()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.body["position"].as_str().unwrap().to_owned()
}

fn texts(answer: &Value) -> Vec<&str> {
    answer["items"].as_array().unwrap().iter().map(|item| item["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_an_agent_sends_is_read_once_and_in_order() {
    let cell = given().await;
    let run = begun(&cell).await;
    let read = async |question: &str| cell.client.get(&format!("/v1/runs/{run}/hosts/web01/log{question}")).await;
    let nothing = read("").await;
    assert_eq!((texts(nothing.good()), &nothing.body["next"], &nothing.body["state"]), (vec![], &json!("0.0"), &json!("pending")));
    assert_eq!((&nothing.body["complete"], &nothing.body["attempt"]), (&json!(false), &json!(1)));

    sends(&cell.client, &run, &chunk(1, 0, "one\n", false)).await;
    for _ in 0..2 {
        sends(&cell.client, &run, &chunk(1, 4, "two\n", false)).await;
    }
    let position = sends(&cell.client, &run, &chunk(1, 8, "", true)).await;
    let all = read(&format!("?after={position}")).await;
    assert_eq!((texts(all.good()), &all.body["next"], &all.body["complete"]), (vec!["one\n", "two\n"], &json!("2.0"), &json!(false)));
    let second = &all.body["items"][1];
    assert_eq!((&second["offset"], &second["bytes"], &second["step"]), (&json!(4), &json!(4), &json!("script")));
    assert!(second["at"].as_str().unwrap().ends_with('Z'), "{second}");
    let server = all.body["server"].as_str().unwrap();
    let by_id = cell.client.get(&format!("/v1/runs/{run}/hosts/id:{server}/log?limit=1")).await;
    assert_eq!((texts(by_id.good()), &by_id.body["next"]), (vec!["one\n"], &json!("1.4")));
    assert_eq!(texts(read("?from=1.4&limit=1").await.good()), ["two\n"]);
    // the other host's is its own
    assert_eq!(texts(cell.client.get(&format!("/v1/runs/{run}/hosts/web02/log")).await.good()), Vec::<&str>::new());

    // the host is done, and the end of its log is there
    let report = json!({ "run": run, "server": server, "attempt": 1, "state": "succeeded" });
    let reported = cell.client.accept("run.report", report).await;
    cell.client.get(&format!("/v1/runs/{run}?after={}", after(&reported))).await.good();
    let done = read("?from=2.0&follow=60s").await;
    assert_eq!((texts(done.good()), &done.body["state"], &done.body["complete"]), (vec![], &json!("succeeded"), &json!(true)));
}

#[tokio::test]
async fn whoever_follows_sees_what_comes() {
    let cell = given().await;
    let run = begun(&cell).await;
    let (client, path) = (cell.client.clone(), format!("/v1/runs/{run}/hosts/web01/log?from=1.0&follow=60s"));
    let following = tokio::spawn(async move { client.get(&path).await });
    sends(&cell.client, &run, &chunk(1, 0, "at last\n", false)).await;
    assert_eq!(texts(following.await.unwrap().good()), ["at last\n"]);
    let none = cell.client.get(&format!("/v1/runs/{run}/hosts/web01/log?from=1.8&follow=50ms")).await;
    assert_eq!((texts(none.good()), &none.body["next"]), (vec![], &json!("1.8")));
}

#[tokio::test]
async fn what_is_no_log_of_a_run_is_refused() {
    let cell = given().await;
    let run = begun(&cell).await;
    let good = chunk(1, 0, "one\n", false);
    let sends = async |path: &str, body: &Value| cell.client.post(path, body.to_string()).await;
    let path = format!("/v1/runs/{run}/hosts/web01/log");
    sends("/v1/runs/0000000000000000/hosts/web01/log", &good).await.problem(404, "not_found");
    sends(&format!("/v1/runs/{run}/hosts/web03/log"), &good).await.problem(404, "not_found");
    sends(&format!("/v1/runs/{run}/hosts/id:0000000000000000/log"), &good).await.problem(404, "not_found");
    let wrong = [
        (chunk(2, 0, "one\n", false), "invalid", "attempt"),
        (chunk(0, 0, "one\n", false), "invalid", "attempt"),
        (chunk(1, 0, "", false), "invalid", "bytes"),
        (chunk(1, 0, &"x".repeat(32_769), false), "invalid", "bytes"),
        (json!({ "attempt": 1 }), "schema_violation", "step"),
    ];
    for (body, code, field) in wrong {
        assert_eq!(sends(&path, &body).await.problem(422, code)["field"], field, "{body}");
    }
    cell.client.post(&path, "{").await.problem(400, "bad_json");
    for (question, parameter) in [("from=x", "from"), ("limit=51", "limit"), ("follow=x", "follow"), ("after=f1", "after")] {
        cell.client.get(&format!("{path}?{question}")).await.names(parameter);
    }
    cell.client.get("/v1/runs/0000000000000000/hosts/web01/log").await.problem(404, "not_found");
    cell.client.get("/v1/runs/x/hosts/web01/log").await.names("run");
    cell.client.get(&format!("/v1/runs/{run}/hosts/id:x/log")).await.names("host");
}
