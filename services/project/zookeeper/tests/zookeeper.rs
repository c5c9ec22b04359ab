//! ZooKeeper keeps the promise.

use std::sync::Arc;

use async_trait::async_trait;
use loki_runner::{Projection, Stored};
use loki_runtime::{Shutdown, task};
use loki_telemetry::Health;
use loki_testing::real;
use loki_wire::Fact;
use loki_zookeeper::contract::World;
use loki_zookeeper::{Config, TreeReader, dump, service, tree_contract};
use zookeeper::{Client, Error};

struct Real {
    config: Config,
    shutdown: Shutdown,
}

impl Real {
    async fn new() -> Self {
        let servers = task::spawn_blocking("shared", || real::shared().zookeeper.clone()).await.unwrap();
        Self { config: Config { chroot: real::zookeeper_chroot(), ..Config::new(servers) }, shutdown: Shutdown::new() }
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
        let client = Client::connect(&self.config.servers).await.unwrap();
        delete_all(&client, &format!("{}/loki", self.config.chroot)).await;
    }
}

/// `deleteall`, children first; others may delete as well.
async fn delete_all(client: &Client, path: &str) {
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

tree_contract!(Real::new());
