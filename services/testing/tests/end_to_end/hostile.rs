//! Hostile records and requests: dead letters or a clear refusal; good ones pass.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use loki_core::generate::{Asked, Random, Wild};
use loki_log::kafka::{Config, KafkaLog};
use loki_log::{Log, NewRecord, Partition, Topic};
use serde_json::json;

use crate::api::body;
use crate::kcat;
use crate::platform::{Backends, Platform};

fn deep(levels: usize) -> String {
    format!("{{\"type\":\"node.create\",\"data\":{}{}}}", "[".repeat(levels), "]".repeat(levels))
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_are_refused_and_good_ones_pass() {
    let platform = Platform::embedded().await;
    let create = |path: &str| json!({ "type": "node.create", "data": { "path": path } }).to_string();
    let big = format!("{{\"type\":\"node.create\",\"data\":{{\"path\":\"{}\"}}}}", "x".repeat(5 << 20));
    let huge = "x".repeat(9 << 20);
    let cases: [(&str, Vec<u8>, u16, &str); 15] = [
        ("nothing", vec![], 400, "bad_json"),
        ("bytes", vec![0xff, 0xfe, 0, 1], 400, "bad_json"),
        ("truncated", br#"{"type":"node.create","data":{"path":"/a"#.to_vec(), 400, "bad_json"),
        ("deep", deep(10_000).into_bytes(), 400, "too_deep"),
        ("5 MB", big.into_bytes(), 413, "too_large"),
        ("unknown type", br#"{"type":"node.explode","data":{}}"#.to_vec(), 422, "unknown_type"),
        ("unknown field", br#"{"type":"node.create","data":{"path":"/a","colour":"red"}}"#.to_vec(), 422, "schema_violation"),
        (
            "unknown field beside the data",
            br#"{"type":"node.create","data":{"path":"/a"},"idempotency_key":"x"}"#.to_vec(),
            422,
            "schema_violation",
        ),
        ("missing field", br#"{"type":"node.create","data":{}}"#.to_vec(), 422, "schema_violation"),
        ("wrong kind", br#"{"type":"node.create","data":{"path":7}}"#.to_vec(), 422, "schema_violation"),
        ("bad value", br#"{"type":"node.create","data":{"path":"a//b"}}"#.to_vec(), 422, "invalid"),
        ("reserved id", br#"{"type":"node.create","id":"@x","data":{"path":"/a"}}"#.to_vec(), 422, "bad_envelope"),
        (
            "long id",
            format!(r#"{{"type":"node.create","id":"{}","data":{{"path":"/a"}}}}"#, "i".repeat(65)).into_bytes(),
            422,
            "bad_envelope",
        ),
        ("no data", br#"{"type":"node.create"}"#.to_vec(), 422, "bad_envelope"),
        (
            "old version",
            br#"{"type":"node.create","dataschema":"command.node.create.v9","data":{"path":"/a"}}"#.to_vec(),
            422,
            "unknown_version",
        ),
    ];
    for (name, body, status, code) in cases {
        let (got, problem) = platform.api.post("/v1/commands", body).await.unwrap();
        assert_eq!((got, problem["code"].as_str()), (status, Some(code)), "{name}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{name}: {problem}");
    }
    for (path, code) in [
        ("/v1/commands/c99", "not_found"),
        ("/v1/tree/no/such", "not_found"),
        ("/v1/servers/nobody", "not_found"),
        ("/v1/nodes/0000000000000000", "not_found"),
        ("/v1/nothing", "no_such_route"),
    ] {
        let (status, problem) = platform.api.get(path).await.unwrap();
        assert_eq!((status, problem["code"].as_str()), (404, Some(code)), "{path}: {problem}");
    }
    for path in [
        "/v1/tree?depth=99",
        "/v1/servers?node=acme",
        "/v1/audit?limit=0",
        "/v1/audit?from=yesterday",
        "/v1/servers?node=/a&after=c1",
        "/v1/commands/c0?wait=1h",
    ] {
        let (status, problem) = platform.api.get(path).await.unwrap();
        assert_eq!(status, 400, "{path}: {problem}");
    }
    // over the body's own limit the connection may be closed while it is still being sent
    if let Ok((status, _)) = platform.another_client().post("/v1/commands", huge).await {
        assert_eq!(status, 413);
    }
    let (status, outcome) = platform.api.post("/v1/commands?wait=10s", create("/good")).await.unwrap();
    assert_eq!((status, outcome["outcome"].as_str()), (200, Some("accepted")), "{outcome}");
    platform.api.settled().await;
    platform.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_records_are_dead_once_and_good_ones_pass() {
    let backends = Backends::shared();
    let platform = Platform::real(&backends).await;
    let log = KafkaLog::connect(Config::new(&backends.kafka)).unwrap();
    let partition = Partition::only(&Topic::new(format!("{}loki.commands", platform.prefix)));
    let mut random = Random::new(5);
    let record = |value: Option<Vec<u8>>| NewRecord { value: value.map(Into::into), ..NewRecord::default() };

    let mut records = Vec::new();
    let mut bad = 0;
    let good: Vec<Asked> = Wild::new(21).take(300).collect();
    for (index, asked) in good.iter().enumerate() {
        let value = body(asked);
        records.push(record(Some(value.to_string().into_bytes())));
        let hostile = match index % 6 {
            0 => Some((0..random.below(300)).map(|_| random.below(256) as u8).collect()),
            1 => Some(value.to_string().into_bytes()[..20].to_vec()),
            2 => Some(deep(5_000).into_bytes()),
            3 => Some(br#"{"type":"node.explode","data":{}}"#.to_vec()),
            4 => Some(format!(r#"{{"type":"node.create","data":{{"path":"{}"}}}}"#, "x".repeat(900_000)).into_bytes()),
            _ => None,
        };
        if index % 3 == 0 || index < 60 {
            bad += 1;
            records.push(record(hostile));
        }
    }
    let count = records.len();
    for part in records.chunks(50) {
        log.append(&partition, part.to_vec()).await.unwrap();
    }
    // another producer compresses: small to the broker, larger than any record that can be copied
    let options = ["-z", "lz4", "-X", "message.max.bytes=16000000", "-H"].map(OsStr::new);
    let odd = OsStr::from_bytes(b"\xff=no text");
    kcat::produce(&backends.kafka, partition.topic.as_str(), &[&options[..], &[odd]].concat(), vec![b'x'; 5_000_000]).await;
    let (count, bad) = (count + 1, bad + 1);
    platform.api.until("/v1/status", |_, status| status["commands"] == format!("c{count}") && status["undecided"] == 0).await;
    platform.api.settled().await;
    platform.verify();
    let audit = platform.api.audit().await;
    assert_eq!(audit.len(), count, "one outcome a record");
    assert_eq!(audit.iter().filter(|line| line["outcome"] == "dead").count(), bad);
    let (_, dead) = platform.api.get("/v1/dead?limit=1000").await.unwrap();
    assert_eq!(dead["items"].as_array().map(Vec::len), Some(bad));
    let largest = &dead["items"][bad - 1];
    assert_eq!(largest["code"], "too_large");
    assert!(largest["bytes"].as_u64() >= Some(5_000_000), "{largest}");
    let path = format!("/v1/dead/{}/replay", largest["id"].as_str().unwrap().replace('/', "%2F"));
    let (status, problem) = platform.api.post(&path, "").await.unwrap();
    assert_eq!((status, problem["code"].as_str()), (409, Some("not_kept")), "{problem}");
}
