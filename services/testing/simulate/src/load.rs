//! Who sends commands and samples: each is sent again until it is acknowledged, as every sender does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use loki_core::generate::{Asked, Random, Wild};
use loki_domain::series::Tags;
use loki_domain::{Instant, Sample, Series, Value};
use loki_log::{Log, NewRecord, Partition, Topic};
use loki_runtime::task;
use loki_wire::{Envelope, command, sample};

use crate::world::{PARTITIONS, World};

const SERIES: usize = 12;

/// What was sent and acknowledged.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
pub(crate) struct Book {
    /// Actor and id of each command.
    pub(crate) commands: Vec<(String, String)>,
    pub(crate) points: Vec<Sample>,
    /// Sent, and not acknowledged yet.
    pub(crate) under_way: usize,
}

impl Ledger {
    /// What was acknowledged after so many commands is lost, and nobody is to blame.
    pub(crate) fn forget_commands(&self, after: usize) {
        self.book().commands.truncate(after);
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Load {
    random: Random,
    commands: Wild,
    series: Vec<Series>,
    /// The newest instant of each series, in seconds.
    newest: BTreeMap<usize, i64>,
    pub(crate) ledger: Ledger,
}

impl Load {
    pub(crate) fn new(seed: u64) -> Self {
        let series = |number: usize| {
            let host = format!("h{number}");
            let tags = Tags::new([("host", host.as_str())]).expect("a tag");
            Series::new(if number.is_multiple_of(2) { "host.up" } else { "m" }.parse().expect("a metric"), tags)
        };
        Self {
            random: Random::new(seed ^ 0x10ad),
            commands: Wild::new(seed),
            series: (0..SERIES).map(series).collect(),
            newest: BTreeMap::new(),
            ledger: Ledger::default(),
        }
    }

    /// Sends some commands in one record each.
    pub(crate) fn send_commands(&mut self, world: &World) {
        let number = 1 + self.random.below(4);
        let asked: Vec<Asked> = self.commands.by_ref().take(number).collect();
        let records: Vec<NewRecord> = if self.random.chance(3) { vec![bare("{\"no\": json")] } else { asked.iter().map(record).collect() };
        let names = asked.into_iter().map(|asked| (asked.actor, asked.id)).collect::<Vec<_>>();
        let is_bad = records.len() == 1 && records[0].headers.is_empty();
        self.send(world, World::only(&world.topics.commands), records, move |book| {
            if !is_bad {
                book.commands.extend(names);
            }
        });
    }

    /// Sends a record of points: most of them new, some late, repeated or in contradiction.
    pub(crate) fn send_points(&mut self, world: &World) {
        let now_s = world.clock.now_ms() / 1_000;
        let mut by_partition: BTreeMap<u32, Vec<Sample>> = BTreeMap::new();
        for _ in 0..1 + self.random.below(12) {
            let number = self.random.below(self.series.len());
            let newest = self.newest.entry(number).or_insert(now_s - 100);
            let second = if self.random.chance(70) {
                *newest = (*newest + 1 + self.random.below(5) as i64).min(now_s);
                *newest
            } else {
                *newest - self.random.below(60) as i64
            };
            let series = self.series[number].clone();
            let (at, value) = (Instant::new(second).expect("a time"), Value::new(self.random.below(3) as f64).expect("a value"));
            by_partition.entry(series.partition(PARTITIONS)).or_default().push(Sample { series, at, value });
        }
        for (number, samples) in by_partition {
            let (value, headers) = sample::write(&samples);
            let record = NewRecord { key: None, value: Some(value), headers, timestamp_ms: None };
            let partition = Partition::new(Topic::new(&world.topics.samples), number);
            self.send(world, partition, vec![record], move |book| book.points.extend(samples));
        }
    }

    fn send(&self, world: &World, to: Partition, records: Vec<NewRecord>, note: impl FnOnce(&mut Book) + Send + 'static) {
        let (log, ledger): (Arc<dyn Log>, _) = (world.seen.clone(), self.ledger.clone());
        ledger.book().under_way += 1;
        task::spawn("sender", async move {
            while log.append(&to, records.clone()).await.is_err() {
                task::sleep(Duration::from_millis(300)).await;
            }
            let mut book = ledger.book();
            book.under_way -= 1;
            note(&mut book);
        });
    }
}

fn record(asked: &Asked) -> NewRecord {
    let mut envelope = Envelope::new(asked.command.type_name(), command::write(&asked.command));
    envelope.id = Some(asked.id.clone());
    envelope.actor = asked.actor.clone();
    NewRecord { key: None, value: Some(envelope.data.clone()), headers: envelope.headers(), timestamp_ms: None }
}

fn bare(text: &'static str) -> NewRecord {
    NewRecord { value: Some(Bytes::from_static(text.as_bytes())), ..NewRecord::default() }
}
