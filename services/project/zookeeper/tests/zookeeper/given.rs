//! A store in ZooKeeper under a chroot of its own.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use loki_runner::{Projection, Stored};
use loki_runtime::Shutdown;
use loki_telemetry::Health;
use loki_wire::Fact;
use loki_zookeeper::contract::World;
use loki_zookeeper::{Config, TreeReader, dump, service};
use zookeeper::{Client, Error};

pub(crate) struct Real {
    pub(crate) config: Config,
    shutdown: Shutdown,
}

impl Real {
    /// For servers that go away, which is told after ten seconds at most; a machine may stall for less.
    pub(crate) fn new(servers: impl Into<String>) -> Self {
        let chroot = loki_testing::real::zookeeper_chroot();
        let (session_timeout, operation_timeout) = (Duration::from_secs(30), Duration::from_secs(10));
        Self::with(Config { chroot, session_timeout, operation_timeout, ..Config::new(servers) })
    }

    /// For servers that stay: no limit that a machine which stalls for some seconds could reach.
    pub(crate) fn patient(servers: impl Into<String>) -> Self {
        let mut world = Self::new(servers);
        (world.config.operation_timeout, world.config.settle) = (Duration::from_secs(30), Duration::from_secs(10));
        world
    }

    pub(crate) fn with(config: Config) -> Self {
        Self { config, shutdown: Shutdown::new() }
    }

    /// The path of something under the root.
    pub(crate) fn path(&self, under: &str) -> String {
        format!("{}/loki/{under}", self.config.chroot)
    }

    pub(crate) async fn client(&self) -> Client {
        let Config { servers, session_timeout, operation_timeout, .. } = &self.config;
        let connector = Client::connector().with_session_timeout(*session_timeout).with_connection_timeout(*operation_timeout);
        connector.connect(servers).await.unwrap()
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        self.shutdown.begin();
    }
}

#[async_trait]
impl World for Real {
    fn projection(&self) -> Box<dyn Projection<Item = Fact>> {
        Box::new(service::projection(&self.config))
    }

    async fn reader(&self) -> Arc<dyn TreeReader> {
        Arc::new(service::reader(&self.config, &self.shutdown, Health::new().component("tree")))
    }

    async fn dump(&self) -> Option<(Stored, Vec<String>)> {
        dump(&self.config).await.unwrap()
    }

    async fn empty(&self) {
        delete_all(&self.client().await, &format!("{}/loki", self.config.chroot)).await;
    }
}

/// `deleteall`, children first; others may delete as well.
pub(crate) async fn delete_all(client: &Client, path: &str) {
    let mut open = vec![path.to_owned()];
    while let Some(path) = open.last().cloned() {
        match client.delete(&path, None).await {
            Ok(()) | Err(Error::NoNode) => drop(open.pop()),
            Err(Error::NotEmpty) => {
                let children = client.list_children(&path).await.unwrap_or_default();
                open.extend(children.into_iter().map(|name| format!("{path}/{name}")));
            }
            Err(error) => panic!("cannot delete `{path}`: {error}"),
        }
    }
}
