//! The writing end: a script for each step of the loop.

use async_trait::async_trait;
use loki_domain::LogId;
use loki_runner::{Applied, Batch, Projection, RunnerConfig, StoreError, Stored, Target};
use loki_runtime::Clock;
use loki_runtime::clock::Stopwatch;
use loki_wire::Fact;

use super::changes;
use super::mark::Told;
use super::scripts::{APPLY, BEGIN, FINISH, PLACE, about};
use crate::config::Config;
use crate::connection::Connection;
use crate::error::Error;
use crate::keys::FactKeys;
use crate::metrics;

/// How often a call is repeated for a generation that took another one's place meanwhile.
const TRIES: usize = 5;

/// What scripts answer that write.
const DONE: i64 = 1;
const REFUSED: i64 = 0;

/// Fills the store. It keeps nothing but the numbers of generations.
#[derive(Debug)]
pub struct RedisProjection {
    connection: Connection,
    keys: FactKeys,
    clock: Clock,
    main: Option<u64>,
    shadow: Option<u64>,
    asked: bool,
}

/// The loop's settings with steps of this store's size: a thousand facts take it some ten milliseconds, and nobody else is served meanwhile.
pub fn sized(config: RunnerConfig) -> RunnerConfig {
    RunnerConfig { batch_records_max: 500, rebuild_records_max: 1_000, batch_bytes_max: 1 << 20, ..config }
}

impl RedisProjection {
    /// Connects when it is first used.
    pub fn new(config: &Config, clock: Clock) -> Result<Self, Error> {
        let (connection, keys) = (Connection::new(config)?, FactKeys::new(&config.prefix));
        Ok(Self { connection, keys, clock, main: None, shadow: None, asked: false })
    }

    /// The number of the main generation.
    async fn learn(&mut self) -> Result<Option<u64>, Error> {
        if self.main.is_none() {
            self.main = self.connection.number(&self.keys.main).await?;
        }
        Ok(self.main)
    }

    async fn place(&mut self) -> Result<Option<Stored>, Error> {
        for _ in 0..TRIES {
            let Some(main) = self.learn().await? else { return Ok(None) };
            let call = about(&PLACE, &self.keys.main, &self.keys, main);
            match Told::read(self.connection.read(&call).await?)? {
                Told::Is(mark, _) => {
                    self.asked = mark.asked;
                    return Ok(Some(mark.stored));
                }
                Told::Empty | Told::Large => {
                    tracing::warn!(generation = main, "the store lacks a part, which somebody else has deleted: it counts as empty");
                    return Ok(None);
                }
                Told::Moved => self.main = None,
            }
        }
        Err(Error::Away("its main generation is replaced again and again".to_owned()))
    }

    async fn write(&mut self, batch: &Batch<'_, Fact>) -> Result<Applied, Error> {
        for _ in 0..TRIES {
            let generation = match batch.target {
                Target::Main => self.learn().await?,
                Target::Shadow => self.shadow,
            };
            let named = match batch.target {
                Target::Main => &self.keys.main,
                Target::Shadow => &self.keys.shadow,
            };
            let Some(generation) = generation else { return Ok(Applied::Refused) };
            let mut call = about(&APPLY, named, &self.keys, generation);
            call.arg(batch.log.to_string()).arg(batch.from).arg(batch.to).arg(batch.state.as_str());
            call.arg(batch.ended_ms.map(|ended_ms| ended_ms.to_string()).unwrap_or_default());
            call.arg(i32::from(batch.gives_up()));
            batch.items.iter().for_each(|fact| changes::write(&mut call, &fact.change));
            match (self.connection.write(&call).await?, batch.target) {
                (DONE, _) => return Ok(Applied::Done),
                (REFUSED, _) | (_, Target::Shadow) => return Ok(Applied::Refused),
                (_, Target::Main) => self.main = None,
            }
        }
        Err(Error::Away("its main generation is replaced again and again".to_owned()))
    }

    async fn begin(&mut self, log: LogId, from: u64) -> Result<(), Error> {
        self.shadow = None;
        for _ in 0..TRIES {
            let main = self.connection.number(&self.keys.main).await?;
            let shadow = self.connection.number(&self.keys.shadow).await?;
            let next = main.max(shadow).unwrap_or_default() + 1;
            let mut call = BEGIN.prepare_invoke();
            call.key(&self.keys.main).key(&self.keys.shadow).key(self.keys.part(next, "at")).key(self.keys.generation(next));
            if let Some(shadow) = shadow {
                call.key(self.keys.generation(shadow));
            }
            call.arg(seen(main)).arg(seen(shadow)).arg(next).arg(log.to_string()).arg(from);
            if self.connection.write::<i64>(&call).await? == DONE {
                (self.main, self.shadow) = (main, Some(next));
                return Ok(());
            }
        }
        Err(Error::Away("others make generations all the time".to_owned()))
    }

    async fn finish(&mut self, log: LogId, at: u64, ended_ms: i64) -> Result<Applied, Error> {
        for _ in 0..TRIES {
            let Some(shadow) = self.shadow else { return Ok(Applied::Refused) };
            let main = self.connection.number(&self.keys.main).await?;
            let mut call = about(&FINISH, &self.keys.shadow, &self.keys, shadow);
            call.key(&self.keys.main);
            if let Some(main) = main {
                call.key(self.keys.generation(main));
            }
            call.arg(seen(main)).arg(log.to_string()).arg(at).arg(ended_ms).arg(self.clock.now_ms());
            match self.connection.write(&call).await? {
                DONE => {
                    (self.main, self.shadow) = (Some(shadow), None);
                    return Ok(Applied::Done);
                }
                REFUSED => return Ok(Applied::Refused),
                _ => {}
            }
        }
        Err(Error::Away("its main generation is replaced again and again".to_owned()))
    }
}

/// A number as a script compares it; empty for none.
fn seen(number: Option<u64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

#[async_trait]
impl Projection for RedisProjection {
    type Item = Fact;

    fn name(&self) -> &'static str {
        metrics::FACTS_NAME
    }

    async fn stored(&mut self) -> Result<Option<Stored>, StoreError> {
        self.asked = false;
        // it may have been emptied, and filled by others
        self.main = None;
        Ok(self.place().await?)
    }

    fn is_asked(&self) -> bool {
        self.asked
    }

    async fn apply(&mut self, batch: Batch<'_, Fact>) -> Result<Applied, StoreError> {
        let watch = Stopwatch::start();
        let applied = self.write(&batch).await?;
        match applied {
            Applied::Done => metrics::wrote(metrics::FACTS_NAME, watch.elapsed()),
            Applied::Refused => metrics::refused(metrics::FACTS_NAME),
        }
        Ok(applied)
    }

    async fn begin_rebuild(&mut self, log: LogId, from: u64) -> Result<(), StoreError> {
        Ok(self.begin(log, from).await?)
    }

    async fn finish_rebuild(&mut self, log: LogId, at: u64, ended_ms: i64) -> Result<Applied, StoreError> {
        Ok(self.finish(log, at, ended_ms).await?)
    }
}
