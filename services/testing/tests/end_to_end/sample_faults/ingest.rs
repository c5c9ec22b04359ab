//! Sends what is given, from several tasks at once, as fast as it is let.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use loki_log::kafka::KafkaLog;
use loki_log::{Log, NewRecord, Partition, Topic};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::given::{Generator, Given, Way};
use super::site::Site;
use crate::api::{Api, PATIENCE};

const SENDERS: usize = 4;

/// Series and instants, in milliseconds.
pub(super) type Instants = BTreeSet<(String, i64)>;

pub(super) struct Ingest {
    /// How many points may be sent by now.
    released: watch::Sender<usize>,
    senders: JoinSet<()>,
    good: Arc<Mutex<Instants>>,
}

struct Sender {
    generator: Arc<Mutex<Generator>>,
    released: watch::Receiver<usize>,
    total: usize,
    good: Arc<Mutex<Instants>>,
    api: Api,
    log: KafkaLog,
    topic: Topic,
}

impl Ingest {
    /// Sends nothing before it is let.
    pub(super) fn start(site: &Site, generator: Generator, total: usize) -> Self {
        let (released, generator) = (watch::Sender::new(0), Arc::new(Mutex::new(generator)));
        let (good, mut senders) = (Arc::default(), JoinSet::new());
        for _ in 0..SENDERS {
            let sender = Sender {
                generator: Arc::clone(&generator),
                released: released.subscribe(),
                total,
                good: Arc::clone(&good),
                api: site.platform.another_client(),
                log: site.log.clone(),
                topic: Topic::new(&site.topics.samples),
            };
            senders.spawn(sender.run());
        }
        Self { released, senders, good }
    }

    /// Lets as many points be sent as make `points` in all.
    pub(super) fn release(&self, points: usize) {
        self.released.send_replace(points);
    }

    /// Waits until everything is sent; the instants that have to be stored, all of them acknowledged.
    pub(super) async fn end(mut self) -> Instants {
        self.release(usize::MAX);
        while let Some(ended) = self.senders.join_next().await {
            ended.unwrap();
        }
        std::mem::take(&mut *self.good.lock().unwrap())
    }
}

impl Sender {
    async fn run(mut self) {
        loop {
            let released = *self.released.borrow_and_update();
            let given = {
                let mut generator = self.generator.lock().unwrap();
                if generator.points >= self.total {
                    return;
                }
                (generator.points < released).then(|| generator.record())
            };
            match given {
                Some(given) => self.send(given).await,
                None => self.released.changed().await.unwrap(),
            }
        }
    }

    /// Returns when it is acknowledged.
    async fn send(&self, given: Given) {
        match given.way {
            Way::Post => self.post(&given).await,
            Way::Append(partition) => {
                let record = NewRecord { value: Some(given.text.into()), ..NewRecord::default() };
                self.log.append(&Partition::new(self.topic.clone(), partition), vec![record]).await.unwrap();
            }
        }
        self.good.lock().unwrap().extend(given.good);
    }

    /// The good points of a request are taken whatever is wrong with the others.
    async fn post(&self, given: &Given) {
        let started = Instant::now();
        loop {
            let why = match self.api.post("/api/put?summary", given.text.clone()).await {
                Ok((200 | 400, answer)) => return assert_eq!(answer["failed"], given.bad, "{answer}"),
                Ok((503, answer)) => answer.to_string(),
                Ok((status, answer)) => panic!("{status} {answer}"),
                Err(error) => error.to_string(),
            };
            assert!(started.elapsed() < PATIENCE, "points are not taken: {why}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
