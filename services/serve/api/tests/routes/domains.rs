//! `GET /v1/domains`, from the command that sets a domain to the part of the tree in which it is found.

use serde_json::{Value, json};

use crate::cell::Cell;

/// Domains on three nodes, and the position after which all are there.
async fn given() -> (Cell, String) {
    let cell = Cell::start().await;
    cell.client.accept("node.create", json!({ "path": "/acme/shop", "parents": true })).await;
    cell.client.accept("node.create", json!({ "path": "/ads" })).await;
    let mut after = Value::Null;
    for (name, node) in [("www.example", "/acme"), ("shop.example", "/acme/shop"), ("api.example", "/acme/shop"), ("ads.example", "/ads")] {
        after = cell.client.accept("domain.set", json!({ "name": name, "node": node })).await["after"].clone();
    }
    (cell, after.as_str().unwrap().to_owned())
}

fn names(body: &Value) -> Vec<&str> {
    body["items"].as_array().unwrap().iter().map(|domain| domain["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn domains_of_a_node_or_of_all_under_it() {
    let (cell, after) = given().await;
    let list = async |query: &str| cell.client.get(&format!("/v1/domains?after={after}{query}")).await;
    let all = list("").await;
    assert_eq!(names(all.good()), ["ads.example", "api.example", "shop.example", "www.example"]);
    assert_eq!(all.header("loki-position"), after);
    assert_eq!(names(list("&node=/acme").await.good()), ["www.example"]);
    assert_eq!(names(list("&node=/acme&recursive=true").await.good()), ["api.example", "shop.example", "www.example"]);
    assert_eq!(names(list("&node=/&recursive=true").await.good()).len(), 4);
    let of_shop = list("&node=/acme/shop").await;
    assert_eq!(names(of_shop.good()), ["api.example", "shop.example"]);
    let node = of_shop.body["items"][0]["node"].clone();
    assert_eq!(node["path"], "/acme/shop");
    assert_eq!(list(&format!("&node={}", node["id"].as_str().unwrap())).await.good(), of_shop.good());
    list("&node=/no").await.problem(404, "not_found");

    cell.client.accept("node.rename", json!({ "node": "/acme/shop", "name": "store" })).await;
    let moved = cell.client.accept("node.move", json!({ "node": "/acme/store", "to": "/ads" })).await;
    let moved = cell.client.get(&format!("/v1/domains?node=/ads&recursive=true&after={}", moved["after"].as_str().unwrap())).await;
    let places: Vec<_> = moved.good()["items"].as_array().unwrap().iter().map(|domain| domain["node"]["path"].clone()).collect();
    assert_eq!(places, ["/ads", "/ads/store", "/ads/store"]);
}

#[tokio::test]
async fn a_domain_is_told_as_it_was_set() {
    let cell = Cell::start().await;
    cell.client.accept("node.create", json!({ "path": "/acme" })).await;
    let expect = json!({ "status": ["301", "2xx", "301"], "body": "ok", "within_ms": 2500 });
    let data = json!({ "name": "127.0.0.1:8470", "path": "/livez?deep=1", "scheme": "http", "vendor": "fastcdn", "node": "/acme", "expect": expect });
    let made = cell.client.accept("domain.set", data.clone()).await;
    let key = made["facts"][0]["key"].as_str().unwrap();
    let told = cell.client.get(&format!("/v1/domains?node=/acme&after={}", made["after"].as_str().unwrap())).await;
    let domain = &told.good()["items"][0];
    assert_eq!(format!("domain/{}", domain["id"].as_str().unwrap()), key);
    let expected = json!({
        "id": domain["id"], "name": "127.0.0.1:8470", "path": "/livez?deep=1", "scheme": "http", "vendor": "fastcdn",
        "node": { "id": domain["node"]["id"], "path": "/acme" },
        "expect": { "status": ["2xx", "301"], "body": "ok", "within_ms": 2500 },
    });
    assert_eq!(domain, &expected);
    // asking for what is so changes nothing
    let again = cell.client.accept("domain.set", data).await;
    assert_eq!(again["facts"], json!([]));
    // a node with domains stays
    let refused =
        cell.client.post("/v1/commands?wait=10s", json!({ "type": "node.remove", "data": { "node": "/acme" } }).to_string()).await;
    assert_eq!((&refused.body["code"], &refused.body["conflict"]), (&json!("not_empty"), &json!(key)), "{}", refused.text);
}

#[tokio::test]
async fn domains_come_in_parts_that_keep_the_filter() {
    let (cell, after) = given().await;
    let mut seen = Vec::new();
    let mut path = format!("/v1/domains?node=/acme&recursive=true&limit=1&after={after}");
    loop {
        let part = cell.client.get(&path).await;
        assert_eq!(part.link().is_some(), part.good()["next"].is_string());
        seen.extend(names(&part.body).into_iter().map(str::to_owned));
        let Some(next) = part.link() else { break };
        path = next;
    }
    assert_eq!(seen, ["api.example", "shop.example", "www.example"]);
    for (path, field) in [
        ("/v1/domains?limit=0", "limit"),
        ("/v1/domains?limit=1001", "limit"),
        ("/v1/domains?cursor=none", "cursor"),
        ("/v1/domains?recursive=true", "recursive"),
        ("/v1/domains?node=acme", "node"),
        ("/v1/domains?after=c5", "after"),
        ("/v1/domains?colour=red", "colour"),
    ] {
        cell.client.get(path).await.names(field);
    }
}
