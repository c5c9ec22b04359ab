//! Requests that a seed makes of the description, good and hostile parts mixed: whatever is asked, the answer is one that is documented.
//!
//! Those that once found a fault are kept in `requests.txt`, a line each: the whole request, with the escapes of Rust's byte strings.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use loki_core::generate::Random;
use loki_fuzz::{corpus, mutated};
use loki_testing::proof;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cell::{Cell, Setting, until};
use crate::documented::{described, description, operations};

/// Of each operation; `LOKI_TEST_REQUESTS` sets another number.
const REQUESTS: usize = 60;
/// More of an answer is not read: events never end.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// What is answered before any route is found, by this and by the HTTP server, which has no body to say it in.
const BEFORE_ROUTES: [u16; 8] = [400, 404, 405, 408, 413, 414, 421, 431];

#[tokio::test]
async fn whatever_is_asked_the_answer_is_a_documented_one() {
    // who asks for what will come waits in vain
    let cell = Cell::start_with(Setting { wait_max: Duration::from_millis(100), series: true, ..Setting::default() }).await;
    populate(&cell).await;
    let requests = proof::count("LOKI_TEST_REQUESTS", REQUESTS);
    let mut asker = Asker::new(cell.client.address);
    for line in include_str!("requests.txt").lines() {
        asker.ask(&corpus::unescape(line).unwrap()).await;
    }
    let mut random = Random::new(0xa9_1f);
    for _ in 0..requests {
        for (method, template, operation) in operations(&asker.description.clone()) {
            let request = request(&mut random, &method, &template, &operation, &asker.cursors);
            asker.ask(&request).await;
            // and as no client would send it
            if random.chance(20) {
                asker.ask(&mutated(&mut random, &request)).await;
            }
        }
    }
    let seen = asker.statuses.len();
    assert!(seen >= 5, "only {:?} were answered", asker.statuses);
    until("every command is decided", async || cell.client.get("/v1/status").await.body["undecided"] == 0).await;
    cell.settled().await;
    assert_eq!(cell.client.get("/readyz").await.status, 200);
    proof::tell(
        "fuzz_requests",
        &format!("generated requests: {requests} for each operation of the API, and broken ones: each answer is a documented one"),
    );
}

async fn populate(cell: &Cell) {
    cell.client.accept("node.create", json!({ "path": "/acme/shop", "parents": true, "labels": { "tier": "1" } })).await;
    for name in ["web1", "web2", "web3"] {
        cell.client.accept("server.register", json!({ "name": name, "state": "online" })).await;
        cell.client.accept("server.mount", json!({ "server": name, "node": "/acme/shop" })).await;
    }
    let point = r#"{"metric":"host.up","timestamp":1700000000,"value":1,"tags":{"host":"web1"}}"#;
    assert_eq!(cell.client.post("/api/put", point).await.status, 204);
    let commands = loki_log::Partition::only(&loki_log::Topic::new(&cell.topics.commands));
    loki_log::Log::append(&cell.log, &commands, vec![loki_log::NewRecord::default(); 3]).await.unwrap();
    cell.settled().await;
}

/// A request of this operation, whose parts are good more often than not.
fn request(random: &mut Random, method: &str, template: &str, operation: &Value, cursors: &[String]) -> Vec<u8> {
    let (mut path, mut query, mut headers) = (template.to_owned(), Vec::new(), String::new());
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        let value = value(random, template, name, cursors);
        match parameter["in"].as_str().unwrap() {
            "path" => path = path.replace(&format!("{{{name}}}"), &encoded(&value, name == "path")),
            _ if parameter["required"] != true && random.chance(60) => {}
            "query" => query.push(format!("{name}={}", encoded(&value, false))),
            _ => headers.push_str(&format!("{name}: {}\r\n", String::from_utf8_lossy(&value).replace(['\r', '\n', '\0'], ""))),
        }
    }
    if random.chance(5) && !query.is_empty() {
        query.push(query[0].clone());
    }
    if !query.is_empty() {
        path = format!("{path}?{}", query.join("&"));
    }
    let mut body = Vec::new();
    if operation["requestBody"].is_object() {
        body = random.one(&BODIES).as_bytes().to_vec();
        if random.chance(50) {
            body = mutated(random, &body);
        }
    }
    let length = body.len();
    let head = format!("{} {path} HTTP/1.0\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n", method.to_uppercase());
    [head.into_bytes(), body].concat()
}

const BODIES: [&str; 5] = [
    r#"{"type":"node.create","data":{"path":"/acme/x"}}"#,
    r#"{"type":"server.update","data":{"server":"web1","labels":{"a":"b"}}}"#,
    r#"{"type":"server.mount","data":{"server":"web2","node":"/acme"}}"#,
    r#"{"specversion":"1.0","id":"a","source":"s","type":"node.remove","data":{"node":"/acme/x"}}"#,
    r#"[{"type":"node.create","data":{"path":"/acme/y"}}]"#,
];

fn value(random: &mut Random, template: &str, name: &str, cursors: &[String]) -> Vec<u8> {
    let good: &[&str] = match name {
        "limit" => &["1", "2", "1000"],
        "depth" => &["0", "1", "32"],
        "wait" => &["0s", "50ms"],
        "after" | "from" | "to" | "position" | "at" | "Last-Event-ID" => &["c0", "c2", "f1", "o3", "f99"],
        "node" | "under" => &["/acme", "/acme/shop", "/"],
        "recursive" => &["true", "false"],
        "metric" => &["host.up"],
        "tags" | "label" => &["host=web1", "tier=1"],
        "name" => &["web1", "web9"],
        "path" => &["acme/shop", "acme"],
        "id" if template.contains("dead") => &["loki.commands/0/8/0", "loki.commands/0/9/0", "loki.commands/0/99/0"],
        "id" if template.contains("nodes") => &["/acme", "/acme/shop"],
        "id" => &["c0", "c3", "some-id"],
        "outcome" => &["accepted", "rejected", "duplicate"],
        "state" => &["online", "offline"],
        "type" => &["node.create", "server.mount"],
        "traceparent" => &["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
        _ => &["a", "server/web1", "\"x\""],
    };
    let good = match cursors {
        [.., last] if name == "cursor" => last.as_bytes(),
        _ => random.one(good).as_bytes(),
    };
    if random.chance(65) { good.to_vec() } else { mutated(random, good) }
}

/// Percent-encoded; `slashes` stay.
fn encoded(bytes: &[u8], slashes: bool) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) || (slashes && *byte == b'/');
    bytes.iter().map(|byte| if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

struct Asker {
    address: SocketAddr,
    description: Value,
    /// Of answers with a status, by operation.
    validators: HashMap<(String, String, u16), jsonschema::Validator>,
    /// Where lists went on.
    cursors: Vec<String>,
    statuses: BTreeSet<u16>,
}

impl Asker {
    fn new(address: SocketAddr) -> Self {
        Self { address, description: description(), validators: HashMap::new(), cursors: Vec::new(), statuses: BTreeSet::new() }
    }

    /// Sends it and checks what is answered.
    async fn ask(&mut self, request: &[u8]) {
        let said = request.escape_ascii();
        let Some(answer) = answer(self.address, request).await else { return };
        let Some((status, content_type, body)) = parsed(&answer) else { panic!("{said}\nwas answered {}", answer.escape_ascii()) };
        self.statuses.insert(status);
        if body.is_empty() && (status == 304 || BEFORE_ROUTES.contains(&status)) {
            return;
        }
        if content_type == "text/event-stream" {
            return;
        }
        let text = String::from_utf8_lossy(body);
        let json: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        if let Some(next) = json["next"].as_str() {
            self.cursors.push(next.to_owned());
        }
        let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let Some((method, template)) = self.operation(&String::from_utf8_lossy(line)) else {
            assert!(BEFORE_ROUTES.contains(&status) || status < 300, "{said}\nwas answered {status} {text}");
            return;
        };
        let operation = &self.description["paths"][&template][&method];
        if operation["responses"][status.to_string()].is_null() {
            assert!(BEFORE_ROUTES.contains(&status), "{said}\nwas answered {status}, which is not documented: {text}");
            assert_eq!(content_type, "application/problem+json", "{said}\nwas answered {text}");
            return;
        }
        let key = (method.clone(), template.clone(), status);
        let validator = match self.validators.entry(key) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(described(&self.description, operation, status, content_type, &template))
            }
        };
        let mistakes: Vec<String> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
        assert!(mistakes.is_empty(), "{said}\nwas answered {status} {text}: {mistakes:?}");
    }

    /// Which one a request's first line asks for.
    fn operation(&self, line: &str) -> Option<(String, String)> {
        let mut words = line.split(' ');
        let (method, target) = (words.next()?.to_lowercase(), words.next()?);
        let path = target.split('?').next()?;
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |template: &str| {
            let wanted: Vec<&str> = template.split('/').collect();
            let fit = |(wanted, part): (&&str, &&str)| wanted == part || wanted.starts_with('{') && !part.is_empty();
            let whole = wanted.len() == parts.len() || template.ends_with("{path}") && wanted.len() < parts.len();
            whole && wanted.iter().zip(&parts).all(fit)
        };
        let found = operations(&self.description).into_iter().find(|(of, template, _)| *of == method && fits(template));
        found.map(|(method, template, _)| (method, template))
    }
}

/// What comes back until the connection is closed, or enough has come; `None`: it was closed, or nothing is said to what has not ended.
async fn answer(address: SocketAddr, request: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.ok()?;
    // this was all of it, wherever its length says that it ends
    stream.shutdown().await.ok()?;
    let mut answer = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    while answer.len() < ANSWER_BYTES_MAX && !answer.windows(17).any(|part| part == b"text/event-stream") {
        let read = tokio::time::timeout(Duration::from_secs(60), stream.read(&mut buffer)).await;
        match read.unwrap_or_else(|_| panic!("{}\nis not answered", request.escape_ascii())) {
            Ok(0) | Err(_) => break,
            Ok(read) => answer.extend_from_slice(&buffer[..read]),
        }
    }
    (!answer.is_empty()).then_some(answer)
}

/// Status, content type and body.
fn parsed(answer: &[u8]) -> Option<(u16, &str, &[u8])> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let content_type = head.lines().find_map(|line| line.to_lowercase().starts_with("content-type: ").then(|| &line[14..]));
    Some((status, content_type.unwrap_or_default(), &answer[end + 4..]))
}
