//! Bells ring for the servers whose tasks have changed, and for nobody else.

use loki_domain::{Direction, Entity, LogId, RunId, ServerId, Task, TaskState};
use loki_runner::{Applied, Batch, Projection, State, Target};
use loki_runtime::{Secret, task};
use loki_testing::real::{Running, ZooKeeper};
use loki_wire::{Change, Fact};
use loki_zookeeper::{Bell, Config, Ring, ZooKeeperProjection, dump, service};

use crate::given::Real;
use crate::shared;

fn server(number: u8) -> ServerId {
    ServerId::from_digest(&[number; 32])
}

fn told(offset: u64, number: u8) -> Fact {
    let task = Task {
        run: RunId::MIN,
        server: server(number),
        batch: 0,
        attempt: 1,
        direction: Direction::Forward,
        state: TaskState::Pending,
        step: None,
        message: None,
        told_ms: 0,
        changed_ms: 0,
        signature: None,
    };
    Fact { offset, command: offset, last: true, change: Change::Set(Entity::Task(task)) }
}

fn batch(target: Target, from: u64, items: &[Fact]) -> Batch<'_, Fact> {
    let state = if target == Target::Main { State::Live } else { State::Building };
    Batch { log: log(), target, from, to: from + items.len() as u64, items, state, ended_ms: None }
}

/// A store that is live, and its position.
async fn filled(world: &Real) -> (ZooKeeperProjection, u64) {
    let mut projection = service::projection(&world.config);
    projection.begin_rebuild(log(), 0).await.unwrap();
    let nothing = Batch { to: 5, ..batch(Target::Shadow, 0, &[]) };
    assert_eq!(projection.apply(nothing).await.unwrap(), Applied::Done);
    assert_eq!(projection.finish_rebuild(log(), 5, 1).await.unwrap(), Applied::Done);
    (projection, 5)
}

fn log() -> LogId {
    LogId::from_digest(&[9; 32])
}

async fn is_silent(bell: &mut Bell) -> bool {
    futures::FutureExt::now_or_never(bell.rung()).is_none()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_rings_for_the_servers_of_its_tasks() {
    let world = shared().await;
    let (mut projection, end) = filled(&world).await;
    let before = dump(&world.config).await.unwrap().unwrap().1;
    let (mut one, mut other) = (Bell::new(world.config.clone(), server(1)), Bell::new(world.config.clone(), server(2)));
    assert_eq!((one.rung().await, other.rung().await), (Ring::Again, Ring::Again));

    let items = [told(end, 1), told(end + 1, 3), told(end + 2, 1)];
    assert_eq!(projection.apply(batch(Target::Main, end, &items)).await.unwrap(), Applied::Done);
    assert_eq!(one.rung().await, Ring::Fact(end + 2));
    assert!(is_silent(&mut one).await && is_silent(&mut other).await);
    // refused, and into a generation that is being filled: nobody is rung
    assert_eq!(projection.apply(batch(Target::Main, end, &items)).await.unwrap(), Applied::Refused);
    projection.begin_rebuild(log(), 0).await.unwrap();
    assert_eq!(projection.apply(batch(Target::Shadow, 0, &[told(0, 2)])).await.unwrap(), Applied::Done);
    assert_eq!(projection.apply(batch(Target::Main, end + 3, &[told(end + 3, 1)])).await.unwrap(), Applied::Done);
    assert_eq!(one.rung().await, Ring::Fact(end + 3));
    assert!(is_silent(&mut other).await);
    // bells are no part of the tree
    assert_eq!(dump(&world.config).await.unwrap().unwrap().1, before);
    // somebody has removed them
    let client = world.client().await;
    client.delete(&format!("{}/loki-told/{}", world.config.chroot, bucketed(&client, &world, 1).await), None).await.unwrap();
    assert_eq!(projection.apply(batch(Target::Main, end + 4, &[told(end + 4, 1)])).await.unwrap(), Applied::Done);
    assert_eq!(one.rung().await, Ring::Fact(end + 4));
}

/// `<bucket>/<server>` of a bell.
async fn bucketed(client: &zookeeper::Client, world: &Real, number: u8) -> String {
    let root = format!("{}/loki-told", world.config.chroot);
    for bucket in client.list_children(&root).await.unwrap() {
        let names = client.list_children(&format!("{root}/{bucket}")).await.unwrap();
        if names.contains(&server(number).to_string()) {
            return format!("{bucket}/{}", server(number));
        }
    }
    panic!("it has never rung");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_rung_while_nobody_listens_is_heard_after() {
    let world = shared().await;
    let (mut projection, end) = filled(&world).await;
    let mut bell = Bell::new(world.config.clone(), server(1));
    assert_eq!(bell.rung().await, Ring::Again);
    // a wait that is given up loses nothing
    assert!(is_silent(&mut bell).await);
    for number in 0..3 {
        assert_eq!(projection.apply(batch(Target::Main, end + number, &[told(end + number, 1)])).await.unwrap(), Applied::Done);
    }
    let mut last = 0;
    while last < end + 2 {
        match bell.rung().await {
            Ring::Fact(fact) if fact > last => last = fact,
            other => panic!("{other:?} after f{last}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bell_that_was_away_says_so_and_is_there_again() {
    let mut server_process = task::spawn_blocking("start", || Running::start(&ZooKeeper).unwrap()).await.unwrap();
    let world = Real::new(server_process.address());
    let (mut projection, end) = filled(&world).await;
    let mut bell = Bell::new(world.config.clone(), server(1));
    assert_eq!(bell.rung().await, Ring::Again);
    server_process = task::spawn_blocking("stop", move || {
        server_process.stop().unwrap();
        server_process
    })
    .await
    .unwrap();
    assert!(matches!(bell.rung().await, Ring::Away(_)));
    let restarted = task::spawn_blocking("restart", move || {
        server_process.restart().unwrap();
        server_process
    });
    assert_eq!(bell.rung().await, Ring::Again, "told once that it is away, and then that it is back");
    let _server_process = restarted.await.unwrap();
    loop {
        match projection.apply(batch(Target::Main, end, &[told(end, 1)])).await {
            Ok(applied) => break assert_eq!(applied, Applied::Done),
            Err(_) => task::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
    assert_eq!(bell.rung().await, Ring::Fact(end));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_need_no_password_to_listen_and_cannot_ring() {
    let open = shared().await;
    let world = Real::with(Config { auth: Secret::new("loki:secret"), ..open.config.clone() });
    let (mut projection, end) = filled(&world).await;
    assert_eq!(projection.apply(batch(Target::Main, end, &[told(end, 1)])).await.unwrap(), Applied::Done);
    assert!(dump(&open.config).await.is_err(), "the tree is closed");
    let client = open.client().await;
    let path = format!("{}/loki-told/{}", world.config.chroot, bucketed(&world.client().await, &world, 1).await);
    assert!(client.set_data(&path, b"f9", None).await.is_err());
    let mut bell = Bell::new(open.config.clone(), server(1));
    assert_eq!(bell.rung().await, Ring::Again);
    assert_eq!(projection.apply(batch(Target::Main, end + 1, &[told(end + 1, 1)])).await.unwrap(), Applied::Done);
    assert_eq!(bell.rung().await, Ring::Fact(end + 1));
}
