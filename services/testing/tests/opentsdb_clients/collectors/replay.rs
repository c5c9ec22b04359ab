//! What was recorded, sent again.

use bytes::Bytes;
use loki_domain::sample::{Instant, Value};
use loki_domain::{Sample, Series, Tags};
use loki_intake::{Answer, Put};
use loki_runtime::task;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::given::{Given, Listener, PATIENCE};
use super::recorded::{self, Recorded};
use crate::grafana::{difference, found_tags, groups_by_instant, names};
use crate::sides::{Question, Sides};

const BODY_MAX: usize = 1 << 20;
const NOTHING: Answer = Answer { status: 204, body: None };

async fn put(given: &Given, request: &Recorded) -> Answer {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    assert_eq!((request.method.as_str(), path), ("POST", "/api/put"));
    let has = |name: &str| query.split('&').any(|part| part.split('=').next() == Some(name));
    let put = Put { body: request.body.clone(), details: has("details"), summary: has("summary"), timeouts: has("sync_timeout") };
    put.run(&given.intake, BODY_MAX).await.unwrap()
}

/// What the listener answers to these lines; a collector that is well sees nothing.
async fn send(given: &Given, lines: &str) -> String {
    let listener = Listener::start(given).await;
    let mut stream = TcpStream::connect(listener.address).await.unwrap();
    stream.write_all(lines.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answers = String::new();
    task::timeout(PATIENCE, stream.read_to_string(&mut answers)).await.expect("it is closed").unwrap();
    listener.stop().await;
    answers
}

#[tokio::test]
async fn telegraf_posts_a_list_with_line_breaks_in_gzip() {
    let given = Given::new().await;
    for request in recorded::requests("telegraf-put.http") {
        assert_eq!(request.header("Content-Encoding"), Some("gzip"));
        assert_eq!(put(&given, &request).await, NOTHING);
    }
    let wanted = [
        "mem_total{host=tg_host_1,idc=bj} 1795675992 25276063744.0",
        "mem_used_percent{host=tg_host_1,idc=bj} 1795675992 7.920463646066045",
        "system_load1{host=tg_host_1,idc=bj} 1795675992 3.81",
        "system_n_cpus{host=tg_host_1,idc=bj} 1795675992 2.0",
    ];
    assert_eq!(given.points().await, wanted);
}

#[tokio::test]
async fn telegraf_writes_lines() {
    let given = Given::new().await;
    assert_eq!(send(&given, &recorded::lines("telegraf-telnet.txt")).await, "");
    let wanted = [
        "mem_total{host=tg_host_1,idc=bj} 1795676424 25276063744.0",
        "mem_used_percent{host=tg_host_1,idc=bj} 1795676424 11.092814",
        "system_load1{host=tg_host_1,idc=bj} 1795676424 5.13",
        "system_n_cpus{host=tg_host_1,idc=bj} 1795676424 2.0",
    ];
    assert_eq!(given.points().await, wanted);
}

#[tokio::test]
async fn potsdb_writes_lines() {
    let given = Given::new().await;
    assert_eq!(send(&given, &recorded::lines("potsdb.txt")).await, "");
    assert_eq!(given.points().await, ["test.pot{extratag1=a,host=vm} 1795676353 5.0", "test.pot{extratag1=b,host=vm} 1795675000 6.25"]);
}

#[tokio::test]
async fn opentsdb_client_asks_for_details_and_does_not_say_that_it_is_json() {
    let given = Given::new().await;
    for request in recorded::requests("opentsdb-client.http") {
        assert_eq!((request.header("Content-Type"), request.header("Content-Encoding")), (None, Some("gzip")));
        let taken = json!({ "success": 1, "failed": 0, "errors": [] });
        assert_eq!(put(&given, &request).await, Answer { status: 200, body: Some(taken) });
    }
    let wanted = ["shop.orders{host=web01,idc=bj} 1795676437 5.0", "shop.revenue{host=web01,idc=bj} 1795676437 12.5"];
    assert_eq!(given.points().await, wanted);
}

/// By hand: spaces in runs and at the end, a single object, milliseconds, and `version` first as tcollector does.
#[tokio::test]
async fn forms_that_the_recorded_ones_do_not_have() {
    let given = Given::new().await;
    let answered =
        send(&given, "version\nput  load.1m   1795676353  1.5   host=a   idc=bj  \r\nput load.1m 1795676353123 2 host=a\n").await;
    assert!(answered.contains("2.4.1") && answered.lines().count() < 4, "{answered}");
    let body = Bytes::from_static(br#"{"metric":"load.1m","timestamp":1795676354,"value":"3","tags":{"host":"a"}}"#);
    assert_eq!(Put { body, ..Put::default() }.run(&given.intake, BODY_MAX).await.unwrap(), NOTHING);
    let wanted = ["load.1m{host=a,idc=bj} 1795676353 1.5", "load.1m{host=a} 1795676353123 2.0", "load.1m{host=a} 1795676354 3.0"];
    assert_eq!(given.points().await, wanted);
}

/// It lists metrics, then series, then asks for the points of each, with braces that are not encoded. Its metric gets a name of this test's own.
#[tokio::test(flavor = "multi_thread")]
async fn vmctl_reads_what_it_reads_from_opentsdb() {
    let sides = Sides::start();
    let metric = format!("{}cpu.usage", sides.prefix());
    let requests = recorded::requests("vmctl.http");
    let question = |request: &Recorded| {
        assert_eq!(request.method, "GET");
        let target = request.target.replace("cpu.usage", &metric).replace("&q=c&", &format!("&q={}c&", sides.prefix()));
        assert!(target.contains(sides.prefix()), "{target}");
        Question::get(target)
    };
    let [suggest, lookup, query] = requests.iter().map(question).collect::<Vec<_>>().try_into().expect("one request of each kind");
    assert!(query.target.ends_with("{host=h1}"), "{query:?}");

    let series = |host: &str| Series::new(metric.parse().unwrap(), Tags::new([("host", host)]).unwrap());
    let point =
        |host, at: i64| Sample { series: series(host), at: Instant::new(at).unwrap(), value: Value::new((at % 97) as f64 / 7.0).unwrap() };
    let at = (1_795_596_000..1_795_600_400).step_by(25);
    sides.put(&at.flat_map(|at| [point("h1", at), point("h2", at)]).collect::<Vec<_>>()).await;

    assert!(sides.agree(&suggest, &names).await.iter().eq([&metric]));
    assert_eq!(sides.agree(&lookup, &found_tags).await.len(), 2);
    let (ours, theirs) = sides.ask(&query, &|body| groups_by_instant(body, 1_000)).await;
    assert_eq!(difference(&ours, &theirs), None);
    let [group] = &ours[..] else { panic!("{ours:?}") };
    assert_eq!((group.tags["host"].as_str(), group.points.len()), ("h1", 60));
}
