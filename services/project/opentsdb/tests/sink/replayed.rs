//! `loki rebuild opentsdb`: an emptied store holds again what the log still has.

use std::sync::Arc;

use loki_opentsdb::contract::{Faults, MemoryStore};
use loki_opentsdb::replay;
use loki_runtime::Shutdown;

use crate::given::Generator;
use crate::model::Expected;
use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_store_is_filled_again() {
    let world = World::new().await;
    let mut generator = Generator::new(7);
    for _ in 0..150 {
        world.clock.set(world.clock.now_ms() + generator.chance.below(60_000) as i64);
        let sent = generator.record(world.clock.now_ms());
        world.send_raw(sent.partition, vec![sent.value]).await;
    }
    let expected = Expected::of(&world).await;
    let store = MemoryStore::default();
    store.set(Faults { fails: 100, refuses: 50, ..Faults::default() });
    let (log, shutdown) = (Arc::new(world.log.clone()), Shutdown::new());
    let mut last = None;
    let first = replay(Arc::new(store.clone()), log.clone(), &world.config, |told| last = Some(told), &shutdown).await.unwrap();
    assert_eq!(store.cells(), expected.cells);
    assert_eq!((first.put, first.dead, first.records, first.left), (expected.cells.len() as u64, expected.dead.len() as u64, 150, 0));
    assert_eq!((last, first.since_ms.is_some()), (Some(first), true));
    // there is nothing left to do
    let second = replay(Arc::new(store.clone()), log.clone(), &world.config, |_| {}, &shutdown).await.unwrap();
    assert_eq!((second.put, second.there, second.dead), (0, first.put + first.there, first.dead));
    assert_eq!(store.cells(), expected.cells);
    assert!(world.dead().await.is_empty());
    shutdown.begin();
    assert!(replay(Arc::new(store), log, &world.config, |_| {}, &shutdown).await.is_err());
}
