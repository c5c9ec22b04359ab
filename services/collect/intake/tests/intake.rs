//! Both ways into the log, on an embedded one: what is answered, and what lies in the log afterwards.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use loki_intake::telnet::Config;
use loki_intake::{Answer, Intake, Put, Telnet};
use loki_log::sqlite::{Options, SqliteLog};
use loki_log::{Log, Partition, Topic, TopicSpec};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Shutdown, task};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const PARTITIONS: u32 = 4;
const BODY_MAX: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

struct Given {
    log: SqliteLog,
    topic: Topic,
    intake: Intake,
    _directory: tempfile::TempDir,
}

impl Given {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = SqliteLog::open(Options::new(directory.path())).await.unwrap();
        let spec = TopicSpec::new("samples", PARTITIONS);
        log.reconcile_topics(&[spec], true).await.unwrap();
        let topic = Topic::new("samples");
        let intake = Intake::new(Arc::new(log.clone()), topic.clone(), PARTITIONS);
        Self { log, topic, intake, _directory: directory }
    }

    /// All points, each in its partition, sorted.
    async fn points(&self) -> Vec<String> {
        let mut points = Vec::new();
        for number in 0..PARTITIONS {
            let partition = Partition::new(self.topic.clone(), number);
            let end = self.log.bounds(&partition).await.unwrap().end;
            let mut reader = self.log.reader(&partition, 0).await.unwrap();
            while reader.position() < end {
                for record in reader.read(100, Duration::from_secs(5)).await.unwrap().records {
                    for sample in loki_wire::sample::read(record.value.as_ref(), &record.headers).unwrap() {
                        let sample = sample.unwrap();
                        assert_eq!(sample.series.partition(PARTITIONS), number);
                        points.push(format!("{} {} {}", sample.series, sample.at, sample.value));
                    }
                }
            }
        }
        points.sort();
        points
    }

    async fn put(&self, put: Put) -> Answer {
        put.run(&self.intake, BODY_MAX).await.unwrap()
    }
}

fn body(json: &Value) -> Put {
    Put { body: Bytes::from(json.to_string()), ..Put::default() }
}

fn gzip(text: &str) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    Bytes::from(encoder.finish().unwrap())
}

fn point(host: &str, value: impl Into<Value>) -> Value {
    json!({ "metric": "m", "timestamp": 1_700_000_000, "value": value.into(), "tags": { "host": host } })
}

#[tokio::test]
async fn one_point_a_list_and_gzip() {
    let given = Given::new().await;
    let nothing = Answer { status: 204, body: None };
    assert_eq!(given.put(body(&point("a", 1))).await, nothing);
    assert_eq!(given.put(body(&json!([point("b", 1.5), point("c", "2e3")]))).await, nothing);
    // as Telegraf writes it: a list with line breaks, gzip
    let text = format!("[{}\n,{}]", point("d", 1), point("e", 2));
    assert_eq!(given.put(Put { body: gzip(&text), ..Put::default() }).await, nothing);
    let counted = Put { summary: true, ..body(&point("f", 1)) };
    assert_eq!(given.put(counted).await, Answer { status: 200, body: Some(json!({ "success": 1, "failed": 0 })) });
    let detailed = Put { details: true, timeouts: true, ..body(&point("g", 1)) };
    assert_eq!(given.put(detailed).await.body, Some(json!({ "success": 1, "failed": 0, "timeouts": 0, "errors": [] })));
    let values = ["a 1.0", "b 1.5", "c 2000.0", "d 1.0", "e 2.0", "f 1.0", "g 1.0"];
    let wanted: Vec<String> = values
        .iter()
        .map(|pair| pair.split_once(' ').unwrap())
        .map(|(host, value)| format!("m{{host={host}}} 1700000000 {value}"))
        .collect();
    assert_eq!(given.points().await, wanted);
}

#[tokio::test]
async fn a_bad_point_takes_no_other_with_it() {
    let given = Given::new().await;
    let list = json!([point("a", 1), { "metric": "m", "timestamp": "1700000000", "value": "x", "tags": { "host": "b" }, "later": 1 }, null, point("c", 3)]);
    let answer = given.put(body(&list)).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.body.unwrap()["error"]["message"], "One or more data points had errors");
    let answer = given.put(Put { details: true, ..body(&list) }).await;
    let errors = json!([
        {
            "error": "Unable to parse value to a number",
            "datapoint": { "metric": "m", "timestamp": 1_700_000_000, "value": "x", "tags": { "host": "b" } },
        },
        { "error": "Unexpected null datapoint encountered in set.", "datapoint": null },
    ]);
    assert_eq!(answer, Answer { status: 400, body: Some(json!({ "success": 2, "failed": 2, "errors": errors })) });
    assert_eq!(given.points().await.len(), 4, "the good ones, twice");
}

#[tokio::test]
async fn a_body_that_is_none_is_refused_as_a_whole() {
    let given = Given::new().await;
    for (text, status, message) in [
        ("", 400, "Missing request content"),
        ("  ", 400, "Missing request content"),
        ("m 1 2", 400, "The JSON must start as an object or an array"),
        ("[]", 400, "No datapoints found in content"),
        ("{", 400, "Unable to parse the given JSON"),
        ("[{}] x", 400, "Unable to parse the given JSON"),
        (r#"{"metric":{},"timestamp":1,"value":1,"tags":{"a":"b"}}"#, 400, "Unable to parse the given JSON"),
        (r#"{"metric":"m","timestamp":"soon","value":1,"tags":{"a":"b"}}"#, 400, "Unable to parse the given JSON"),
        (r#"{"metric":"m","timestamp":1,"value":1,"tags":["a"]}"#, 400, "Unable to parse the given JSON"),
    ] {
        let answer = given.put(Put { body: Bytes::from(text), details: true, ..Put::default() }).await;
        let body = answer.body.unwrap();
        assert_eq!((answer.status, body["error"]["message"].as_str().unwrap()), (status, message), "{text}");
        assert_eq!(body["error"]["code"], status);
    }
    let bomb = gzip(&" ".repeat(BODY_MAX + 1));
    assert!(bomb.len() < 10_000);
    assert_eq!(given.put(Put { body: bomb, ..Put::default() }).await.status, 413);
    let torn = gzip(&point("a", 1).to_string());
    assert_eq!(given.put(Put { body: torn.slice(..torn.len() - 9), ..Put::default() }).await.status, 400);
    assert!(given.points().await.is_empty());
}

#[tokio::test]
async fn a_log_that_is_away_is_no_answer() {
    let given = Given::new().await;
    given.log.clone().close().await;
    assert!(body(&point("a", 1)).run(&given.intake, BODY_MAX).await.is_err());
}

struct Listener {
    address: std::net::SocketAddr,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), loki_intake::Error>>,
}

impl Listener {
    async fn start(given: &Given, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new("127.0.0.1:0".parse().unwrap());
        change(&mut config);
        let telnet = Telnet::bind(config, given.intake.clone()).await.unwrap();
        let (address, shutdown) = (telnet.address().unwrap(), Shutdown::new());
        Self { address, task: task::spawn("telnet", telnet.run(shutdown.clone())), shutdown }
    }

    async fn connect(&self) -> BufReader<TcpStream> {
        BufReader::new(TcpStream::connect(self.address).await.unwrap())
    }

    async fn stop(self) {
        self.shutdown.begin();
        task::timeout(PATIENCE, self.task).await.expect("it ends").unwrap().unwrap();
    }
}

async fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut text = String::new();
    task::timeout(PATIENCE, stream.read_line(&mut text)).await.expect("a line").unwrap();
    text
}

#[tokio::test]
async fn telnet_is_silent_when_all_is_well() {
    let given = Given::new().await;
    let listener = Listener::start(&given, |_| {}).await;
    let mut stream = listener.connect().await;
    // in pieces that end in the middle of lines
    for piece in ["put m 1700000000 1 host=a  idc=bj\npu", "t m 1700000000 ", "2 host=b\r\n\nver", "sion\n"] {
        stream.write_all(piece.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
    // the answer to what came after them is the first
    assert!(line(&mut stream).await.contains("2.4.1"));
    stream.write_all(b"put m 1700000000 x host=c\nput m 1700000000 3 host=c\nstats\nexit\n").await.unwrap();
    assert_eq!(line(&mut stream).await, "put: invalid value: Invalid character 'x' in x\n");
    assert_eq!(line(&mut stream).await, "unknown command: stats.  Try `help'.\n");
    assert_eq!(line(&mut stream).await, "", "it is closed");
    let points = given.points().await;
    assert_eq!(points, ["m{host=a,idc=bj} 1700000000 1.0", "m{host=b} 1700000000 2.0", "m{host=c} 1700000000 3.0"]);
    listener.stop().await;
}

#[tokio::test]
async fn the_last_line_needs_no_end_and_a_long_one_no_memory() {
    let given = Given::new().await;
    let listener = Listener::start(&given, |_| {}).await;
    let mut stream = listener.connect().await;
    let long = "x".repeat(300_000);
    stream.write_all(format!("put m 1700000000 1 host={long}\nput m 1700000000 1 host=a").as_bytes()).await.unwrap();
    stream.get_mut().shutdown().await.unwrap();
    let mut answers = String::new();
    task::timeout(PATIENCE, stream.read_to_string(&mut answers)).await.expect("it is closed").unwrap();
    assert_eq!(answers, "error: a line has at most 1024 bytes\n");
    assert_eq!(given.points().await, ["m{host=a} 1700000000 1.0"]);
    listener.stop().await;
}

#[tokio::test]
async fn connections_are_bounded_and_idle_ones_go() {
    let given = Given::new().await;
    let listener = Listener::start(&given, |config| config.connections_max = 1).await;
    let mut first = listener.connect().await;
    first.write_all(b"version\n").await.unwrap();
    line(&mut first).await;
    let mut second = listener.connect().await;
    assert!(line(&mut second).await.contains("telnet.connections_max"));
    assert_eq!(line(&mut second).await, "");
    drop(first);
    // its place is free some time after
    let watch = Stopwatch::start();
    loop {
        let mut next = listener.connect().await;
        next.write_all(b"version\n").await.unwrap();
        if line(&mut next).await.contains("2.4.1") {
            break;
        }
        assert!(watch.elapsed() < PATIENCE);
    }
    listener.stop().await;
    let listener = Listener::start(&given, |config| config.idle = Duration::from_millis(50)).await;
    assert_eq!(line(&mut listener.connect().await).await, "", "an idle one is closed");
    listener.stop().await;
}

#[tokio::test]
async fn points_that_the_log_does_not_take_are_told() {
    let given = Given::new().await;
    let listener = Listener::start(&given, |config| config.patience = Duration::from_millis(100)).await;
    let mut stream = listener.connect().await;
    given.log.clone().close().await;
    stream.write_all(b"put m 1700000000 1 host=a\nput m 1700000000 1 host=b\n").await.unwrap();
    assert!(line(&mut stream).await.starts_with("put: 2 points were not taken: "));
    listener.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_told_at_once() {
    let given = Given::new().await;
    let listener = Listener::start(&given, |_| {}).await;
    let error = Telnet::bind(Config::new(listener.address), given.intake.clone()).await.err().unwrap();
    assert!(error.to_string().contains("`telnet.listen`"), "{error}");
    listener.stop().await;
}
