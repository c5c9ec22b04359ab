//! `loki all --this-machine`.

use serde_json::Value;

use crate::loki::{Running, free_address};

/// Behind a proxy that is away, with an API that waits for nobody: the machine asks itself, and asks on.
#[tokio::test]
async fn a_machine_registers_itself_whatever_is_set() {
    let home = tempfile::tempdir().unwrap();
    let proxy = format!("http://{}", free_address());
    let settings = [("http_proxy", proxy.as_str()), ("HTTP_PROXY", &proxy), ("ALL_PROXY", &proxy), ("LOKI__API__WAIT_MAX", "10ms")];
    let said = home.path().join("said.log");
    std::fs::write(&said, "").unwrap();
    let mut loki = Running::start_with(home.path(), &["all", "--this-machine"], &settings, &said);
    loki.ready().await;
    let mounted = |status: u16, body: &Value| status == 200 && body["servers"].as_array().is_some_and(|servers| servers.len() == 1);
    loki.until("/v1/servers?node=/machines", mounted).await;
    let servers = loki.until("/v1/servers", |status, body| status == 200 && body["items"][0].is_object()).await;
    let serial = servers["items"][0]["serial"].as_str().unwrap_or_default();
    let machine_id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    assert!(serial.is_empty() || serial != machine_id.trim(), "the machine's id is nobody else's");
}
