//! `loki tree import` against a Loki that decides.

use std::path::PathBuf;
use std::time::Duration;

use loki_cli::Exit;
use loki_cli::client::Patience;
use serde_json::{Value, json};

use crate::memory::Memory;
use crate::run::{Run, check, loki};

fn example(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../deploy/examples").join(name);
    path.to_str().unwrap().to_owned()
}

/// The one line of JSON that a command printed.
fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn an_inventory_is_imported_once() {
    let memory = Memory::new().await;
    let ini = example("inventory.ini");
    let import = ["tree", "import", &ini, "--under", "/acme"];
    let ran = loki(&memory.api, &[&import[..], &["-o", "json"]].concat()).await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    let told = json_of(&ran.out);
    let all = told["commands"].as_u64().unwrap();
    assert!(all > 2000 && told["accepted"] == all && told["rejected"] == json!([]), "{told}");
    {
        let inner = memory.inner.lock().unwrap();
        assert_eq!(inner.decided.len() as u64, all);
        assert!((2..=32).contains(&inner.in_flight_max), "{} in flight", inner.in_flight_max);
        assert_eq!(inner.state.tree().len() + inner.state.servers().len() + inner.state.mounts().len(), inner.decided.len());
        assert_eq!(inner.queries.last().unwrap(), &format!("after={}&limit=1", told["after"].as_str().unwrap()));
    }
    assert!(ran.err.contains(&format!("warning: {ini}:")) && ran.err.contains(&format!("importing: {all} of {all}\n")), "{}", ran.err);

    let again = format!("nothing to do; already there: {} nodes, ", memory.inner.lock().unwrap().state.tree().len());
    let ran = loki(&memory.api, &[&import[..], &["--quiet"]].concat()).await;
    assert!(ran.exit == Exit::Ok && ran.out.starts_with(&again) && ran.err.is_empty(), "{ran:?}");
    let yaml = loki(&memory.api, &["tree", "import", &example("inventory.yaml"), "--under", "/acme", "-o", "json"]).await;
    assert_eq!(json_of(&yaml.out)["commands"], 0, "the other syntax says the same");
    assert_eq!(memory.inner.lock().unwrap().decided.len() as u64, all);
}

#[tokio::test]
async fn nodes_come_before_what_is_below_them() {
    let memory = Memory::new().await;
    assert_eq!(loki(&memory.api, &["tree", "import", &example("inventory.ini"), "--under", "/acme"]).await.exit, Exit::Ok);
    let inner = memory.inner.lock().unwrap();
    let depth = |data: &Value| data["path"].as_str().map(|path| path.matches('/').count());
    let stages: Vec<usize> = inner
        .decided
        .iter()
        .map(|envelope| {
            let data: Value = serde_json::from_slice(&envelope.data).unwrap();
            match envelope.kind.as_str() {
                "node.create" => depth(&data).unwrap(),
                "server.register" => 100,
                "server.mount" => 101,
                other => panic!("{other}"),
            }
        })
        .collect();
    assert!(stages.is_sorted(), "{stages:?}");
    assert!(stages.contains(&4) && stages.contains(&101));
}

#[tokio::test]
async fn a_plan_changes_nothing() {
    let memory = Memory::new().await;
    let plan = ["tree", "import", &example("inventory.csv"), "--under", "/acme", "--plan"];
    let ran = loki(&memory.api, &plan).await;
    let head = "54 commands: 3 nodes to create, 27 servers to register, 24 mounts; already there: 0 nodes, 0 servers, 0 mounts\n";
    assert!(ran.exit == Exit::Ok && ran.out.starts_with(head), "{}", ran.out);
    let told = json_of(&loki(&memory.api, &[&plan[..], &["-o", "json"]].concat()).await.out);
    assert_eq!(told["commands"].as_array().unwrap().len(), 54);
    assert_eq!(told["commands"][0]["type"], "node.create");
    assert!(memory.inner.lock().unwrap().decided.is_empty());
}

const SHOP: &str = "\
[shop:children]
web
[web]
web01 serial=SN-1 ansible_host=10.0.0.1
web02 serial=SN-2
[web:vars]
tier=front
";

fn shop() -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(".ini").tempfile().unwrap();
    std::fs::write(file.path(), SHOP).unwrap();
    file
}

#[tokio::test]
async fn rejections_are_told_by_line() {
    let memory = Memory::new().await;
    memory.given("server.register", json!({"name": "other", "serial": "SN-1", "addresses": [], "labels": {}, "state": "online"}));
    let file = shop();
    let path = file.path().to_str().unwrap();
    let ran = loki(&memory.api, &["tree", "import", path, "--quiet"]).await;
    assert_eq!(ran.exit, Exit::Failed);
    assert_eq!(ran.out, "6 commands: 4 accepted, 2 rejected; already there: 0 nodes, 0 servers, 0 mounts\n");
    let lines: Vec<&str> = ran.err.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].starts_with(&format!("{path}:4: server.register web01: already_exists: ")) && lines[0].ends_with("(field `serial`)"),
        "{lines:?}"
    );
    assert!(lines[1].starts_with(&format!("{path}:4: server.mount web01 on /shop/web: not_found: ")), "{lines:?}");

    // once what is in the way is gone, the next run does the rest
    memory.given("server.update", json!({"server": "other", "serial": null}));
    check(
        &memory.api,
        &["tree", "import", path, "--quiet"],
        "2 commands: 2 accepted, 0 rejected; already there: 2 nodes, 1 server, 1 mount\n",
    )
    .await;
    check(&memory.api, &["tree", "import", path, "--quiet"], "nothing to do; already there: 2 nodes, 2 servers, 2 mounts\n").await;
}

/// What was imported and then removed by hand comes back: the ids of the first import do not answer for it.
#[tokio::test]
async fn what_was_removed_is_imported_again() {
    let memory = Memory::new().await;
    let file = shop();
    let import = ["tree", "import", file.path().to_str().unwrap(), "--quiet"];
    assert_eq!(loki(&memory.api, &import).await.exit, Exit::Ok);
    memory.given("server.unmount", json!({"server": "web02", "node": "/shop/web"}));
    check(&memory.api, &import, "1 command: 1 accepted, 0 rejected; already there: 2 nodes, 2 servers, 1 mount\n").await;
    assert_eq!(memory.inner.lock().unwrap().state.mounts().len(), 2);
}

#[tokio::test]
async fn only_what_differs_is_changed_below_a_node_of_the_tree() {
    let memory = Memory::new().await;
    memory.given("node.create", json!({"path": "/acme/shop/web", "parents": true, "labels": {"tier": "back", "kept": "1"}}));
    memory.given("server.register", json!({"name": "web01", "serial": "SN-1", "addresses": ["10.0.0.9"], "labels": {}, "state": "online"}));
    memory.given("server.mount", json!({"server": "web01", "node": "/acme/shop/web"}));
    let file = shop();
    let import = ["tree", "import", file.path().to_str().unwrap(), "--under", "/acme", "--actor", "ann", "--quiet"];
    check(&memory.api, &import, "4 commands: 4 accepted, 0 rejected; already there: 1 node, 0 servers, 1 mount\n").await;
    let inner = memory.inner.lock().unwrap();
    let sent: Vec<&str> = inner.decided[3..].iter().map(|envelope| envelope.kind.as_str()).collect();
    assert_eq!(sent[0], "node.set");
    assert_eq!(sent[3], "server.mount");
    assert!(inner.decided[3..].iter().all(|envelope| envelope.actor == "ann"));
}

/// Requests that fail before and after they were decided are repeated with their ids: nothing lost, nothing twice.
#[tokio::test]
async fn trouble_on_the_way_changes_nothing() {
    let memory = Memory::new().await;
    memory.inner.lock().unwrap().trouble_every = Some(7);
    let ran = loki(&memory.api, &["tree", "import", &example("inventory.csv"), "--under", "/acme", "-o", "json", "--quiet"]).await;
    let told = json_of(&ran.out);
    assert_eq!((ran.exit, &told["accepted"], &told["rejected"]), (Exit::Ok, &json!(54), &json!([])));
    assert_eq!(memory.inner.lock().unwrap().decided.len(), 54);
}

#[tokio::test]
async fn a_run_that_was_cut_short_is_finished_by_the_next() {
    let memory = Memory::new().await;
    memory.inner.lock().unwrap().dies_after = Some(20);
    let csv = example("inventory.csv");
    let import = ["tree", "import", &csv, "--under", "/acme", "--quiet"];
    // an import is more patient than this: the case shows only that it ends
    let hurried = Patience { first: Duration::ZERO, known: Duration::from_millis(200), ..Patience::default() };
    let ran = Run::new(&memory.api, &import).patience(hurried).ran().await;
    assert_eq!(ran.exit, Exit::Failed, "{ran:?}");
    assert!(ran.err.starts_with("error: stopped after "), "{}", ran.err);
    assert!(ran.err.ends_with("of 54: the log is away (not_ready); run it again, it does what is missing\n"), "{}", ran.err);
    assert!(ran.out.starts_with("54 commands: "), "{}", ran.out);
    memory.inner.lock().unwrap().dies_after = None;
    assert_eq!(loki(&memory.api, &import).await.exit, Exit::Ok);
    let inner = memory.inner.lock().unwrap();
    assert_eq!((inner.state.tree().len(), inner.state.servers().len(), inner.state.mounts().len()), (4, 27, 24));
    assert!(inner.decided.len() <= 55, "{} commands", inner.decided.len());
}

#[tokio::test]
async fn a_bad_file_imports_nothing() {
    let memory = Memory::new().await;
    let file = tempfile::Builder::new().suffix(".ini").tempfile().unwrap();
    std::fs::write(file.path(), "[web\nweb01 =\n").unwrap();
    let path = file.path().to_str().unwrap();
    let ran = loki(&memory.api, &["tree", "import", path]).await;
    assert_eq!(ran.exit, Exit::Usage);
    assert!(
        ran.err.starts_with(&format!("{path}:1: ")) && ran.err.ends_with("error: nothing was imported: mend the file first\n"),
        "{}",
        ran.err
    );
    assert_eq!(loki(&memory.api, &["tree", "import", "/no/such/file"]).await.exit, Exit::Usage);
    assert!(memory.inner.lock().unwrap().queries.is_empty(), "nobody was asked");
}
