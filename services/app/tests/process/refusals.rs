//! What keeps `loki all` from starting, in one clear line.

use std::net::TcpListener;

use crate::loki::{Running, free_address, refusal, run};

#[test]
fn another_address_than_loopback_needs_a_token() {
    let home = tempfile::tempdir().unwrap();
    for service in ["all", "api"] {
        let output = run(home.path(), &[service], &[("LOKI__API__LISTEN", "0.0.0.0:0")]);
        refusal(&output, 2);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("not loopback") && said.contains("LOKI__API__TOKEN"), "{said}");
    }
}

/// The settings of a server are in the environment of many a shell.
#[test]
fn the_token_is_asked_of_who_listens_only() {
    let home = tempfile::tempdir().unwrap();
    let (listen, nobody) = (("LOKI__API__LISTEN", "0.0.0.0:0"), free_address());
    let output = run(home.path(), &["status"], &[listen, ("LOKI_API", &nobody)]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("nothing listens") && !said.contains("loopback"), "{said}");
    let output = run(home.path(), &["config"], &[listen]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("not loopback") && said.contains("LOKI__API__TOKEN"), "{said}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("listen = \"0.0.0.0:0\""));
}

#[test]
fn a_taken_port_is_named() {
    let home = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let line = refusal(&run(home.path(), &["all"], &[("LOKI__API__LISTEN", &address)]), 1);
    assert!(line.contains(&address) && line.contains("`api.listen`"), "{line}");
    let line = refusal(&run(home.path(), &["decider"], &[("LOKI__TELEMETRY__LISTEN", &address)]), 1);
    assert!(line.contains(&address) && line.contains("`telemetry.listen`"), "{line}");
}

#[tokio::test]
async fn a_data_folder_has_one_process() {
    let home = tempfile::tempdir().unwrap();
    let mut first = Running::start(home.path(), "all", &[]);
    first.ready().await;
    let line = refusal(&run(home.path(), &["all"], &[("LOKI__API__LISTEN", &free_address())]), 1);
    assert!(line.contains("`data_dir`") && line.contains("another process"), "{line}");
    // the first is not disturbed
    assert_eq!(first.get("/readyz").await.unwrap().0, 200);
}

#[test]
fn embedded_backends_serve_one_process_only() {
    let home = tempfile::tempdir().unwrap();
    let line = refusal(&run(home.path(), &["decider"], &[("LOKI__BACKENDS", "embedded")]), 1);
    assert!(line.contains("loki all"), "{line}");
    for command in [&["migrate"] as &[_], &["topics", "plan"], &["topics", "apply"]] {
        let line = refusal(&run(home.path(), command, &[("LOKI__BACKENDS", "embedded")]), 1);
        assert!(line.contains("`loki all`") && line.contains("by itself"), "{line}");
    }
    assert!(!home.path().join("data").exists(), "nothing was begun");
}
