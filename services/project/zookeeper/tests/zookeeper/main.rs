//! ZooKeeper keeps the promise, and what it does when the server fails.

mod asked;
mod bells;
mod busy;
mod deletion;
mod given;
mod recovery;

use given::Real;
use loki_runtime::task;
use loki_testing::real;
use loki_zookeeper::tree_contract;

async fn shared() -> Real {
    Real::patient(task::spawn_blocking("shared", || real::shared().zookeeper.clone()).await.unwrap())
}

tree_contract!(shared());
