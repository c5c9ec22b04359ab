//! Commands that only ask: what they send, and the tables that they print.

use loki_cli::Exit;

use crate::run::{check, loki};
use crate::scripted::{Answer, Scripted};

const TREE: &str = r#"{"id":null,"name":"/","path":"/","labels":{},"contacts":[],"defaults":{},"servers":0,"children":[
  {"id":"01","name":"acme","path":"/acme","labels":{"company":"acme"},"contacts":[],"defaults":{},"servers":0,"children":[
    {"id":"02","name":"shop","path":"/acme/shop","labels":{},"contacts":[],"defaults":{},"servers":1,"children":[
      {"id":"03","name":"支付","path":"/acme/shop/支付","labels":{"idc":"bj1","tier":"front"},"contacts":[],"defaults":{},"servers":12,"children":[]}]},
    {"id":"04","name":"lab","path":"/acme/lab","labels":{},"contacts":[],"defaults":{},"servers":0,"children":[]}]},
  {"id":"05","name":"other","path":"/other","labels":{"x":"\u001b[2J"},"contacts":[],"defaults":{},"servers":0,"children":[]}]}"#;

#[tokio::test]
async fn the_tree() {
    let api = Scripted::new([("GET /v1/tree", vec![Answer::ok(TREE)])]).await;
    let expected = "\
/
├─ acme  company=acme
│  ├─ shop  1 server
│  │  └─ 支付  12 servers  idc=bj1,tier=front
│  └─ lab
└─ other  x=\u{fffd}[2J
";
    check(&api.api, &["tree", "show"], expected).await;
    assert_eq!(api.lines(), ["GET /v1/tree?depth=32"]);
    check(&api.api, &["tree", "show", "-o", "json"], &format!("{TREE}\n")).await;
}

#[tokio::test]
async fn a_node_of_the_past() {
    let node = r#"{"id":"02","name":"shop","path":"/acme/支付","labels":{},"servers":1,"children":[]}"#;
    let api = Scripted::new([("GET /v1/tree/acme/%E6%94%AF%E4%BB%98", vec![Answer::ok(node)])]).await;
    check(&api.api, &["tree", "show", "/acme/支付", "--depth", "1", "--at", "c17", "--after", "f3"], "/acme/支付  1 server\n").await;
    assert_eq!(api.lines(), ["GET /v1/tree/acme/%E6%94%AF%E4%BB%98?depth=1&at=c17&after=f3"]);
    let ran = loki(&api.api, &["tree", "show", "/none"]).await;
    assert_eq!(ran.exit, Exit::NotFound);
}

const SERVERS: &str = r#"{"node":{"id":"02","path":"/acme/shop"},"servers":[
  {"id":"0a","name":"web01","state":"online","addresses":["10.0.0.1","2001:db8::1"],"idc":"bj1","labels":{"rack":"r1"},"mounts":[
    {"node":"/acme/shop","offline":false,"ratio":null,"weight":1,"membership":null},
    {"node":"/acme/shop/canary","offline":true,"ratio":250000,"weight":0,"membership":"0f"}]},
  {"id":"0b","name":"web02","state":"maintenance","addresses":[],"idc":null,"labels":{},"mounts":[
    {"node":"/acme/shop","offline":false,"ratio":0,"weight":0,"membership":null}]}]}"#;

#[tokio::test]
async fn servers_of_a_node() {
    let api = Scripted::new([("GET /v1/servers", vec![Answer::ok(SERVERS)])]).await;
    let expected = "\
NAME   STATE                    WEIGHT  RATIO  IDC  ADDRESSES             NODE               LABELS
web01  online                   1       -      bj1  10.0.0.1,2001:db8::1  /acme/shop         rack=r1
web01  online, mounted offline  0       25%    bj1  10.0.0.1,2001:db8::1  /acme/shop/canary  rack=r1
web02  maintenance              0       0%     -    -                     /acme/shop         -
";
    check(&api.api, &["servers", "/acme/shop"], expected).await;
    check(&api.api, &["servers", "/acme/shop", "--recursive", "--after", "f9", "-o", "json"], &format!("{SERVERS}\n")).await;
    assert_eq!(api.lines(), ["GET /v1/servers?node=%2Facme%2Fshop", "GET /v1/servers?node=%2Facme%2Fshop&after=f9&recursive=true"]);
}

const AUDIT: [&str; 2] = [
    r#"{"items":[
      {"position":"c9","id":"x","actor":"ann","type":"node.move","at":"2026-01-31T12:00:00Z","outcome":"accepted","changes":3,"keys":["node/01","node/02"]},
      {"position":"c8","id":"y","actor":"anonymous","type":"node.create","at":"2026-01-31T11:59:59Z","outcome":"rejected","code":"already_exists","field":"path","message":"`/a` is there","changes":0,"keys":[]}],
      "next":"n1"}"#,
    r#"{"items":[
      {"position":"c7","id":"y","actor":"ci","type":"node.set","at":"2026-01-31T11:00:00Z","outcome":"accepted","changes":0,"keys":[]},
      {"position":"c6","id":"y","actor":"ci","type":"node.set","at":"2026-01-31T11:00:00Z","outcome":"duplicate","duplicate_of":"c2","changes":0,"keys":[]},
      {"position":"c5","id":"@c5","actor":"anonymous","type":"","at":"2026-01-31T10:00:00Z","outcome":"dead","code":"bad_json","message":"no","changes":0,"keys":[]}],
      "next":null}"#,
];

#[tokio::test]
async fn the_audit_in_parts() {
    let api = Scripted::new([("GET /v1/audit", AUDIT.map(Answer::ok).to_vec())]).await;
    let expected = "\
POSITION  AT                    ACTOR      TYPE         OUTCOME    WHAT
c9        2026-01-31T12:00:00Z  ann        node.move    accepted   node/01 and 2 more
c8        2026-01-31T11:59:59Z  anonymous  node.create  rejected   already_exists: `/a` is there (field `path`)
c7        2026-01-31T11:00:00Z  ci         node.set     accepted   it was so already
c6        2026-01-31T11:00:00Z  ci         node.set     duplicate  asked before at c2
c5        2026-01-31T10:00:00Z  anonymous  -            dead       bad_json: no
";
    check(&api.api, &["audit", "--limit", "1500"], expected).await;
    assert_eq!(api.lines(), ["GET /v1/audit?limit=1000", "GET /v1/audit?limit=1000&cursor=n1"]);
}

#[tokio::test]
async fn the_audit_narrowed() {
    let api = Scripted::new([("GET /v1/audit", vec![Answer::ok(AUDIT[0])])]).await;
    let filters = ["--actor", "ann", "--type", "node.move", "--outcome", "accepted", "--key", "node/01"];
    let moments = ["--from", "c1", "--to", "2026-01-31T12:00:00Z", "--after", "c9", "-n", "2", "-o", "json"];
    let ran = loki(&api.api, &[&["audit"], &filters[..], &moments[..]].concat()).await;
    let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(told, serde_json::from_str::<serde_json::Value>(AUDIT[0]).unwrap());
    let query = "actor=ann&type=node.move&outcome=accepted&key=node%2F01&from=c1&to=2026-01-31T12%3A00%3A00Z&after=c9&limit=2";
    assert_eq!(api.lines(), [format!("GET /v1/audit?{query}")]);
    let ran = loki(&api.api, &["audit", "-n", "2"]).await;
    assert_eq!(ran.err, "there are more: raise `--limit` or narrow with `--from` and `--to`\n");
    assert_eq!(loki(&api.api, &["audit", "-n", "2", "--quiet"]).await.err, "");
}

#[tokio::test]
async fn a_cursor_that_leads_nowhere_ends_with_an_error() {
    let api = Scripted::new([("GET /v1/audit", vec![Answer::ok(r#"{"items":[],"next":"n1"}"#)])]).await;
    let ran = loki(&api.api, &["audit"]).await;
    assert!(ran.exit == Exit::Failed && ran.err.contains("does not lead on"), "{ran:?}");
}

fn status(history: &str) -> String {
    format!(
        r#"{{"commands":"c18","undecided":1,"projections":[
        {{"name":"mysql","log":"5f1c","position":"f42","end":"f42","lag":0,"state":"live","last_error":null}},
        {{"name":"history",{history}}},
        {{"name":"zookeeper","log":"5f1c","position":"f40","end":"f42","lag":2,"state":"live","last_error":null}}]}}"#
    )
}

#[tokio::test]
async fn the_status_says_whether_all_is_live() {
    let live = status(r#""log":"5f1c","position":"o17","end":"o17","lag":0,"state":"live","last_error":null"#);
    let away = status(
        r#""log":null,"position":null,"end":"o17","lag":null,"state":"unknown","last_error":"mysql: refused","last_error_since":"2026-01-31T11:00:00Z""#,
    );
    let api = Scripted::new([("GET /v1/status", vec![Answer::ok(&live), Answer::ok(&away), Answer::ok(&away)])]).await;
    let expected = "\
PROJECTION  STATE  POSITION  END  LAG  LOG   SINCE  LAST ERROR
mysql       live   f42       f42  0    5f1c  -      -
history     live   o17       o17  0    5f1c  -      -
zookeeper   live   f40       f42  2    5f1c  -      -
commands end at c18, without an outcome: 1
";
    check(&api.api, &["status"], expected).await;
    let ran = loki(&api.api, &["status"]).await;
    assert_eq!(ran.exit, Exit::Failed);
    assert!(ran.out.contains("history     unknown  -         o17  -    -     2026-01-31T11:00:00Z  mysql: refused\n"), "{}", ran.out);
    let ran = loki(&api.api, &["status", "-o", "json"]).await;
    assert_eq!((ran.exit, ran.out), (Exit::Failed, format!("{away}\n")));
}
