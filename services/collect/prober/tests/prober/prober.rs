//! One running prober, with periods so short that a test can wait for several.

use std::time::Duration;

use loki_prober::{Config, Error, Fixed, Prober};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, Secret, Shutdown, task};
use loki_telemetry::{Component, Health};
use tokio::task::JoinHandle;

/// The tests run beside others on a machine that may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Running {
    pub(crate) component: Component,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), Error>>,
}

pub(crate) fn config(api: &str) -> Config {
    Config {
        token: Secret::new("sesame"),
        vantage: Some("here".to_owned()),
        every: Duration::from_secs(1),
        refresh: Duration::from_millis(100),
        drain: Duration::from_secs(5),
        ..Config::new(api)
    }
}

/// Only these targets, and none of the API's.
pub(crate) fn fixed(api: &str, urls: impl IntoIterator<Item = String>) -> Config {
    Config { node: None, fixed: urls.into_iter().map(Fixed::own).collect(), ..config(api) }
}

pub(crate) fn start(config: Config) -> Running {
    let (component, shutdown) = (Health::new().component("prober"), Shutdown::new());
    let prober = Prober::new(config, component.clone(), Clock::system()).unwrap();
    assert_eq!(prober.vantage(), "here");
    Running { component, task: task::spawn("prober", prober.run(shutdown.clone())), shutdown }
}

impl Running {
    pub(crate) async fn stop(self) {
        self.shutdown.begin();
        task::timeout(PATIENCE, self.task).await.expect("it stops").unwrap().unwrap();
    }

    pub(crate) async fn is_ready(&self) {
        until("ready", || self.component.why_not().is_none()).await;
    }

    pub(crate) async fn is_not_ready_for(&self, reason: &str) {
        until(reason, || self.component.why_not().is_some_and(|why| why.contains(reason))).await;
    }
}

pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let watch = Stopwatch::start();
    while !is_so() {
        assert!(watch.elapsed() < PATIENCE, "not in time: {what}");
        task::sleep(Duration::from_millis(5)).await;
    }
}
