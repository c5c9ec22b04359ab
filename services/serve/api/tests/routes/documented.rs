//! `openapi.json`: checked in, complete, and true.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::cell::{Cell, until};

pub(crate) fn description() -> Value {
    serde_json::to_value(loki_api::openapi()).unwrap()
}

pub(crate) fn operations(description: &Value) -> Vec<(String, String, Value)> {
    let paths = description["paths"].as_object().unwrap();
    let each = |(path, item): (&String, &Value)| {
        let item = item.as_object().unwrap().clone();
        let path = path.clone();
        item.into_iter().map(move |(method, operation)| (method, path.clone(), operation))
    };
    paths.iter().flat_map(each).collect()
}

#[test]
fn the_description_is_the_one_that_is_checked_in() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let now = serde_json::to_string_pretty(&description()).unwrap() + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&file, &now).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == now, "`openapi.json` is not what the routes say: run this test with UPDATE_OPENAPI=1 and look at the difference");
}

#[test]
fn every_route_is_described() {
    let description = description();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
    let said = |value: &Value| value.as_str().is_some_and(|text| text.len() > 5);
    for (method, path, operation) in operations(&description) {
        let name = format!("{method} {path}");
        assert!(!path.contains('*'), "{name}");
        assert!(said(&operation["summary"]), "{name} has a summary");
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        for parameter in &parameters {
            assert!(said(&parameter["description"]), "{name}: {} has a description", parameter["name"]);
        }
        for template in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            let found = parameters
                .iter()
                .any(|parameter| parameter["name"] == template && parameter["in"] == "path" && parameter["required"] == true);
            assert!(found, "{name}: `{template}` is described");
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(said(&response["description"]), "{name} {status}");
            let problem = &response["content"]["application/problem+json"]["schema"]["$ref"];
            let is_problem = status.starts_with(['4', '5']);
            assert_eq!(problem.as_str().is_some(), is_problem, "{name} {status}: {response}");
        }
        for status in ["400", "401", "421", "503"].into_iter().chain((method != "get").then_some("403")) {
            assert!(operation["responses"].get(status).is_some(), "{name} tells of {status}");
        }
    }
}

/// What the description says of a body.
pub(crate) fn described(description: &Value, operation: &Value, status: u16, content_type: &str, name: &str) -> jsonschema::Validator {
    let response = &operation["responses"][status.to_string()];
    assert!(response.is_object(), "{name} does not tell of {status}");
    let Some(schema) = response["content"][content_type].get("schema") else {
        panic!("{name} {status} does not tell of {content_type}");
    };
    let whole = json!({ "$ref": "#/components/it", "components": { "schemas": description["components"]["schemas"], "it": schema } });
    jsonschema::validator_for(&whole).unwrap()
}

/// Whether a body is as the description says.
fn check(description: &Value, operation: &Value, status: u16, content_type: &str, body: &Value, name: &str) {
    let validator = described(description, operation, status, content_type, name);
    let mistakes: Vec<_> = validator.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(mistakes.is_empty(), "{name} {status}: {mistakes:#?} in {body}");
}

#[tokio::test]
async fn every_documented_path_answers_as_documented() {
    let cell = Cell::start().await;
    cell.client.accept("node.create", json!({ "path": "/acme/shop", "parents": true, "labels": { "tier": "1" } })).await;
    cell.client.accept("node.set", json!({ "node": "/acme", "contacts": ["a@example.org"], "defaults": { "region": "eu" } })).await;
    cell.client.accept("server.register", json!({ "name": "web1", "state": "online" })).await;
    cell.client.accept("server.mount", json!({ "server": "web1", "node": "/acme/shop" })).await;
    cell.client.post("/v1/commands", "{\"type\":\"node.create\",\"data\":{\"path\":\"/acme\"}}").await;
    let (commands, broken) = (loki_log::Partition::only(&loki_log::Topic::new(&cell.topics.commands)), loki_log::NewRecord::default());
    loki_log::Log::append(&cell.log, &commands, vec![broken.clone(), broken]).await.unwrap();
    // OpenTSDB's routes are described by OpenTSDB
    let point = r#"{"metric":"host.up","timestamp":1700000000,"value":1,"tags":{"host":"web1"}}"#;
    assert_eq!(cell.client.post("/api/put", point).await.status, 204);
    let owner = loki_wire::signature::Secret::new([1; 32]);
    let key = owner.public().to_string();
    cell.client.accept("token.create", json!({ "name": "owner", "uses": ["deploy", "script", "grant"], "key": key })).await;
    until("the token is there", async || !cell.client.get("/v1/tokens").await.body["items"][0].is_null()).await;
    let signed = cell.client.with_token(&owner.reveal());
    signed
        .accept("package.register", json!({ "name": "web", "version": "1", "url": "artifact", "sha256": "00".repeat(32), "size": 7 }))
        .await;
    let settings = json!({ "package": "web", "version": "1" });
    signed.accept("template.set", json!({ "node": "/acme", "name": "web", "kind": "standard-deploy", "settings": settings })).await;
    let started = signed.accept("run.start", json!({ "node": "/acme/shop", "template": "web" })).await;
    let facts = started["facts"].as_array().unwrap();
    let run = facts.iter().find_map(|fact| fact["key"].as_str().unwrap().strip_prefix("run/")).unwrap();
    until("everything decided is applied", async || cell.client.get("/v1/status").await.body["undecided"] == 0).await;

    let (letter, other) = ("loki.commands%2F0%2F5%2F0", "loki.commands%2F0%2F6%2F0");
    let command = r#"{"type":"node.create","data":{"path":"/new"}}"#;
    let chunk = r#"{"attempt":1,"step":"start","offset":0,"bytes":3,"text":"ok\n","last":false}"#;
    let asked: [(&str, &str, &str, &str, u16); 58] = [
        ("post", "/v1/commands", "/v1/commands", command, 202),
        ("post", "/v1/commands", "/v1/commands?wait=60s", command, 200),
        ("post", "/v1/commands", "/v1/commands?wait=x", command, 400),
        ("post", "/v1/commands", "/v1/commands", "{}", 422),
        ("get", "/v1/commands/{id}", "/v1/commands/c0", "", 200),
        ("get", "/v1/commands/{id}", "/v1/commands/c999", "", 404),
        ("get", "/v1/tree", "/v1/tree?depth=5", "", 200),
        ("get", "/v1/tree/{path}", "/v1/tree/acme/shop", "", 200),
        ("get", "/v1/tree/{path}", "/v1/tree/acme/shop?at=c0", "", 200),
        ("get", "/v1/tree/{path}", "/v1/tree/no", "", 404),
        ("get", "/v1/nodes", "/v1/nodes?under=/acme", "", 200),
        ("get", "/v1/nodes", "/v1/nodes?under=/no", "", 404),
        ("get", "/v1/nodes/{id}", "/v1/nodes/%2Facme%2Fshop", "", 200),
        ("get", "/v1/nodes/{id}", "/v1/nodes/%2Fno", "", 404),
        ("get", "/v1/servers", "/v1/servers", "", 200),
        ("get", "/v1/servers", "/v1/servers?node=/acme&recursive=true", "", 200),
        ("get", "/v1/servers", "/v1/servers?node=/no", "", 404),
        ("get", "/v1/servers/{name}", "/v1/servers/web1", "", 200),
        ("get", "/v1/servers/{name}", "/v1/servers/web2", "", 404),
        ("get", "/v1/domains", "/v1/domains", "", 200),
        ("get", "/v1/domains", "/v1/domains?node=/acme&recursive=true", "", 200),
        ("get", "/v1/domains", "/v1/domains?node=/no", "", 404),
        ("get", "/v1/samples", "/v1/samples?metric=host.cpu.usage", "", 200),
        ("get", "/v1/samples", "/v1/samples?metric=a%20b", "", 400),
        ("get", "/v1/servers/{name}/tasks", "/v1/servers/web1/tasks", "", 200),
        ("get", "/v1/servers/{name}/tasks", "/v1/servers/web1/tasks?wait=1s", "", 400),
        ("get", "/v1/servers/{name}/tasks", "/v1/servers/web2/tasks", "", 404),
        ("put", "/v1/artifacts/{sha256}", "/v1/artifacts/SHA256", "abc", 403),
        ("get", "/v1/artifacts/{sha256}", "/v1/artifacts/SHA256", "", 404),
        ("get", "/v1/tokens", "/v1/tokens", "", 200),
        ("get", "/v1/packages", "/v1/packages?name=web", "", 200),
        ("get", "/v1/packages/{name}/{version}", "/v1/packages/web/1", "", 200),
        ("get", "/v1/packages/{name}/{version}", "/v1/packages/web/2", "", 404),
        ("get", "/v1/packages/{name}/{version}/archive", "/v1/packages/web/2/archive", "", 404),
        ("get", "/v1/templates", "/v1/templates?node=/acme/shop", "", 200),
        ("get", "/v1/templates", "/v1/templates?node=/no", "", 404),
        ("get", "/v1/runs", "/v1/runs?node=/acme", "", 200),
        ("get", "/v1/runs", "/v1/runs?node=/no", "", 404),
        ("get", "/v1/runs/{run}", "/v1/runs/RUN", "", 200),
        ("get", "/v1/runs/{run}", "/v1/runs/0000000000000000", "", 404),
        ("get", "/v1/runs/{run}/batches", "/v1/runs/RUN/batches", "", 200),
        ("get", "/v1/runs/{run}/tasks", "/v1/runs/RUN/tasks", "", 200),
        ("post", "/v1/runs/{run}/hosts/{host}/log", "/v1/runs/RUN/hosts/web1/log", chunk, 202),
        ("post", "/v1/runs/{run}/hosts/{host}/log", "/v1/runs/RUN/hosts/web1/log", "{}", 422),
        ("get", "/v1/runs/{run}/hosts/{host}/log", "/v1/runs/RUN/hosts/web1/log?follow=60s", "", 200),
        ("get", "/v1/runs/{run}/hosts/{host}/log", "/v1/runs/RUN/hosts/web2/log", "", 404),
        ("get", "/v1/audit", "/v1/audit?limit=3", "", 200),
        ("get", "/v1/audit", "/v1/audit?limit=0", "", 400),
        ("get", "/v1/history/diff", "/v1/history/diff?from=c0&to=c3", "", 200),
        ("get", "/v1/history/undo", "/v1/history/undo?position=c3", "", 200),
        ("get", "/v1/history/undo", "/v1/history/undo?position=c4", "", 409),
        ("get", "/v1/dead", "/v1/dead", "", 200),
        ("get", "/v1/dead/{id}", "/v1/dead/ID", "", 200),
        ("post", "/v1/dead/{id}/replay", "/v1/dead/ID/replay", "", 202),
        ("delete", "/v1/dead/{id}", "/v1/dead/OTHER", "", 200),
        ("delete", "/v1/dead/{id}", "/v1/dead/ID", "", 404),
        ("get", "/v1/status", "/v1/status", "", 200),
        ("get", "/v1/events", "/v1/events?from=x", "", 400),
    ];
    let served = cell.client.get("/openapi.json").await;
    let description = served.good();
    assert_eq!(description, &self::description());
    for (method, template, path, body, status) in asked {
        let operation = &description["paths"][template][method];
        assert!(operation.is_object(), "{method} {template} is documented");
        let request = cell.client.request(
            method.to_uppercase().parse::<Method>().unwrap(),
            &path.replace("ID", letter).replace("OTHER", other).replace("RUN", run).replace("SHA256", &"0".repeat(64)),
        );
        let answer = cell.client.ask(request.body(body)).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        check(description, operation, status, answer.header("content-type"), &answer.body, path);
    }
    for (method, path, _) in operations(description) {
        assert!(asked.iter().any(|(m, template, ..)| (*m, *template) == (&*method, &*path)), "{method} {path} is asked here");
    }
    // every route was asked: from this the API's access list follows
    cell.recording.check("", "api");
}
