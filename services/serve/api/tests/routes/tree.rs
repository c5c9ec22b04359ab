//! `GET /v1/tree`, `GET /v1/nodes` and `GET /v1/nodes/{id}`.

use std::time::Duration;

use serde_json::json;

use crate::cell::{Cell, Setting, until};

#[tokio::test]
async fn the_tree_as_it_is_and_as_it_was() {
    let cell = Cell::start().await;
    let before = cell.client.accept("node.create", json!({ "path": "/acme/shop/web", "parents": true })).await;
    let after = cell.client.accept("node.rename", json!({ "node": "/acme/shop", "name": "store" })).await;
    let (f, c) = (after["after"].as_str().unwrap(), after["position"].as_str().unwrap());

    let root = cell.client.get(&format!("/v1/tree?after={f}")).await;
    assert_eq!((&root.good()["id"], &root.body["path"]), (&json!(null), &json!("/")));
    assert_eq!(root.body["children"][0]["name"], "acme");
    assert_eq!(root.body["children"][0]["children"], json!([]), "one level");
    assert_eq!(root.header("loki-position"), f);
    let deep = cell.client.get_with("/v1/tree/acme?depth=2", "Loki-After", f).await;
    assert_eq!(deep.good()["children"][0]["children"][0]["path"], "/acme/store/web");
    // a slash may be written as it is or encoded
    assert_eq!(cell.client.get("/v1/tree/acme%2Fstore").await.good()["path"], "/acme/store");
    cell.client.get("/v1/tree/acme/shop").await.problem(404, "not_found");

    let was = before["position"].as_str().unwrap();
    let past = cell.client.get(&format!("/v1/tree/acme/shop?at={was}&after={c}")).await;
    assert_eq!(past.good()["children"][0]["path"], "/acme/shop/web");
    assert_eq!(past.header("loki-position"), was);
    cell.client.get(&format!("/v1/tree/acme/store?at={was}")).await.problem(404, "not_found");
    let audit = cell.client.get(&format!("/v1/audit?after={c}")).await;
    let at = audit.good()["items"][0]["at"].as_str().unwrap().to_owned();
    assert_eq!(cell.client.get(&format!("/v1/tree/acme/store?at={at}")).await.good()["name"], "store");
    cell.client.get("/v1/tree/acme?at=2001-01-01T00:00:00Z").await.problem(404, "not_found");

    for (path, field) in [
        ("/v1/tree?depth=65", "depth"),
        ("/v1/tree?depth=-1", "depth"),
        ("/v1/tree?at=yesterday", "at"),
        ("/v1/tree?after=c1", "after"),
        ("/v1/tree?at=c0&after=f1", "after"),
        ("/v1/tree/a%20%20b", "path"),
        ("/v1/tree/%ff", "path"),
        ("/v1/tree?colour=red", "colour"),
        ("/v1/tree?depth=1&depth=2", "depth"),
    ] {
        cell.client.get(path).await.names(field);
    }
    cell.client.get_with("/v1/tree", "Loki-After", "17").await.names("after");
}

#[tokio::test]
async fn a_tree_of_any_size_is_listed_in_parts() {
    let cell = Cell::start_with(Setting { nodes_max: 4, ..Setting::default() }).await;
    let paths = ["/acme", "/acme/shop", "/acme/shop/支付", "/acme/store", "/beta"];
    for path in paths {
        cell.client.accept("node.create", json!({ "path": path, "labels": { "at": "1" } })).await;
    }
    cell.settled().await;
    assert_eq!(cell.client.get("/v1/tree?depth=9").await.problem(400, "too_many_nodes")["field"], "depth");
    let parts = async |query: &str| {
        let (mut listed, mut path) = (Vec::new(), format!("/v1/nodes?{query}"));
        loop {
            let part = cell.client.get(&path).await;
            assert_eq!(part.link().is_some(), part.good()["next"].is_string());
            listed.extend(part.body["items"].as_array().unwrap().iter().map(|node| node["path"].as_str().unwrap().to_owned()));
            match part.link() {
                Some(next) => path = next,
                None => return listed,
            }
        }
    };
    for limit in 1..=6 {
        assert_eq!(parts(&format!("limit={limit}")).await, paths, "{limit}");
        assert_eq!(parts(&format!("limit={limit}&under=/acme")).await, paths[..4], "{limit}");
        assert_eq!(parts(&format!("limit={limit}&depth=1")).await, ["/acme", "/beta"], "{limit}");
    }
    assert_eq!(parts("under=/acme&depth=0").await, ["/acme"]);
    let one = cell.client.get("/v1/nodes?under=/beta").await;
    assert_eq!((&one.good()["items"][0]["labels"], &one.body["items"][0]["servers"]), (&json!({ "at": "1" }), &json!(0)));
    assert!(one.header("loki-position").starts_with('f'));
    cell.client.get("/v1/nodes?under=/no").await.problem(404, "not_found");
    for (query, field) in
        [("under=acme", "under"), ("depth=65", "depth"), ("limit=0", "limit"), ("cursor=x", "cursor"), ("after=c1", "after")]
    {
        cell.client.get(&format!("/v1/nodes?{query}")).await.names(field);
    }
    cell.client.get("/v1/nodes?under=/acme&cursor=/beta").await.names("cursor");
}

#[tokio::test]
async fn a_node_tells_what_it_inherits_and_from_where() {
    let cell = Cell::start().await;
    let made = cell.client.accept("node.create", json!({ "path": "/acme/shop", "parents": true })).await;
    let set = json!({ "node": "/acme", "contacts": ["ops@example.org"], "defaults": { "region": "eu" } });
    let f = cell.client.accept("node.set", set).await["after"].as_str().unwrap().to_owned();
    let id = made["facts"].as_array().unwrap().last().unwrap()["key"].as_str().unwrap().strip_prefix("node/").unwrap().to_owned();
    for path in [format!("/v1/nodes/{id}?after={f}"), format!("/v1/nodes/%2Facme%2Fshop?after={f}")] {
        let node = cell.client.get(&path).await;
        assert_eq!(node.good()["path"], "/acme/shop", "{path}");
        assert_eq!(node.body["contacts"]["from_path"], "/acme");
        assert_eq!(node.body["defaults"]["region"]["value"], "eu");
        assert_eq!(node.body["node"]["name"], "shop");
        assert_eq!(node.header("loki-position"), f);
    }
    cell.client.get("/v1/nodes/0000000000000000").await.problem(404, "not_found");
    cell.client.get("/v1/nodes/shop").await.names("id");
    cell.client.get("/v1/nodes/%2Fno").await.problem(404, "not_found");
    cell.client.get("/v1/nodes/%2Facme?depth=1").await.names("depth");
}

#[tokio::test]
async fn after_waits_and_is_503_when_it_does_not_come() {
    let setting = Setting { wait_max: Duration::from_millis(300), ..Setting::default() };
    let cell = Cell::start_with(setting).await;
    let command = json!({ "type": "node.create", "data": { "path": "/acme" } });
    let made = cell.client.post("/v1/commands?wait=300ms", command.to_string()).await;
    cell.settled().await;
    let made = match made.status {
        200 => made,
        _ => cell.client.get("/v1/commands/c0").await,
    };
    let made = made.good();
    let f: u64 = made["after"].as_str().unwrap()[1..].parse().unwrap();
    let far = f + 1_000;
    for path in ["/v1/tree", "/v1/servers", "/v1/servers?node=/acme", "/v1/nodes/%2Facme", "/v1/servers/web1"] {
        let sign = if path.contains('?') { '&' } else { '?' };
        cell.client.get(&format!("{path}{sign}after=f{far}")).await.problem(503, "not_ready");
        cell.client.get_with(path, "Loki-After", &format!("f{far}")).await.problem(503, "not_ready");
    }
    for path in ["/v1/audit?", "/v1/history/diff?from=c0&to=c0&", "/v1/history/undo?position=c0&", "/v1/tree?at=c0&"] {
        cell.client.get(&format!("{path}after=c1000")).await.problem(503, "not_ready");
    }
}

#[tokio::test]
async fn a_read_after_a_command_waits_for_its_store() {
    let cell = Cell::api_alone(Setting::default()).await;
    cell.start_decider();
    let made = cell.client.accept("node.create", json!({ "path": "/acme" })).await;
    let path = format!("/v1/tree/acme?after={}", made["after"].as_str().unwrap());
    // the store is empty while nothing fills it
    let waiting = tokio::spawn({
        let (client, path) = (cell.client.clone(), path.clone());
        async move { client.get(&path).await }
    });
    cell.client.get("/v1/tree/acme").await.problem(503, "not_ready");
    cell.start_projections();
    assert_eq!(waiting.await.unwrap().good()["name"], "acme");
    until("the other stores too", async || cell.client.get("/v1/nodes/%2Facme").await.status == 200).await;
}
