//! `GET /v1/history/undo`: what is undone is as before, to the byte, or it is refused before anything is sent.

use std::time::Duration;

use bytes::Bytes;
use loki_log::{Log, NewRecord, Partition, Topic};
use loki_wire::Envelope;
use serde_json::{Value, json};

use crate::cell::{Cell, Setting, until};
use crate::client::Answer;

/// What would undo a command.
async fn plan(cell: &Cell, position: &Value) -> Answer {
    let position = position.as_str().unwrap();
    cell.client.get(&format!("/v1/history/undo?position={position}&after={position}")).await
}

/// Undoes a command. Gives the types of the commands that did it.
async fn undo(cell: &Cell, position: &Value) -> Vec<String> {
    cell.settled().await;
    let mut types = Vec::new();
    for command in plan(cell, position).await.good()["commands"].as_array().unwrap() {
        let answer = cell.client.post("/v1/commands?wait=10s", command.to_string()).await;
        assert_eq!(answer.good()["outcome"], "accepted", "{command}: {}", answer.text);
        types.push(command["type"].as_str().unwrap().to_owned());
    }
    types
}

/// Carries a command out, undoes it, and looks whether everything is as it was. Gives the types of the commands that did it.
async fn undoes(cell: &Cell, kind: &str, data: Value) -> Vec<String> {
    let before = cell.state().await;
    let done = cell.client.accept(kind, data.clone()).await;
    assert_ne!(cell.state().await, before, "{kind} {data} changes something");
    let types = undo(cell, &done["position"]).await;
    assert_eq!(cell.state().await, before, "{kind} {data} undone by {types:?}");
    // now something has changed it since
    let again = plan(cell, &done["position"]).await;
    assert!(again.problem(409, "cannot_undo")["conflict"].is_string(), "{kind}: {}", again.text);
    types
}

/// Carries a command out and looks that undoing it is refused, with this in the way.
async fn is_refused(cell: &Cell, position: &Value, conflict: &Value) {
    let before = cell.state().await;
    let answer = plan(cell, position).await;
    assert_eq!(&answer.problem(409, "cannot_undo")["conflict"], conflict, "{}", answer.text);
    assert_eq!(cell.state().await, before);
}

/// Makes a rule; its id.
async fn rule(cell: &Cell, data: Value) -> String {
    let made = cell.client.accept("membership.set", data).await;
    cell.settled().await;
    let keys = made["facts"].as_array().unwrap().iter().map(|fact| fact["key"].as_str().unwrap());
    keys.filter_map(|key| key.strip_prefix("membership/")).next().unwrap().to_owned()
}

/// How many mounts a rule has.
async fn owned(cell: &Cell, rule: &str) -> usize {
    cell.state().await.iter().filter(|line| line.starts_with("mount/") && line.contains(rule)).count()
}

/// Appends commands at once.
async fn append(cell: &Cell, commands: impl IntoIterator<Item = (&str, Value)>) {
    let records = commands.into_iter().map(|(kind, data)| {
        let envelope = Envelope::new(kind, Bytes::from(data.to_string()));
        NewRecord { key: None, value: Some(envelope.data.clone()), headers: envelope.headers(), timestamp_ms: None }
    });
    let records = records.collect();
    cell.log.append(&Partition::only(&Topic::new(&cell.topics.commands)), records).await.unwrap();
    cell.settled().await;
}

#[tokio::test]
async fn nodes_and_servers() {
    let cell = Cell::start().await;
    let made = cell.client.accept("node.create", json!({ "path": "/acme/shop", "parents": true, "labels": { "tier": "1" } })).await;
    cell.client.accept("server.register", json!({ "name": "web1", "state": "online" })).await;
    undoes(&cell, "node.rename", json!({ "node": "/acme/shop", "name": "store" })).await;
    undoes(&cell, "node.move", json!({ "node": "/acme/shop", "to": "/" })).await;
    let set = json!({ "node": "/acme/shop", "labels": { "tier": null, "new": "x" }, "contacts": ["a@example.org"] });
    undoes(&cell, "node.set", set).await;
    undoes(&cell, "node.create", json!({ "path": "/acme/one/two", "parents": true })).await;
    // the same node again, not another one of its name
    undoes(&cell, "node.remove", json!({ "node": "/acme/shop" })).await;
    undoes(&cell, "server.mount", json!({ "server": "web1", "node": "/acme/shop" })).await;
    undoes(&cell, "server.state", json!({ "server": "web1", "state": "maintenance" })).await;
    let update = json!({ "server": "web1", "serial": "s1", "addresses": ["10.0.0.1"], "idc": "bj", "labels": { "role": "web" } });
    undoes(&cell, "server.update", update).await;

    // a registration is for good, a retirement for ever
    let registered = cell.client.accept("server.register", json!({ "name": "web2" })).await;
    is_refused(&cell, &registered["position"], &Value::Null).await;
    // something is on the node by now, which no fact of the node tells
    let acme = made["facts"][0]["key"].clone();
    let own = cell.client.accept("node.create", json!({ "path": "/own/deep", "parents": true })).await;
    cell.client.accept("server.mount", json!({ "server": "web1", "node": "/own/deep" })).await;
    is_refused(&cell, &own["position"], &own["facts"][1]["key"]).await;
    cell.client.accept("server.unmount", json!({ "server": "web1", "node": "/own/deep" })).await;
    cell.client.accept("node.create", json!({ "path": "/own/other" })).await;
    is_refused(&cell, &own["position"], &own["facts"][0]["key"]).await;
    let moved = cell.client.accept("node.set", json!({ "node": "/acme", "contacts": ["b@example.org"] })).await;
    is_refused(&cell, &made["position"], &acme).await;
    cell.client.accept("node.set", json!({ "node": "/acme", "labels": { "new": "y" } })).await;
    is_refused(&cell, &moved["position"], &acme).await;

    let retired = cell.client.accept("server.retire", json!({ "server": "web1" })).await;
    is_refused(&cell, &retired["position"], &Value::Null).await;
    let rejected = cell.client.command("node.create", json!({ "path": "/acme" })).await;
    is_refused(&cell, &rejected.good()["position"], &Value::Null).await;
    cell.client.get("/v1/history/undo?position=c999").await.problem(404, "not_found");
    cell.client.get("/v1/history/undo?position=f1").await.names("position");
    cell.client.get("/v1/history/undo").await.names("position");
}

#[tokio::test]
async fn mounts_by_hand() {
    let cell = Cell::start().await;
    cell.client.accept("node.create", json!({ "path": "/web" })).await;
    for name in ["web1", "web2"] {
        cell.client.accept("server.register", json!({ "name": name, "state": "online" })).await;
    }
    let mount = json!({ "server": "web1", "node": "/web", "ratio": 0 });
    assert_eq!(undoes(&cell, "server.mount", mount.clone()).await, ["server.unmount"]);
    cell.client.accept("server.mount", mount).await;
    cell.client.accept("server.mount", json!({ "server": "web2", "node": "/web", "offline": true })).await;
    // the ratios change together, there and back
    let both = json!([{ "server": "web1", "ratio": 400_000 }, { "server": "web2", "ratio": 600_000, "offline": false }]);
    assert_eq!(undoes(&cell, "server.weigh", json!({ "node": "/web", "mounts": both })).await, ["server.weigh"]);
    assert_eq!(undoes(&cell, "server.unmount", json!({ "server": "web1", "node": "/web" })).await, ["server.mount"]);
    assert_eq!(undoes(&cell, "server.unmount", json!({ "server": "web2", "node": "/web" })).await, ["server.mount"]);
}

#[tokio::test]
async fn a_mount_goes_back_to_the_rule_that_it_was_taken_from() {
    let cell = Cell::start().await;
    cell.client.accept("node.create", json!({ "path": "/web" })).await;
    for name in ["web1", "web2"] {
        cell.client.accept("server.register", json!({ "name": name, "state": "online" })).await;
    }
    let web = rule(&cell, json!({ "node": "/web", "pattern": "web*" })).await;
    assert_eq!(owned(&cell, &web).await, 2);
    for weigh in [json!({ "server": "web1" }), json!({ "server": "web1", "ratio": 300_000, "offline": true })] {
        assert_eq!(undoes(&cell, "server.weigh", json!({ "node": "/web", "mounts": [weigh] })).await, ["server.weigh"]);
    }
    let mount = json!({ "server": "web2", "node": "/web", "ratio": 300_000 });
    assert_eq!(undoes(&cell, "server.mount", mount.clone()).await, ["server.weigh"]);
    assert_eq!(owned(&cell, &web).await, 2);

    // what was given back is taken again
    cell.client.accept("server.mount", mount.clone()).await;
    let back = json!({ "node": "/web", "mounts": [{ "server": "web2", "membership": web }] });
    assert_eq!(undoes(&cell, "server.weigh", back.clone()).await, ["server.weigh"]);
    cell.client.accept("server.weigh", back).await;

    // the rule does not have it any more: nothing is pinned by hand instead
    let weighed = cell.client.accept("server.mount", mount).await;
    let changed = cell.client.accept("membership.set", json!({ "membership": web, "pattern": "web1" })).await;
    is_refused(&cell, &weighed["position"], &json!(format!("membership/{web}"))).await;
    undo(&cell, &changed["position"]).await;
    undo(&cell, &weighed["position"]).await;
    assert_eq!(owned(&cell, &web).await, 2);
    // a rule of today mounts what was not there
    cell.client.accept("node.create", json!({ "path": "/db" })).await;
    let mounted = cell.client.accept("server.mount", json!({ "server": "web1", "node": "/db" })).await;
    let db = rule(&cell, json!({ "node": "/db", "pattern": "web*" })).await;
    is_refused(&cell, &mounted["position"], &json!(format!("membership/{db}"))).await;
}

#[tokio::test]
async fn rules_that_overlap() {
    let cell = Cell::start().await;
    cell.client.accept("node.create", json!({ "path": "/web" })).await;
    for (name, idc) in [("web1", "bj"), ("web2", "bj"), ("web3", "sh"), ("db1", "bj"), ("db2", "sh")] {
        cell.client.accept("server.register", json!({ "name": name, "state": "online", "labels": { "idc": idc } })).await;
    }
    let made = json!({ "node": "/web", "pattern": "web*" });
    assert_eq!(undoes(&cell, "membership.set", made.clone()).await, ["membership.remove"]);
    let web = rule(&cell, made).await;
    let made = json!({ "node": "/web", "labels": { "idc": "bj" } });
    assert_eq!(undoes(&cell, "membership.set", made.clone()).await, ["membership.remove"]);
    let bj = rule(&cell, made).await;
    assert_eq!((owned(&cell, &web).await, owned(&cell, &bj).await), (3, 1));
    cell.client.accept("server.weigh", json!({ "node": "/web", "mounts": [{ "server": "web2" }] })).await;

    // the other rule takes over what both ask for, and lets go of it again
    let types = undoes(&cell, "membership.remove", json!({ "membership": web })).await;
    assert_eq!(types, ["membership.set", "server.weigh"]);
    assert_eq!(undoes(&cell, "membership.remove", json!({ "membership": bj })).await, ["membership.set"]);
    let types = undoes(&cell, "membership.set", json!({ "membership": web, "pattern": "db*" })).await;
    assert_eq!(types, ["membership.set", "server.weigh"]);
    undoes(&cell, "membership.set", json!({ "membership": bj, "pattern": "*" })).await;
    undoes(&cell, "membership.set", json!({ "membership": bj, "labels": { "idc": "sh" } })).await;
    assert_eq!((owned(&cell, &web).await, owned(&cell, &bj).await), (2, 1));

    // the same for what a server's own changes do, with either rule as the one that lets go
    undoes(&cell, "server.update", json!({ "server": "web1", "name": "www1" })).await;
    undoes(&cell, "server.update", json!({ "server": "web1", "name": "www1", "labels": { "idc": null } })).await;
    undoes(&cell, "server.update", json!({ "server": "web3", "name": "www3", "labels": { "idc": "bj" } })).await;
    undoes(&cell, "server.update", json!({ "server": "db1", "name": "web4" })).await;
    undoes(&cell, "server.update", json!({ "server": "db1", "name": "web4", "labels": { "idc": "sh" } })).await;
    undoes(&cell, "server.update", json!({ "server": "db1", "labels": { "idc": "sh" } })).await;

    // a rule that is no more, or asks for something else, cannot have its mount back
    let renamed = cell.client.accept("server.update", json!({ "server": "web3", "name": "www3" })).await;
    let removed = cell.client.accept("membership.remove", json!({ "membership": web })).await;
    is_refused(&cell, &renamed["position"], &json!(format!("membership/{web}"))).await;
    undo(&cell, &removed["position"]).await;
    undo(&cell, &renamed["position"]).await;
    assert_eq!((owned(&cell, &web).await, owned(&cell, &bj).await), (2, 1));
    // and one that asks for less by now would not let go
    let labelled = cell.client.accept("server.update", json!({ "server": "db2", "labels": { "idc": "bj" } })).await;
    let widened = cell.client.accept("membership.set", json!({ "membership": bj, "pattern": "*" })).await;
    is_refused(&cell, &labelled["position"], &json!(format!("membership/{bj}"))).await;
    undo(&cell, &widened["position"]).await;
    undo(&cell, &labelled["position"]).await;
}

/// More mounts than one command makes: the sweeps belong to the command that began.
#[tokio::test]
async fn a_rule_of_many_servers() {
    let cell = Cell::start().await;
    cell.client.accept("node.create", json!({ "path": "/web" })).await;
    append(&cell, (0..900).map(|number| ("server.register", json!({ "name": format!("web{number}"), "state": "online" })))).await;
    let all = json!({ "node": "/web", "pattern": "web*" });
    assert_eq!(undoes(&cell, "membership.set", all.clone()).await, ["membership.remove"]);
    let made = cell.client.accept("membership.set", all.clone()).await;
    let key = made["facts"][0]["key"].as_str().unwrap();
    let web = key.strip_prefix("membership/").unwrap();
    assert_eq!(owned(&cell, web).await, 900);
    // a step of it is not undone for itself
    let steps = cell.client.get(&format!("/v1/audit?type=membership.sweep&key={key}")).await;
    let steps = steps.good()["items"].as_array().unwrap().clone();
    assert_eq!(steps.len(), 2);
    let first = made["position"].as_str().unwrap();
    for step in &steps {
        is_refused(&cell, &step["position"], &Value::Null).await;
        assert!(plan(&cell, &step["position"]).await.text.contains(&format!("a step of {first}")));
    }

    let other = rule(&cell, all).await;
    assert_eq!((owned(&cell, web).await, owned(&cell, &other).await), (900, 0));
    let types = undoes(&cell, "membership.set", json!({ "membership": web, "pattern": "web1*" })).await;
    assert_eq!(types, ["membership.set", "server.weigh", "server.weigh"]);
    let types = undoes(&cell, "membership.remove", json!({ "membership": web })).await;
    assert_eq!(types, ["membership.set", "server.weigh", "server.weigh"]);
    cell.client.accept("membership.remove", json!({ "membership": other })).await;
    cell.settled().await;
    assert_eq!(undoes(&cell, "membership.remove", json!({ "membership": web })).await, ["membership.set"]);
    assert_eq!(owned(&cell, web).await, 900);
    // one of the mounts that a step made has changed since
    let removed = cell.client.accept("membership.remove", json!({ "membership": web })).await;
    cell.settled().await;
    let last = cell.client.get("/v1/audit?type=membership.sweep&limit=1").await;
    let mount = last.good()["items"][0]["keys"][0].as_str().unwrap().to_owned();
    let server = format!("id:{}", mount.rsplit_once('.').unwrap().1);
    cell.client.accept("server.mount", json!({ "server": server, "node": "/web" })).await;
    is_refused(&cell, &removed["position"], &json!(mount)).await;
}

/// A history that lags does not show that something has changed since.
#[tokio::test]
async fn nothing_is_undone_before_the_history_has_what_was_decided() {
    let cell = Cell::api_alone(Setting { wait_max: Duration::from_secs(1), ..Setting::default() }).await;
    cell.start_decider();
    cell.project(loki_mysql::StateProjection::state(&cell.relational).unwrap(), &cell.topics.facts, &cell.health);
    cell.project(cell.memory.projection(), &cell.topics.facts, &cell.health);
    cell.project(loki_mysql::DomainProjection::domains(&cell.cdn_system).unwrap(), &cell.topics.facts, &cell.health);
    cell.start_samples();
    cell.start_task_logs();
    let (stop, stopped) = cell.start_history();
    cell.ready().await;
    // the API waits for nothing for longer than a second
    let decide = async |id: &str, kind: &str, data: Value| {
        let body = json!({ "id": id, "type": kind, "data": data }).to_string();
        until("it is sent", async || cell.client.post("/v1/commands", body.clone()).await.status == 202).await;
        until("it is decided", async || cell.client.get(&format!("/v1/commands/{id}")).await.body["outcome"] == "accepted").await;
    };
    decide("made", "node.create", json!({ "path": "/a" })).await;
    decide("first", "node.set", json!({ "node": "/a", "labels": { "tier": "1" } })).await;
    cell.settled().await;
    let planned = async || cell.client.get("/v1/history/undo?position=c1").await;
    planned().await.good();
    stop.begin();
    stopped.await.unwrap().unwrap();
    decide("second", "node.set", json!({ "node": "/a", "labels": { "tier": "2" } })).await;
    planned().await.problem(503, "not_ready");
    let _history = cell.start_history();
    until("it is seen", async || planned().await.status == 409).await;
}

#[tokio::test]
async fn domains_come_back_as_they_were() {
    let cell = Cell::start().await;
    cell.client.accept("node.create", json!({ "path": "/acme" })).await;
    let ads = cell.client.accept("node.create", json!({ "path": "/ads" })).await;
    let domain = |node: &str, within: u32| json!({ "name": "shop.example", "node": node, "expect": { "within_ms": within } });
    assert_eq!(undoes(&cell, "domain.set", domain("/acme", 500)).await, ["domain.remove"]);
    cell.client.accept("domain.set", domain("/acme", 500)).await;
    assert_eq!(undoes(&cell, "domain.set", domain("/acme", 900)).await, ["domain.set"]);
    assert_eq!(undoes(&cell, "domain.set", domain("/ads", 500)).await, ["domain.set"]);
    assert_eq!(undoes(&cell, "domain.remove", json!({ "name": "shop.example" })).await, ["domain.set"]);

    // a node is not taken away from a domain, and a domain does not go back to a node that is gone
    let moved = cell.client.accept("domain.set", domain("/ads", 500)).await;
    cell.settled().await;
    is_refused(&cell, &ads["position"], &ads["facts"][0]["key"]).await;
    let removed = cell.client.accept("node.remove", json!({ "node": "/acme" })).await;
    cell.settled().await;
    is_refused(&cell, &moved["position"], &removed["facts"][0]["key"]).await;
    undo(&cell, &removed["position"]).await;
    assert_eq!(undo(&cell, &moved["position"]).await, ["domain.set"]);
}
