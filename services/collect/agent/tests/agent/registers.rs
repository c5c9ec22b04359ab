//! The machine registers itself, says what has changed, and leaves to operators what is theirs.

use serde_json::{Value, json};

use crate::agent::{Running, config, free_address, start, until};
use crate::stub::Stub;

fn kinds(stub: &Stub) -> Vec<String> {
    stub.seen().commands.iter().map(|(kind, _)| kind.clone()).collect()
}

async fn running(stub: &Stub, folder: &tempfile::TempDir) -> Running {
    let (address, _) = stub.listen(free_address()).await;
    let agent = start(config(address, folder.path()));
    agent.is_ready().await;
    agent
}

/// Two more passes than have been.
async fn looked_again(stub: &Stub) {
    let before = stub.seen().looked;
    until("two more passes", || stub.seen().looked > before + 2).await;
}

#[tokio::test]
async fn a_machine_registers_itself_once() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let agent = running(&stub, &folder).await;
    looked_again(&stub).await;
    assert_eq!(kinds(&stub), ["server.register", "node.create", "server.mount"]);
    let (_, data) = stub.seen().commands[0].clone();
    assert_eq!((&data["name"], &data["state"], &data["labels"]["os"]), (&json!("web01"), &json!("online"), &json!(std::env::consts::OS)));
    assert_eq!(stub.seen().commands[1].1, json!({"path": "/machines", "parents": true}));
    assert_eq!(stub.seen().commands[2].1, json!({"server": "web01", "node": "/machines"}));
    assert_eq!(stub.seen().tokens.iter().collect::<Vec<_>>(), ["Bearer sesame"]);
    agent.stop().await;

    // started again it finds that all is so already
    let agent = running(&stub, &folder).await;
    looked_again(&stub).await;
    agent.stop().await;
    assert_eq!(kinds(&stub).len(), 3);
}

#[tokio::test]
async fn it_keeps_trying_while_the_api_is_away() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let address = free_address();
    let agent = start(config(address, folder.path()));
    agent.is_not_ready_for("`web01` cannot be registered: no answer from").await;
    stub.listen(address).await;
    agent.is_ready().await;
    assert_eq!(kinds(&stub), ["server.register", "node.create", "server.mount"]);
    agent.stop().await;
}

#[tokio::test]
async fn outcomes_are_asked_for_until_they_are_there() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    stub.seen().late = true;
    let agent = running(&stub, &folder).await;
    assert_eq!(kinds(&stub), ["server.register", "node.create", "server.mount"]);
    agent.stop().await;
}

#[tokio::test]
async fn only_what_is_the_agent_s_is_changed() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let agent = running(&stub, &folder).await;
    let registered = stub.seen().servers["web01"].clone();
    // an operator labels it and takes it elsewhere; somebody gets the number of cores wrong
    {
        let mut seen = stub.seen();
        seen.mounts = [("web01".to_owned(), "/acme/shop".to_owned())].into();
        let server = seen.servers.get_mut("web01").unwrap();
        server["labels"]["rack"] = "r7".into();
        server["labels"]["arch"] = "pdp11".into();
    }
    until("corrected", || stub.seen().servers["web01"]["labels"]["arch"] == std::env::consts::ARCH).await;
    looked_again(&stub).await;
    let updates: Vec<Value> = stub.seen().commands.iter().skip(3).map(|(_, data)| data.clone()).collect();
    assert_eq!(updates, [json!({"server": "web01", "labels": {"arch": std::env::consts::ARCH}})]);
    let mut expected = registered;
    expected["labels"]["rack"] = "r7".into();
    let mut now = stub.seen().servers["web01"].clone();
    now.as_object_mut().unwrap().remove("server");
    assert_eq!(now, expected);
    agent.stop().await;
}

#[tokio::test]
async fn a_serial_number_that_another_server_has_is_left_out() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    stub.seen().taken_serials = true;
    let agent = running(&stub, &folder).await;
    looked_again(&stub).await;
    let commands = stub.seen().commands.clone();
    let with_serial = commands.iter().filter(|(_, data)| data["serial"].is_string()).count();
    // where this machine has none there is nothing to leave out; else it is asked once for each of the two
    assert!(with_serial == 0 || with_serial == 2, "{commands:?}");
    assert!(stub.seen().servers.contains_key("web01") && stub.seen().mounts.len() == 1);
    assert_eq!(commands.iter().filter(|(kind, data)| kind == "server.update" && data["serial"].is_null()).count(), 0, "{commands:?}");
    agent.stop().await;
}

#[tokio::test]
async fn another_machine_of_this_name_is_left_alone_and_samples_are_sent() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let theirs = json!({"name": "web01", "serial": "another", "addresses": [], "labels": {}, "state": "retired"});
    stub.seen().servers.insert("web01".to_owned(), theirs.clone());
    // retired, and by its serial number another: the name is free
    let agent = running(&stub, &folder).await;
    agent.stop().await;
    let registered = stub.seen().servers["web01"].clone();
    assert_eq!(registered["state"], "online");

    // retired while the agent runs: it stays retired
    stub.seen().servers.get_mut("web01").unwrap()["state"] = "retired".into();
    stub.seen().commands.clear();
    let agent = running(&stub, &folder).await;
    looked_again(&stub).await;
    assert!(stub.seen().commands.is_empty());
    let before = stub.rounds().len();
    until("samples", || stub.rounds().len() > before).await;
    agent.stop().await;
}
