//! `loki all --this-machine`, which is what `make run` starts.

use serde_json::{Value, json};

use crate::loki::{Running, free_address};

/// What is there once this machine has been registered.
#[derive(Debug, PartialEq)]
struct Registered {
    servers: Value,
    server: Value,
    tree: Value,
    /// The facts' end.
    facts: Value,
}

/// Starts it, waits until it has done all that it does by itself, and ends it.
async fn run(folder: &std::path::Path, name: &str) -> (Registered, Vec<Value>) {
    let mut loki = Running::start_with(folder, &["all", "--this-machine"], &[("LOKI__AGENT__REGISTER", "true")]);
    let ready = format!("loki is ready: http://{} (embedded backends in ./data, the owner's token in ./data/owner.token)\n", loki.address);
    loki.says(&ready).await;
    assert_eq!(loki.get("/readyz").await.map(|(status, _)| status), Some(200));
    loki.says("this machine is registered").await;
    let at_end = |status: u16, answer: &Value| {
        let projections = answer["projections"].as_array().unwrap();
        status == 200 && answer["undecided"] == 0 && projections.iter().all(|p| p["state"] == "live" && p["lag"] == 0)
    };
    let status = loki.until("/v1/status", at_end).await;
    // it is measured, and its own API is probed
    for metric in ["host.cpu.usage", "domain.availability"] {
        let has_points =
            |status: u16, answer: &Value| status == 200 && answer[0]["dps"].as_object().is_some_and(|points| !points.is_empty());
        loki.until(&format!("/api/query?start=5m-ago&m=avg:{metric}"), has_points).await;
    }
    let mut server = loki.until(&format!("/v1/servers/{name}"), |status, answer| status == 200 && answer["heard_at"].is_string()).await;
    server.as_object_mut().unwrap().remove("heard_at");
    let ask = async |path: &str| {
        let (status, answer) = loki.get(path).await.unwrap();
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    };
    let registered = Registered {
        servers: ask("/v1/servers").await["items"].clone(),
        server,
        tree: ask("/v1/tree").await,
        facts: status["projections"][0]["end"].clone(),
    };
    let audit = ask("/v1/audit").await["items"].as_array().unwrap().clone();
    assert_eq!(ask("/v1/servers?node=/machines").await["servers"][0]["name"], name);
    loki.terminate();
    let (status, _, said) = loki.ended().await;
    assert_eq!(status.code(), Some(0), "{said}");
    assert_eq!(said.matches(&ready).count(), 1, "{said}");
    (registered, audit)
}

#[tokio::test]
async fn this_machine_is_the_first_server_and_is_registered_once() {
    let home = tempfile::tempdir().unwrap();
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_lowercase();
    let (first, audit) = run(home.path(), &name).await;
    assert_eq!(first.servers.as_array().map(Vec::len), Some(1), "{first:?}");
    assert_eq!((&first.server["server"]["name"], &first.server["server"]["state"]), (&json!(name), &json!("online")));
    assert_eq!(first.server["server"]["labels"]["os"], std::env::consts::OS);
    assert_eq!(first.server["mounts"].as_array().map(Vec::len), Some(1), "{first:?}");
    assert_eq!(first.server["mounts"][0]["path"], "/machines");
    assert_eq!((&first.tree["children"][0]["path"], &first.tree["children"][0]["servers"]), (&json!("/machines"), &json!(1)));
    let told = |audit: &[Value]| audit.iter().map(|line| json!([line["actor"], line["type"], line["outcome"]])).collect::<Vec<_>>();
    let mut kinds: Vec<_> = told(&audit);
    kinds.sort_by_key(ToString::to_string);
    let expected = [("agent", "node.create"), ("agent", "server.mount"), ("agent", "server.register"), ("owner", "token.create")];
    assert_eq!(kinds, expected.map(|(actor, kind)| json!([actor, kind, "accepted"])));

    // the second looks, and finds nothing to say
    let (second, again) = run(home.path(), &name).await;
    assert_eq!(told(&again), told(&audit));
    assert_eq!(second, first);
}

/// Behind a proxy that is away, with an API that waits for nobody: the machine asks itself, and asks on.
#[tokio::test]
async fn a_machine_registers_itself_whatever_is_set() {
    let home = tempfile::tempdir().unwrap();
    let proxy = format!("http://{}", free_address());
    let settings = [
        ("http_proxy", proxy.as_str()),
        ("HTTP_PROXY", &proxy),
        ("ALL_PROXY", &proxy),
        ("LOKI__API__WAIT_MAX", "10ms"),
        ("LOKI__AGENT__REGISTER", "true"),
    ];
    let mut loki = Running::start_with(home.path(), &["all", "--this-machine"], &settings);
    loki.ready().await;
    let mounted = |status: u16, body: &Value| status == 200 && body["servers"].as_array().is_some_and(|servers| servers.len() == 1);
    loki.until("/v1/servers?node=/machines", mounted).await;
    let servers = loki.until("/v1/servers", |status, body| status == 200 && body["items"][0].is_object()).await;
    let serial = servers["items"][0]["serial"].as_str().unwrap_or_default();
    let machine_id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    assert!(serial.is_empty() || serial != machine_id.trim(), "the machine's id is nobody else's");
}
