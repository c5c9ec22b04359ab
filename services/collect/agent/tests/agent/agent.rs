//! One running agent, with rounds so short that a test can wait for several.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use loki_agent::{Agent, Bells, Config, Error};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, Secret, Shutdown, task};
use loki_telemetry::{Component, Health};
pub(crate) use loki_testing::port::free_address;
use tokio::task::JoinHandle;

/// The tests run beside others on a machine that may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Running {
    pub(crate) component: Component,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), Error>>,
}

pub(crate) fn config(api: SocketAddr, folder: &Path) -> Config {
    Config {
        token: Secret::new("sesame"),
        server: Some("web01".to_owned()),
        node: Some("/machines".to_owned()),
        every: Duration::from_millis(50),
        refresh: Duration::from_millis(50),
        timeout: Duration::from_secs(5),
        drain: Duration::from_millis(500),
        ..Config::new(format!("http://{api}"), folder)
    }
}

pub(crate) fn start(config: Config) -> Running {
    start_with(config, None)
}

pub(crate) fn start_with(config: Config, bells: Option<Bells>) -> Running {
    let (component, shutdown) = (Health::new().component("agent"), Shutdown::new());
    let watch = Stopwatch::start();
    let agent = loop {
        match Agent::new(config.clone(), component.clone(), Clock::system()) {
            // a write of the one that was killed is still under way in this very process
            Err(Error::SpoolTaken { .. }) if watch.elapsed() < PATIENCE => std::thread::yield_now(),
            agent => break agent.unwrap(),
        }
    };
    assert_eq!(agent.server(), "web01");
    let agent = match bells {
        Some(bells) => agent.with_bells(bells),
        None => agent,
    };
    Running { component, task: task::spawn("agent", agent.run(shutdown.clone())), shutdown }
}

impl Running {
    pub(crate) async fn stop(self) {
        self.shutdown.begin();
        task::timeout(PATIENCE, self.task).await.expect("it stops").unwrap().unwrap();
    }

    /// As a killed process: nothing more is done.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.is_err_and(|error| error.is_cancelled()));
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
