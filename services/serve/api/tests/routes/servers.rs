//! `GET /v1/servers` and `GET /v1/servers/{name}`.

use serde_json::json;

use crate::cell::Cell;

/// Twelve servers, three of them on the node.
async fn given() -> (Cell, String) {
    let cell = Cell::start().await;
    cell.client.accept("node.create", json!({ "path": "/acme/shop", "parents": true })).await;
    let mut after = String::new();
    for number in 0..12 {
        let name = format!("web{number:02}");
        let labels = json!({ "role": if number % 2 == 0 { "web" } else { "db" } });
        let state = if number < 8 { "online" } else { "offline" };
        let made = cell.client.accept("server.register", json!({ "name": name, "idc": "fra", "state": state, "labels": labels })).await;
        after = made["after"].as_str().unwrap().to_owned();
        if number < 3 {
            let made = cell.client.accept("server.mount", json!({ "server": name, "node": "/acme/shop" })).await;
            after = made["after"].as_str().unwrap().to_owned();
        }
    }
    (cell, after)
}

#[tokio::test]
async fn servers_of_a_node_have_a_tag() {
    let (cell, after) = given().await;
    let path = format!("/v1/servers?node=/acme/shop&after={after}");
    let first = cell.client.get(&path).await;
    let names: Vec<_> = first.good()["servers"].as_array().unwrap().iter().map(|server| server["name"].clone()).collect();
    assert_eq!(names, ["web00", "web01", "web02"]);
    assert_eq!(first.header("loki-position"), after);
    let etag = first.header("etag").to_owned();
    for tag in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
        let same = cell.client.get_with(&path, "If-None-Match", &tag).await;
        assert_eq!((same.status, same.text.as_str(), same.header("etag")), (304, "", etag.as_str()), "{tag}");
        assert_eq!(same.header("loki-position"), after);
    }
    let head = cell.client.ask(cell.client.request(reqwest::Method::HEAD, &path)).await;
    assert_eq!((head.status, head.text.as_str(), head.header("etag")), (200, "", etag.as_str()));

    let changed = cell.client.accept("server.unmount", json!({ "server": "web01", "node": "/acme/shop" })).await;
    let path = format!("/v1/servers?node=/acme/shop&after={}", changed["after"].as_str().unwrap());
    let other = cell.client.get_with(&path, "If-None-Match", &etag).await;
    assert_eq!(other.good()["servers"].as_array().unwrap().len(), 2);
    assert_ne!(other.header("etag"), etag);

    assert_eq!(cell.client.get("/v1/servers?node=/acme").await.good()["servers"], json!([]));
    let all = cell.client.get("/v1/servers?node=/acme&recursive=true").await;
    assert_eq!(all.good()["servers"].as_array().unwrap().len(), 2);
    cell.client.get("/v1/servers?node=/no").await.problem(404, "not_found");
}

/// What a load balancer needs: parts per million as they were given, and the smallest integers in the same proportion; nothing for what takes
/// no traffic.
#[tokio::test]
async fn servers_of_a_node_have_ratios_and_reduced_weights() {
    let cell = Cell::start().await;
    cell.client.accept("node.create", json!({ "path": "/acme/shop", "parents": true })).await;
    cell.client.accept("node.create", json!({ "path": "/acme/labs" })).await;
    for name in ["web01", "web02", "web03", "web04", "web05"] {
        cell.client.accept("server.register", json!({ "name": name, "state": "online" })).await;
        cell.client.accept("server.mount", json!({ "server": name, "node": "/acme/shop" })).await;
    }
    let shown = async |after: serde_json::Value, query: &str| {
        let answer = cell.client.get(&format!("/v1/servers?node={query}&after={}", after["after"].as_str().unwrap())).await;
        let servers = answer.good()["servers"].as_array().unwrap().clone();
        let line = |server: &serde_json::Value| {
            let mounts = server["mounts"].as_array().unwrap().iter();
            mounts
                .map(|mount| json!([server["name"], mount["node"], mount["ratio"], mount["weight"], mount["offline"]]))
                .collect::<Vec<_>>()
        };
        json!(servers.iter().flat_map(line).collect::<Vec<_>>())
    };

    // 0.4 is fixed, so 0.3 is left for each of the two automatic ones that take traffic
    let weighed = json!({ "node": "/acme/shop", "mounts": [
        { "server": "web01", "ratio": 400_000 }, { "server": "web03", "offline": true } ] });
    cell.client.accept("server.weigh", weighed).await;
    let after = cell.client.accept("server.state", json!({ "server": "web05", "state": "maintenance" })).await;
    let expected = json!([
        ["web01", "/acme/shop", 400_000, 4, false],
        ["web02", "/acme/shop", null, 3, false],
        ["web03", "/acme/shop", null, 0, true],
        ["web04", "/acme/shop", null, 3, false],
        ["web05", "/acme/shop", null, 0, false],
    ]);
    assert_eq!(shown(after, "/acme/shop").await, expected);

    // one that is offline keeps its ratio and gets nothing; 0.5 and 0.25 are 2 and 1
    let weighed = json!({ "node": "/acme/shop", "mounts": [
        { "server": "web01", "ratio": 500_000 }, { "server": "web02", "ratio": 250_000 }, { "server": "web03", "ratio": 250_000 },
        { "server": "web04", "ratio": 0 }, { "server": "web05", "ratio": 0 } ] });
    let after = cell.client.accept("server.weigh", weighed).await;
    let expected = json!([
        ["web01", "/acme/shop", 500_000, 2, false],
        ["web02", "/acme/shop", 250_000, 1, false],
        ["web03", "/acme/shop", 250_000, 0, true],
        ["web04", "/acme/shop", 0, 0, false],
        ["web05", "/acme/shop", 0, 0, false],
    ]);
    assert_eq!(shown(after, "/acme/shop").await, expected);

    // each node has proportions of its own
    let after = cell.client.accept("server.mount", json!({ "server": "web02", "node": "/acme/labs", "ratio": 1_000_000 })).await;
    let mut expected = expected.as_array().unwrap().clone();
    expected.insert(1, json!(["web02", "/acme/labs", 1_000_000, 1, false]));
    assert_eq!(shown(after, "/acme&recursive=true").await, json!(expected));
}

#[tokio::test]
async fn all_servers_come_in_parts_that_keep_the_filter() {
    let (cell, after) = given().await;
    let mut names = Vec::new();
    let mut path = format!("/v1/servers?limit=2&state=online&idc=fra&prefix=web&after={after}");
    let mut parts = 0;
    loop {
        let part = cell.client.get(&path).await;
        let items = part.good()["items"].as_array().unwrap();
        assert!(items.len() <= 2, "{}", part.text);
        names.extend(items.iter().map(|server| server["name"].as_str().unwrap().to_owned()));
        parts += 1;
        assert_eq!(part.link().is_some(), part.body["next"].is_string());
        match part.link() {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(names, (0..8).map(|number| format!("web{number:02}")).collect::<Vec<_>>());
    assert!(parts >= 4);
    let labelled = cell.client.get("/v1/servers?label=role%3Ddb").await;
    assert_eq!(labelled.good()["items"].as_array().unwrap().len(), 6);

    for (path, field) in [
        ("/v1/servers?limit=0", "limit"),
        ("/v1/servers?limit=1001", "limit"),
        ("/v1/servers?limit=many", "limit"),
        ("/v1/servers?state=asleep", "state"),
        ("/v1/servers?label=role", "label"),
        ("/v1/servers?cursor=%25%25", "cursor"),
        ("/v1/servers?recursive=true", "recursive"),
        ("/v1/servers?recursive=perhaps&node=/acme", "recursive"),
        ("/v1/servers?node=acme", "node"),
        ("/v1/servers?node=/acme&state=online", "state"),
        ("/v1/servers?node=/acme&limit=5", "limit"),
        ("/v1/servers?node=/acme&after=c5", "after"),
        ("/v1/servers?colour=red", "colour"),
    ] {
        cell.client.get(path).await.names(field);
    }
}

#[tokio::test]
async fn one_server_tells_its_places() {
    let (cell, after) = given().await;
    let server = cell.client.get(&format!("/v1/servers/web00?after={after}")).await;
    assert_eq!(server.good()["server"]["name"], "web00");
    assert_eq!(server.body["mounts"][0]["path"], "/acme/shop");
    assert_eq!(server.body["mounts"][0]["membership"], json!(null));
    let id = server.body["server"]["id"].as_str().unwrap();
    assert_eq!(cell.client.get(&format!("/v1/servers/id:{id}")).await.good(), &server.body);
    cell.client.get("/v1/servers/nobody").await.problem(404, "not_found");
    cell.client.get("/v1/servers/id:nobody").await.names("name");
    cell.client.get("/v1/servers/a%20b").await.names("name");
}
