//! From an inventory and what is there already to commands.

use std::collections::BTreeMap;

use loki_cli::import::{Current, CurrentServer, Format, Inventory, Options, Step, plan, read};
use loki_wire::command::Intake;
use loki_wire::envelope::Envelope;
use serde_json::{Value, json};

use crate::show;

fn inventory(text: &str) -> Inventory {
    read(text.as_bytes(), Format::AnsibleIni, Options::default()).expect("a good inventory").0
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn check(text: &str, current: &Current, under: &str, expected: &[(u32, &str, Value)]) {
    let planned = plan(&inventory(text), current, under, "salt").expect("a plan");
    let steps: Vec<(u32, &str, Value)> = planned.steps.into_iter().map(|step| (step.line, step.command_type, step.data)).collect();
    assert_eq!(steps, expected, "{steps:#?}");
}

/// The state after all steps are accepted, by the decider's rules for these commands. Panics where it would reject.
pub(crate) fn apply(steps: &[Step]) -> Current {
    apply_to(Current::default(), steps)
}

pub(crate) fn apply_to(mut current: Current, steps: &[Step]) -> Current {
    for Step { command_type, data, id, .. } in steps {
        let envelope = Envelope { id: Some(id.clone()), ..Envelope::new(*command_type, data.to_string()) };
        Intake::read(&envelope).unwrap_or_else(|error| panic!("intake refuses {data}: {error}"));
        let text = |field: &str| data[field].as_str().expect("a text").to_owned();
        let texts = |field: &str| data.get(field).map(|list| serde_json::from_value::<Vec<String>>(list.clone()).expect("texts"));
        let map = || data.get("labels").map(|map| serde_json::from_value(map.clone()).expect("labels")).unwrap_or_default();
        match *command_type {
            "node.create" => {
                let path = text("path");
                for (at, _) in path.match_indices('/').skip(1) {
                    current.nodes.entry(path[..at].to_owned()).or_default();
                }
                let before = current.nodes.insert(path, map());
                assert_eq!(before, None, "already_exists: {data}");
            }
            "node.set" => current.nodes.get_mut(&text("node")).expect("not_found").extend::<BTreeMap<_, _>>(map()),
            "server.register" => {
                let field = |field: &str| data.get(field).map(|_| text(field));
                let addresses = texts("addresses").unwrap_or_default();
                let server = CurrentServer { serial: field("serial"), idc: field("idc"), addresses, labels: map() };
                assert_eq!(data["state"], "online");
                assert_eq!(current.servers.insert(text("name"), server), None, "already_exists: {data}");
            }
            "server.update" => {
                let server = current.servers.get_mut(&text("server")).expect("not_found");
                server.labels.extend::<BTreeMap<_, _>>(map());
                server.addresses = texts("addresses").unwrap_or(server.addresses.clone());
                server.idc = data.get("idc").map(|_| text("idc")).or(server.idc.clone());
                server.serial = data.get("serial").map(|_| text("serial")).or(server.serial.clone());
            }
            "server.mount" => {
                let (server, node) = (text("server"), text("node"));
                assert!(current.servers.contains_key(&server) && current.nodes.contains_key(&node), "not_found: {data}");
                assert!(current.mounts.insert((server, node)), "already_exists: {data}");
            }
            other => panic!("unknown command {other}"),
        }
    }
    current
}

const SHOP: &str = "\
[shop:children]
web
[web]
web1 ansible_host=10.0.0.1 rack=r1 serial=SN-1
[web:vars]
tier=front
idc=bj1
";

#[test]
fn everything_is_new() {
    check(
        SHOP,
        &Current::default(),
        "/acme",
        &[
            (1, "node.create", json!({"path": "/acme/shop", "parents": true, "labels": {}})),
            (2, "node.create", json!({"path": "/acme/shop/web", "parents": true, "labels": {"tier": "front", "idc": "bj1"}})),
            (
                4,
                "server.register",
                json!({"name": "web1", "serial": "SN-1", "addresses": ["10.0.0.1"], "idc": "bj1", "labels": {"rack": "r1"}, "state": "online"}),
            ),
            (4, "server.mount", json!({"server": "web1", "node": "/acme/shop/web"})),
        ],
    );
}

#[test]
fn only_differences_are_planned_and_nothing_is_removed() {
    let mut current = apply(&plan(&inventory(SHOP), &Current::default(), "/", "").unwrap().steps);
    current.nodes.insert("/old".to_owned(), labels(&[]));
    current.nodes.insert("/shop/web".to_owned(), labels(&[("tier", "back"), ("idc", "bj1"), ("kept", "1")]));
    let server = CurrentServer {
        serial: None,
        addresses: vec!["2001:db8::1".to_owned()],
        idc: Some("sh1".to_owned()),
        labels: labels(&[("rack", "r1"), ("kept", "1")]),
    };
    current.servers.insert("web1".to_owned(), server);
    current.mounts.insert(("web1".to_owned(), "/old".to_owned()));
    current.mounts.remove(&("web1".to_owned(), "/shop/web".to_owned()));
    check(
        SHOP,
        &current,
        "/",
        &[
            (2, "node.set", json!({"node": "/shop/web", "labels": {"tier": "front"}})),
            (4, "server.update", json!({"server": "web1", "serial": "SN-1", "idc": "bj1", "addresses": ["10.0.0.1", "2001:db8::1"]})),
            (4, "server.mount", json!({"server": "web1", "node": "/shop/web"})),
        ],
    );
    let planned = plan(&inventory(SHOP), &current, "/", "").unwrap();
    let after = apply_to(current, &planned.steps);
    assert_eq!(after.servers["web1"].labels, labels(&[("rack", "r1"), ("kept", "1")]));
    assert_eq!(plan(&inventory(SHOP), &after, "/", "").unwrap().steps, []);
}

#[test]
fn a_second_run_has_nothing_to_do() {
    let inventory = inventory(SHOP);
    let first = plan(&inventory, &Current::default(), "/acme", "salt").unwrap();
    let second = plan(&inventory, &apply(&first.steps), "/acme", "salt").unwrap();
    assert_eq!(second.steps, []);
    assert_eq!((second.unchanged.nodes, second.unchanged.servers, second.unchanged.mounts), (2, 1, 1));
    assert_eq!(second.render(3), "nothing to do; already there: 2 nodes, 1 servers, 1 mounts\n");
}

/// A run that stopped half-way is finished by the next one, whose remaining commands have the ids of the first.
#[test]
fn a_half_finished_run_is_continued() {
    let inventory = inventory(SHOP);
    let first = plan(&inventory, &Current::default(), "/", "salt").unwrap().steps;
    for done in 0..=first.len() {
        let rest = plan(&inventory, &apply(&first[..done]), "/", "salt").unwrap().steps;
        assert_eq!(rest, first[done..]);
    }
}

#[test]
fn ids_are_distinct_and_salted() {
    let ids = |salt| -> Vec<String> {
        plan(&inventory(SHOP), &Current::default(), "/", salt).unwrap().steps.into_iter().map(|step| step.id).collect()
    };
    let (mut one, two) = (ids("1"), ids("2"));
    assert_eq!(one, ids("1"));
    assert!(one.iter().all(|id| !two.contains(id)));
    one.sort();
    one.dedup();
    assert_eq!(one.len(), 4);
}

#[test]
fn variables_of_all_need_a_node() {
    let text = "[all:vars]\nowner=ann\n[a]\n";
    check(
        text,
        &Current::default(),
        "/acme",
        &[
            (1, "node.create", json!({"path": "/acme", "parents": true, "labels": {"owner": "ann"}})),
            (3, "node.create", json!({"path": "/acme/a", "parents": true, "labels": {}})),
        ],
    );
    let planned = plan(&inventory(text), &Current::default(), "/", "").unwrap();
    assert_eq!(planned.steps.len(), 1);
    assert!(planned.warnings[0].to_string().starts_with("line 1: labels of `/` (variables of `all`) are not imported"));
    assert!(planned.render(1).starts_with("warning: line 1: labels of `/`"));
}

#[test]
fn what_has_no_place_is_a_problem() {
    let (mounted_on_root, _) = read(b"path,server\n/,w1\n", Format::Csv, Options::default()).unwrap();
    let problems = plan(&mounted_on_root, &Current::default(), "/", "").unwrap_err();
    assert_eq!(problems[0].to_string(), "line 2: server `w1` cannot be mounted on `/`: import with `--under /NAME`");
    let planned = plan(&mounted_on_root, &Current::default(), "/acme", "").unwrap();
    assert_eq!(apply(&planned.steps).mounts.into_iter().next().unwrap().1, "/acme");
    let deep = plan(&inventory("[a]\n"), &Current::default(), &"/x".repeat(32), "").unwrap_err();
    assert!(deep[0].to_string().contains("at most 32 names"), "{deep:?}");
    for under in ["", "acme", "/acme/", "/a b"] {
        let problems = plan(&inventory(SHOP), &Current::default(), under, "").unwrap_err();
        assert!(problems[0].to_string().starts_with("`--under`: "), "{problems:?}");
    }
}

#[test]
fn renders_for_people() {
    let mut current = Current::default();
    current.nodes.insert("/shop".to_owned(), labels(&[]));
    current.nodes.insert("/shop/web".to_owned(), labels(&[("tier", "back\u{1b}[2J"), ("idc", "bj1")]));
    let text = format!("{SHOP}[db]\ndb[1:4]\n");
    let rendered = plan(&inventory(&text), &current, "/", "").unwrap().render(2);
    let expected = "
        12 commands: 1 node to create, 1 node to label, 5 servers to register, 5 mounts; already there: 1 nodes, 0 servers, 0 mounts
        line
        8  + node /db
        2  ~ node /shop/web tier: back\u{fffd}[2J → front
        9  + server db1
        9  + server db2
        …  3 more servers to register
        9  + mount db1 on /db
        9  + mount db2 on /db
        …  3 more mounts
    ";
    assert_eq!(show::lines(&rendered), show::lines(expected));
}
