//! A rebuild that is asked for from outside, and how far it is.

use loki_domain::LogId;
use loki_runner::{Applied, Batch, State, Target};
use loki_zookeeper::contract::World;
use loki_zookeeper::{forget, rebuilding};

use crate::shared;

#[tokio::test]
async fn how_far_a_rebuild_is_can_be_seen() {
    let world = shared().await;
    let log = LogId::MIN;
    let mut projection = world.projection();
    assert_eq!(rebuilding(&world.config).await.unwrap(), None);
    for _ in 0..2 {
        projection.begin_rebuild(log, 0).await.unwrap();
        assert_eq!(rebuilding(&world.config).await.unwrap(), Some(0));
        let batch = Batch { log, target: Target::Shadow, from: 0, to: 7, items: &[], state: State::Building, ended_ms: None };
        assert_eq!(projection.apply(batch).await.unwrap(), Applied::Done);
        assert_eq!(rebuilding(&world.config).await.unwrap(), Some(7));
        assert_eq!(projection.finish_rebuild(log, 7, 1).await.unwrap(), Applied::Done);
        assert_eq!(rebuilding(&world.config).await.unwrap(), None);
        forget(&world.config).await.unwrap();
        assert_eq!(projection.stored().await.unwrap(), None);
    }
}
