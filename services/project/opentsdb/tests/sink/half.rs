//! Half-successes of each kind that OpenTSDB has, a hundred times or more, told over HTTP by a stub: what failed is sent again, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use loki_domain::{Instant, Sample, Series};
use loki_opentsdb::contract::MemoryStore;
use loki_opentsdb::{Found, Newest, OpenTsdb, OpenTsdbConfig, Refused, SeriesStore, Sink, StoreError};
use loki_runtime::{Clock, Shutdown, task};
use loki_testing::proof;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{NOW_MS, World, point};

const TIMES: usize = 100;
const VARIABLE: &str = "LOKI_TEST_HALVES";
const HOSTS: usize = 7;

/// What the answer to a request says of its points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Half {
    /// Names points that are to be sent later.
    Throttled,
    /// The same of HBase, with the status of success.
    Storage,
    /// Names fewer than it says have failed: any of them may have.
    Unnamed,
    /// Some came too late, and it names the wrong ones.
    Late,
    /// About the request as a whole, after a part of it was stored.
    Whole,
    /// It takes fewer points at once.
    TooLarge,
    /// No answer, after a part of it was stored.
    Cut,
}

const HALVES: [Half; 7] = [Half::Throttled, Half::Storage, Half::Unnamed, Half::Late, Half::Whole, Half::TooLarge, Half::Cut];

/// A point by what it is.
type Key = (String, String, i64);

#[derive(Debug, Default)]
struct Book {
    turn: usize,
    happened: BTreeMap<Half, usize>,
    /// To be sent again.
    owed: BTreeSet<Key>,
    stored: BTreeSet<Key>,
    breaches: Vec<String>,
}

/// Puts over HTTP to the stub; what is asked is answered from memory.
struct Stub {
    http: OpenTsdb,
    memory: MemoryStore,
    book: Arc<Mutex<Book>>,
}

#[async_trait]
impl SeriesStore for Stub {
    async fn put(&self, samples: &[Sample]) -> Result<Vec<Refused>, StoreError> {
        self.http.put(samples).await
    }

    async fn find(&self, points: &[(Series, Instant)]) -> Result<Vec<Found>, StoreError> {
        self.memory.find(points).await
    }

    async fn newest(&self, series: &[Series]) -> Result<Vec<Newest>, StoreError> {
        self.memory.newest(series).await
    }
}

impl Stub {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let book: Arc<Mutex<Book>> = Arc::default();
        let of_server = Arc::clone(&book);
        task::spawn("stub", async move {
            while let Ok((stream, _)) = listener.accept().await {
                task::spawn("connection", serve(stream, Arc::clone(&of_server)));
            }
        });
        let http = OpenTsdb::new(OpenTsdbConfig::new([address]), Clock::system()).unwrap();
        Self { http, memory: MemoryStore::default(), book }
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap()
}

/// Requests of one connection, until one is not answered.
async fn serve(mut stream: TcpStream, book: Arc<Mutex<Book>>) {
    let mut bytes = Vec::new();
    while let Some(body) = request(&mut stream, &mut bytes).await {
        let points: Vec<Value> = serde_json::from_slice(&body).unwrap();
        let Some((status, answer)) = lock(&book).take(&points) else { return };
        let answer = answer.to_string();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", answer.len());
        if stream.write_all(format!("{head}{answer}").as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The body of the next request.
async fn request(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
            if bytes.len() >= end + 4 + length {
                let rest = bytes.split_off(end + 4 + length);
                let body = std::mem::replace(bytes, rest).split_off(end + 4);
                return Some(body);
            }
        }
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}

impl Book {
    /// What is stored of a request and what it is answered; `None`: it is not.
    fn take(&mut self, points: &[Value]) -> Option<(u16, Value)> {
        let keys: Vec<Key> = points.iter().map(key).collect();
        for key in &keys {
            if !self.owed.remove(key) && self.stored.contains(key) {
                self.breaches.push(format!("{key:?} was stored, and is sent again"));
            }
        }
        self.turn += 1;
        // every other request succeeds as a whole
        let half = HALVES[self.turn / 2 % HALVES.len()];
        if self.turn % 2 == 1 || points.len() < 2 {
            self.stored.extend(keys);
            return Some((200, json!({ "success": points.len(), "failed": 0, "errors": [] })));
        }
        *self.happened.entry(half).or_default() += 1;
        // another part each time
        let step = 2 + self.turn % 29;
        let (failed, stored): (Vec<usize>, Vec<usize>) = (0..points.len()).partition(|index| index % step == 1);
        self.stored.extend(stored.iter().map(|index| keys[*index].clone()));
        let named =
            |error: &str| -> Vec<Value> { failed.iter().map(|index| json!({ "error": error, "datapoint": points[*index] })).collect() };
        let is_named = matches!(half, Half::Throttled | Half::Storage);
        let is_owed = |index: &usize| !is_named || failed.contains(index);
        self.owed.extend(keys.iter().enumerate().filter(|(index, _)| is_owed(index)).map(|(_, key)| key.clone()));
        let told = |errors: Vec<Value>| json!({ "success": stored.len(), "failed": failed.len(), "errors": errors });
        match half {
            Half::Throttled => Some((400, told(named("Please throttle: the queue is full")))),
            Half::Storage => Some((200, told(named("Storage exception: the region is away")))),
            Half::Unnamed => Some((400, told(named("Storage exception: the region is away").split_off(1)))),
            Half::Late => {
                let first = json!([{ "error": "Write timedout", "datapoint": points[0] }]);
                Some((400, json!({ "success": stored.len(), "failed": 0, "timeouts": failed.len(), "errors": first })))
            }
            Half::Whole => Some((500, json!({ "error": { "code": 500, "message": "the daemon has too little memory" } }))),
            Half::TooLarge => Some((413, json!({ "error": { "code": 413, "message": "the content is too large" } }))),
            Half::Cut => None,
        }
    }
}

fn key(point: &Value) -> Key {
    (point["metric"].as_str().unwrap().to_owned(), point["tags"].to_string(), point["timestamp"].as_i64().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_failed_is_sent_again_and_nothing_else() {
    let times = proof::count(VARIABLE, TIMES);
    let world = World::new().await;
    let stub = Arc::new(Stub::start().await);
    let mut config = world.config.clone();
    config.backoff = (Duration::from_millis(1), Duration::from_millis(2));
    let shutdown = Shutdown::new();
    let sink = Sink::new(stub.clone(), Arc::new(world.log.clone()), config, world.clock.clone(), &world.health);
    let running = task::spawn("sink", sink.run(shutdown.clone()));
    let mut sent = 0;
    let least = |book: &Book| HALVES.iter().map(|half| book.happened.get(half).copied().unwrap_or(0)).min().unwrap_or(0);
    while least(&lock(&stub.book)) < times {
        for host in 0..HOSTS {
            let points: Vec<Sample> =
                (0..60).map(|number| point(&format!("web{host}"), NOW_MS - 100_000 + sent * 60 + number, 1.0)).collect();
            world.send(&points).await;
        }
        sent += 1;
        world.clock.set(NOW_MS + sent * 60);
        // so much at once that batches are full, and no more
        task::sleep(Duration::from_millis(5)).await;
    }
    world.finished().await;
    shutdown.begin();
    running.await.unwrap().unwrap();
    let book = lock(&stub.book);
    assert_eq!((&book.breaches[..], &book.owed), (&[][..], &BTreeSet::new()));
    assert_eq!(book.stored.len(), usize::try_from(sent).unwrap() * 60 * HOSTS, "points are missing");
    let happened: Vec<String> = book.happened.iter().map(|(half, number)| format!("{number} {half:?}")).collect();
    proof::tell("half", &format!("half-successes of a stub of OpenTSDB, exactly what failed sent again: {}", happened.join(", ")));
}
