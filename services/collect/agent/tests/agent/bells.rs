//! A bell takes the place of the question that waits, and only as long as it is there.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use loki_agent::{Bell, Bells, Ring};
use loki_domain::RunId;
use tokio::sync::mpsc;

use crate::agent::{config, free_address, start_with, until};
use crate::stub::{SERVER, Stub};
use crate::tasks::{a_success_is_told, counts, give, lines, script, secret, with_tasks};

struct Rope(mpsc::UnboundedReceiver<Ring>);

#[async_trait]
impl Bell for Rope {
    async fn rung(&mut self) -> Ring {
        match self.0.recv().await {
            Some(ring) => ring,
            None => std::future::pending().await,
        }
    }
}

/// A bell of the stub's server, and what rings it.
fn bell() -> (Bells, mpsc::UnboundedSender<Ring>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let rope = Mutex::new(Some(Rope(receiver)));
    let bells: Bells = Arc::new(move |server| {
        assert_eq!(server.to_string(), SERVER);
        Box::new(rope.lock().unwrap().take().expect("it is made once"))
    });
    (bells, sender)
}

#[tokio::test]
async fn tasks_are_asked_for_when_it_rings() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let counter = folder.path().join("counter");
    let (bells, rope) = bell();
    let (address, _) = stub.listen(free_address()).await;
    let agent = start_with(with_tasks(config(address, &folder.path().join("spool")), folder.path()), Some(bells));
    let asked = |what: &str| {
        let wanted = format!("id:{SERVER}?{what}");
        let stub = stub.clone();
        move || stub.seen().asked_tasks.contains(&wanted)
    };
    until("it waits at the API", asked("seen=f0&wait=30000ms")).await;
    rope.send(Ring::Again).unwrap();
    until("it looks once", asked("")).await;
    let questions = stub.seen().asked_tasks.len();
    give(&stub, &script(RunId::MIN, &counts(&counter)), &secret());
    rope.send(Ring::Fact(7)).unwrap();
    until("it has carried out what it was rung for", || a_success_is_told(&stub)).await;
    assert!(asked("after=f7")());
    assert_eq!((lines(&counter), stub.seen().asked_tasks.len()), (1, questions + 1), "no question was asked in vain");
    // and waits at the API again while it is away
    rope.send(Ring::Away("gone".to_owned())).unwrap();
    until("it waits at the API again", asked("seen=f1&wait=30000ms")).await;
    agent.stop().await;
}
