//! Readers who know the truth. A node and a server mounted on it carry a number that only grows; every route that tells of them is asked again and
//! again, and answers with no less than what was acknowledged (where the question says `after`) or shown before the question began, or with 503.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::RwLock;
use tokio::task::JoinHandle;

use crate::api::{Api, PATIENCE};

/// How long a reader rests between two questions.
const REST: Duration = Duration::from_millis(100);

/// Which projection a route reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    State,
    History,
    Tree,
    Live,
}

/// A route that tells of the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Tree,
    ServersOfNode,
    Server,
    Node,
    Audit,
    Diff,
    TreeAt,
}

impl Route {
    const ALL: [Self; 7] = [Self::Tree, Self::ServersOfNode, Self::Server, Self::Node, Self::Audit, Self::Diff, Self::TreeAt];

    pub(crate) fn store(self) -> Store {
        match self {
            Self::Tree => Store::Tree,
            Self::ServersOfNode => Store::Live,
            Self::Server | Self::Node => Store::State,
            Self::Audit | Self::Diff | Self::TreeAt => Store::History,
        }
    }

    fn path(self, told: &Told) -> String {
        let Told { node, server, command_before, command, .. } = told;
        match self {
            Self::Tree => "/v1/tree/always".to_owned(),
            Self::ServersOfNode => "/v1/servers?node=/always".to_owned(),
            Self::Server => "/v1/servers/truth".to_owned(),
            Self::Node => format!("/v1/nodes/{node}"),
            Self::Audit => format!("/v1/audit?limit=1&key=server/{server}"),
            // from the server's number to the node's: what others changed in between is little
            Self::Diff => format!("/v1/history/diff?limit=1000&from={command_before}&to={command}"),
            Self::TreeAt => format!("/v1/tree/always?at={command}"),
        }
    }

    /// With what must have been passed.
    fn after(self, told: &Told) -> String {
        let path = self.path(told);
        let position = if self.store() == Store::History { &told.command } else { &told.fact };
        format!("{path}{}after={position}", if path.contains('?') { '&' } else { '?' })
    }

    /// The number that an answer shows; `None` when what is always there is missing.
    fn number(self, told: &Told, answer: &Value) -> Option<u64> {
        let number = |value: &Value| value["labels"]["n"].as_str()?.parse().ok();
        match self {
            Self::Tree | Self::TreeAt => number(answer).filter(|_| answer["servers"] == 1),
            Self::ServersOfNode => number(&answer["servers"][0]).filter(|_| is_mounted(&answer["servers"][0]["mounts"], "node")),
            // membership rules of the load may have mounted it elsewhere, too
            Self::Server => number(&answer["server"]).filter(|_| is_mounted(&answer["mounts"], "path")),
            Self::Node => number(&answer["node"]).filter(|_| answer["path"] == "/always"),
            // the newest line is that of the server's last change
            Self::Audit => answer["items"][0]["position"].as_str()?.strip_prefix('c')?.parse().ok(),
            Self::Diff => {
                let key = format!("node/{}", told.node);
                let changed = answer["items"].as_array()?.iter().find(|changed| changed["key"] == key.as_str())?;
                let (before, after) = (number(&changed["before"])?, number(&changed["after"])?);
                (before + 1 == after).then_some(after)
            }
        }
    }

    /// The least that may be shown once this was told.
    fn least(self, told: &Told) -> u64 {
        if self == Self::Audit { told.command_before[1..].parse().unwrap() } else { told.number }
    }

    /// A question about a moment of the past has one answer.
    fn is_exact(self) -> bool {
        matches!(self, Self::Diff | Self::TreeAt)
    }
}

/// Whether one of the mounts is the one that is always there.
fn is_mounted(mounts: &Value, field: &str) -> bool {
    mounts.as_array().is_some_and(|mounts| mounts.iter().any(|mount| mount[field] == "/always"))
}

/// What was acknowledged last.
#[derive(Debug, Clone)]
struct Told {
    node: String,
    server: String,
    number: u64,
    /// The server's change, then the node's.
    command_before: String,
    command: String,
    fact: String,
}

/// One route, and what its readers saw.
#[derive(Debug)]
struct Watched {
    route: Route,
    /// The largest number that an answer showed.
    shown: AtomicU64,
    right: AtomicU64,
    refused: AtomicU64,
}

/// The truth, who tells it, and who asks for it.
pub(crate) struct Watch {
    api: Api,
    told: Arc<Mutex<Told>>,
    watched: Vec<Arc<Watched>>,
    done: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Watch {
    /// Makes what is watched and starts to tell and to ask. Whoever holds `quiet` for writing keeps the truth as it is.
    pub(crate) async fn start(api: &Api, quiet: Arc<RwLock<()>>) -> Self {
        let node = api.accept("node.create", json!({ "path": "/always", "labels": { "n": "0" } })).await;
        let server = api.accept("server.register", json!({ "name": "truth", "state": "online", "labels": { "n": "0" } })).await;
        api.accept("server.mount", json!({ "server": "truth", "node": "/always" })).await;
        let id = |outcome: &Value| outcome["facts"][0]["data"]["id"].as_str().unwrap().to_owned();
        let told = tell(api, &id(&node), &id(&server), 1).await;
        let told = Arc::new(Mutex::new(told));
        let done = Arc::new(AtomicBool::new(false));
        let counted = |route| Watched { route, shown: AtomicU64::new(0), right: AtomicU64::new(0), refused: AtomicU64::new(0) };
        let watched: Vec<_> = Route::ALL.into_iter().map(|route| Arc::new(counted(route))).collect();
        let mut tasks = vec![tokio::spawn(keep_telling(api.clone(), told.clone(), done.clone(), quiet))];
        for watched in &watched {
            // a question with `after` is answered late while a store is built: the others go on meanwhile
            for after in [false, true] {
                tasks.push(tokio::spawn(keep_asking(api.clone(), watched.clone(), after, told.clone(), done.clone())));
            }
        }
        Self { api: api.clone(), told, watched, done, tasks }
    }

    /// The number that was acknowledged last.
    pub(crate) fn number(&self) -> u64 {
        self.told.lock().unwrap().number
    }

    /// Waits until so many more were acknowledged: whatever was copied before is older than the truth.
    pub(crate) async fn passes(&self, more: u64) {
        let wanted = self.number() + more;
        self.until("the truth does not go on", || self.number() >= wanted).await;
    }

    /// While nobody can mend them: these routes refuse, every reader, until they are mended.
    pub(crate) async fn refuses(&self, routes: impl Fn(Route) -> bool) {
        let chosen: Vec<_> = self.watched.iter().filter(|watched| routes(watched.route)).collect();
        let before: Vec<u64> = chosen.iter().map(|watched| watched.refused.load(Ordering::SeqCst)).collect();
        for (watched, before) in chosen.iter().zip(before) {
            self.until(&format!("{:?} is still answered", watched.route), || watched.refused.load(Ordering::SeqCst) > before).await;
        }
        let told = self.told.lock().unwrap().clone();
        for watched in &chosen {
            let path = watched.route.path(&told);
            let (status, answer) = self.api.get(&path).await.unwrap();
            assert_eq!(status, 503, "{path}: {answer}");
        }
    }

    /// Every route shows the newest truth again.
    pub(crate) async fn answers(&self) {
        let told = self.told.lock().unwrap().clone();
        for watched in &self.watched {
            let (route, path) = (watched.route, watched.route.after(&told));
            self.api.until(&path, |status, answer| status == 200 && route.number(&told, answer) >= Some(route.least(&told))).await;
        }
    }

    /// Ends it; every route was answered, and was refused at least once.
    pub(crate) async fn end(mut self) {
        self.done.store(true, Ordering::SeqCst);
        for task in std::mem::take(&mut self.tasks) {
            task.await.unwrap();
        }
        for watched in &self.watched {
            let (right, refused) = (watched.right.load(Ordering::SeqCst), watched.refused.load(Ordering::SeqCst));
            assert!(right > 20 && refused > 0, "{:?} was answered {right} times and refused {refused} times", watched.route);
        }
    }

    async fn until(&self, complaint: &str, holds: impl Fn() -> bool) {
        let started = Instant::now();
        while !holds() {
            assert!(self.tasks.iter().all(|task| !task.is_finished()), "a reader saw what is not true");
            assert!(started.elapsed() < PATIENCE, "{complaint}");
            tokio::time::sleep(REST).await;
        }
    }
}

impl Drop for Watch {
    /// A test that has failed takes the platform away from them.
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Gives the server and then the node this number.
async fn tell(api: &Api, node: &str, server: &str, number: u64) -> Told {
    let labels = json!({ "n": number.to_string() });
    let first = api.accept("server.update", json!({ "server": "truth", "labels": labels })).await;
    let second = api.accept("node.set", json!({ "node": "/always", "labels": labels })).await;
    let text = |outcome: &Value, field: &str| outcome[field].as_str().unwrap().to_owned();
    Told {
        node: node.to_owned(),
        server: server.to_owned(),
        number,
        command_before: text(&first, "position"),
        command: text(&second, "position"),
        fact: text(&second, "after"),
    }
}

async fn keep_telling(api: Api, told: Arc<Mutex<Told>>, done: Arc<AtomicBool>, quiet: Arc<RwLock<()>>) {
    while !done.load(Ordering::SeqCst) {
        let going = quiet.read().await;
        let last = told.lock().unwrap().clone();
        let next = tell(&api, &last.node, &last.server, last.number + 1).await;
        *told.lock().unwrap() = next;
        drop(going);
        tokio::time::sleep(REST).await;
    }
}

async fn keep_asking(api: Api, watched: Arc<Watched>, after: bool, told: Arc<Mutex<Told>>, done: Arc<AtomicBool>) {
    let route = watched.route;
    while !done.load(Ordering::SeqCst) {
        let told = told.lock().unwrap().clone();
        // what another reader was shown before this question may not be taken back either
        let shown = watched.shown.load(Ordering::SeqCst);
        let path = if after { route.after(&told) } else { route.path(&told) };
        let least = if after { route.least(&told).max(shown) } else { shown };
        let (status, answer) = match api.get(&path).await {
            Ok(answer) => answer,
            // a machine that stalls is no lie
            Err(error) if error.is_timeout() => continue,
            Err(error) => panic!("{path}: {error:?}"),
        };
        if status == 503 {
            watched.refused.fetch_add(1, Ordering::SeqCst);
        } else {
            assert_eq!(status, 200, "{path}: {answer}");
            let Some(number) = route.number(&told, &answer) else { panic!("{path} misses what is always there: {answer}") };
            if route.is_exact() {
                assert_eq!(number, told.number, "{path}: {answer}");
            } else {
                assert!(number >= least, "{path} shows {number}, {least} was there before: {answer}");
                watched.shown.fetch_max(number, Ordering::SeqCst);
            }
            watched.right.fetch_add(1, Ordering::SeqCst);
        }
        tokio::time::sleep(REST).await;
    }
}
