//! One in a hundred is hostile, of records past the API and of requests: nobody ends, nothing stands still, memory stays bounded, good ones arrive, and
//! each bad record is dead once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use loki_core::generate::{Random, Wild};
use loki_log::kafka::{Config, KafkaLog};
use loki_log::{Log, NewRecord, Partition, Topic};
use loki_testing::proof;
use loki_wire::{Envelope, Intake, sample};

use crate::api::{Api, body};
use crate::platform::{Backends, Platform, REMEMBERED_BYTES};
use loki_fuzz::mutated;

/// Hostile ones; there are a hundred times as many good ones.
const HOSTILE: usize = 50;
const SHARE: usize = 100;
const VARIABLE: &str = "LOKI_TEST_HOSTILE";
/// OpenTSDB reads an hour of a series whatever is asked of it: a million points of one series would test nothing else.
const SERIES: usize = 200;
/// No process may ever have had more.
const MEMORY_MAX: u64 = 512 << 20;
const PATIENCE: Duration = Duration::from_secs(600);
const AT_ONCE: usize = 16;

#[tokio::test(flavor = "multi_thread")]
async fn among_good_records_each_bad_one_is_dead_once() {
    let hostile = proof::count(VARIABLE, HOSTILE);
    let backends = Backends::shared();
    let platform = Platform::real(&backends).await;
    let log = KafkaLog::connect(Config::new(&backends.kafka)).unwrap();
    let mut random = Random::new(0x5_0ff);

    let commands = Partition::only(&Topic::new(format!("{}loki.commands", platform.prefix)));
    let (mut dead, mut records, mut offset) = (BTreeSet::new(), Vec::new(), log.bounds(&commands).await.unwrap().end);
    let total = hostile * SHARE;
    for (number, asked) in Wild::new(31).take(total).enumerate() {
        let mut body = body(&asked).to_string().into_bytes();
        if number.is_multiple_of(SHARE) {
            body = mutated(&mut random, &body);
        }
        let value = Some(Bytes::from(body));
        if Envelope::read(value.as_ref(), &[]).and_then(|envelope| Intake::read(&envelope)).is_err() {
            dead.insert(format!("{}/0/{offset}/0", commands.topic));
        }
        records.push(NewRecord { value, ..NewRecord::default() });
        offset += 1;
        if records.len() == 200 || number + 1 == total {
            log.append(&commands, std::mem::take(&mut records)).await.unwrap();
        }
    }

    let begin_ms = now_ms() - total as u64;
    let point = |host: &str, number: usize| {
        let at_ms = begin_ms + number as u64;
        format!(r#"[{{"metric":"hostile.m","timestamp":{at_ms},"value":{number},"tags":{{"host":"{host}"}}}}]"#)
    };
    // of one partition, so that one sink meets all of it
    let partition = home(&platform, &point("h0", 0));
    let is_there = |host: &String| home(&platform, &point(host, 0)) == partition;
    let hosts: Vec<String> = (0..).map(|number| format!("h{number}")).filter(is_there).take(SERIES).collect();
    let mut good = 0;
    for number in 0..total {
        let mut body = point(&hosts[number % SERIES], number);
        if number.is_multiple_of(SHARE) {
            body = String::from_utf8_lossy(&mutated(&mut random, body.as_bytes())).into_owned();
        }
        let value = Some(Bytes::from(body));
        match sample::read(value.as_ref(), &[]) {
            Ok(points) => {
                for (index, point) in points.iter().enumerate() {
                    match point {
                        Ok(_) => good += 1,
                        Err(_) => drop(dead.insert(format!("{}/{}/{number}/{index}", partition.topic, partition.number))),
                    }
                }
            }
            Err(_) => drop(dead.insert(format!("{}/{}/{number}/0", partition.topic, partition.number))),
        }
        records.push(NewRecord { value, ..NewRecord::default() });
        if records.len() == 200 || number + 1 == total {
            log.append(&partition, std::mem::take(&mut records)).await.unwrap();
        }
    }
    platform.api.settled_within(PATIENCE).await;
    platform.verify();
    assert!(dead.len() > hostile && good > total * 9 / 10, "{} are dead, {good} points are good", dead.len());
    // further letters are of good points that contradict each other, or are too old beside one another
    let letters = platform.api.letters().await;
    let missing: Vec<_> = dead.iter().filter(|id| !letters.contains_key(*id)).take(10).collect();
    assert!(missing.is_empty(), "no letters of {missing:?}");
    let mut most = 0;
    for name in ["decider", "mysql", "zookeeper", "redis", "opentsdb"] {
        let peak = platform.peak_memory(name);
        let remembered = if name == "decider" { total as u64 * REMEMBERED_BYTES } else { 0 };
        assert!(peak < MEMORY_MAX + remembered, "`{name}` has had {peak} bytes");
        most = most.max(peak);
    }
    let text = format!(
        "hostile records, one in {SHARE} of {}: {} dead, each once; at most {} MB in any process",
        2 * total,
        dead.len(),
        most >> 20
    );
    proof::tell("hostile_records", &text);
}

/// Where the series of these points belongs.
fn home(platform: &Platform, points: &str) -> Partition {
    let specs = loki_log::declared(&platform.prefix);
    let topic = format!("{}loki.samples", platform.prefix);
    let partitions = specs.iter().find(|declared| declared.spec.name == topic).unwrap().spec.partitions;
    let sample = sample::read(Some(&Bytes::copy_from_slice(points.as_bytes())), &[]).unwrap().remove(0).unwrap();
    Partition::new(Topic::new(topic), sample.series.partition(partitions))
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Good questions; `{}` is the position of a command.
const PATHS: [&str; 10] = [
    "/v1/tree?depth=2",
    "/v1/servers?node=/",
    "/v1/servers?limit=10",
    "/v1/nodes?limit=10",
    "/v1/audit?limit=3",
    "/v1/commands/c{}",
    "/v1/status",
    "/v1/dead?limit=5",
    "/api/suggest?type=metrics&q=h&max=5",
    "/api/query?start=1h-ago&m=sum:hostile.m%7Bhost=h%7D",
];

#[tokio::test(flavor = "multi_thread")]
async fn among_good_requests_bad_ones_are_refused() {
    let hostile = proof::count(VARIABLE, HOSTILE);
    let platform = Platform::embedded().await;
    platform.api.accept("node.create", serde_json::json!({ "path": "/a" })).await;
    // every good question has an answer
    let point = r#"[{"metric":"hostile.m","timestamp":1700000000,"value":1,"tags":{"host":"h"}}]"#;
    assert_eq!(platform.api.post("/api/put", point).await.unwrap().0, 204);
    platform.api.until(PATHS[9], |status, _| status == 200).await;
    let (next, refused, total) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), hostile * SHARE);
    let senders: Vec<_> = (0..AT_ONCE)
        .map(|sender| {
            let (api, next, refused) = (platform.another_client(), Arc::clone(&next), Arc::clone(&refused));
            tokio::spawn(ask(api, Random::new(700 + sender as u64), next, refused, total))
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    let refused = refused.load(Ordering::SeqCst);
    assert!(refused > hostile / 4, "{refused} of {hostile} were refused");
    platform.api.settled().await;
    platform.verify();
    let peak = platform.peak_memory("all");
    assert!(peak < MEMORY_MAX, "it has had {peak} bytes");
    let text = format!(
        "hostile requests, one in {SHARE} of {total}: {refused} refused, none with an error of the server; at most {} MB",
        peak >> 20
    );
    proof::tell("hostile_requests", &text);
}

async fn ask(api: Api, mut random: Random, next: Arc<AtomicUsize>, refused: Arc<AtomicUsize>, total: usize) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= total {
            return;
        }
        let is_hostile = number.is_multiple_of(SHARE);
        let path = random.one(&PATHS).replace("{}", "0");
        let point = format!(r#"[{{"metric":"hostile.m","timestamp":{},"value":1,"tags":{{"host":"h"}}}}]"#, 1_700_000_000 + number);
        let posts = random.chance(40);
        let answer = match (is_hostile, posts) {
            (false, false) => api.get(&path).await,
            (false, true) => api.post("/api/put", point).await,
            (true, false) => api.get(&url(&mutated(&mut random, path.as_bytes()))).await,
            (true, true) => {
                let (to, body) = if random.chance(50) {
                    ("/api/put", point.into_bytes())
                } else {
                    ("/v1/commands", br#"{"type":"node.create","data":{"path":"/a/b"}}"#.to_vec())
                };
                api.post(to, mutated(&mut random, &body)).await
            }
        };
        match answer {
            Ok((status, said)) => {
                assert!(status < 500 || status == 503, "{path} was answered {status} {said}");
                assert!(is_hostile || matches!(status, 200 | 202 | 204), "{path} was answered {status} {said}");
                refused.fetch_add(usize::from(status >= 400), Ordering::Relaxed);
            }
            // what is no URL, or too long, is not sent at all, or the connection is closed before all of it came
            Err(error) => assert!(is_hostile, "{path}: {error}"),
        }
    }
}

/// What a client sends of any bytes: a path, percent-encoded where it has to be.
fn url(bytes: &[u8]) -> String {
    let mut url = String::from("/");
    for byte in bytes.iter().skip(1) {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'?' | b'&' | b'=' | b'-' | b'_' | b'.' | b'%' | b':' => {
                url.push(char::from(*byte))
            }
            other => url.push_str(&format!("%{other:02X}")),
        }
    }
    url
}
