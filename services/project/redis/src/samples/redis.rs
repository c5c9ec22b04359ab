//! The adapter for Redis: five keys for each partition, and a script for each method of the port.

use std::sync::LazyLock;

use async_trait::async_trait;
use loki_domain::LogId;
use loki_runner::{Applied, StoreError, Stored};
use loki_runtime::Clock;
use loki_runtime::clock::Stopwatch;
use redis::{FromRedisValue, Script, ScriptInvocation, Value};

use super::lines::Last;
use super::port::{Answered, Place, SamplesStore, Search, Shape, Shelf, Write, removed_max};
use crate::config::Config;
use crate::connection::Connection;
use crate::error::Error;
use crate::keys::SampleKeys;
use crate::metrics;

/// `unpack` in a script takes a few thousand at most.
const REMOVED_MAX: usize = 5_000;

macro_rules! script {
    ($name:ident, $file:literal) => {
        static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!(include_str!("scripts/whole.lua"), include_str!(concat!("scripts/", $file)))));
    };
}

script!(PLACE, "place.lua");
script!(BEGIN, "begin.lua");
script!(APPLY, "apply.lua");
script!(SEARCH, "search.lua");
script!(HEARD, "heard.lua");

/// Cheap to clone; all clones share a connection.
#[derive(Debug, Clone)]
pub struct RedisSamples {
    connection: Connection,
    clock: Clock,
    shape: Shape,
    keys: Vec<SampleKeys>,
}

impl RedisSamples {
    /// Connects when it is first used.
    pub fn new(config: &Config, shape: Shape, clock: Clock) -> Result<Self, Error> {
        let keys = (0..shape.partitions).map(|partition| SampleKeys::new(&config.prefix, partition)).collect();
        Ok(Self { connection: Connection::new(config)?, clock, shape, keys })
    }

    fn keys(&self, partition: u32) -> Result<&SampleKeys, Error> {
        let found = self.keys.get(partition as usize);
        found.ok_or_else(|| Error::Unusable(format!("there is no partition {partition} of {}", self.shape.partitions)))
    }

    fn call<'s>(&self, script: &'s Script, partition: u32) -> Result<ScriptInvocation<'s>, Error> {
        let mut call = script.prepare_invoke();
        for key in self.keys(partition)?.all() {
            call.key(key);
        }
        Ok(call)
    }

    async fn write(&self, call: &ScriptInvocation<'_>) -> Result<Applied, Error> {
        let watch = Stopwatch::start();
        match self.connection.write::<i64>(call).await? {
            1 => {
                metrics::wrote(metrics::SAMPLES_NAME, watch.elapsed());
                Ok(Applied::Done)
            }
            _ => {
                metrics::refused(metrics::SAMPLES_NAME);
                Ok(Applied::Refused)
            }
        }
    }

    /// An answer that begins with the partition's place; `None` when there is no place.
    async fn ask(
        &self,
        partition: u32,
        call: &ScriptInvocation<'_>,
    ) -> Result<Option<(Place, impl Iterator<Item = Value> + use<>)>, Error> {
        let key = &self.keys(partition)?.at;
        let mut answer = self.connection.read::<Vec<Value>>(call).await?.into_iter();
        let Some(at) = answer.next() else { return Ok(None) };
        let place = read_place(&text_list(at)?).map_err(|message| Error::Unreadable { key: key.clone(), message })?;
        Ok(Some((place, answer)))
    }
}

#[async_trait]
impl SamplesStore for RedisSamples {
    fn shape(&self) -> Shape {
        self.shape
    }

    async fn place(&self, partition: u32) -> Result<Option<Place>, StoreError> {
        let at: Vec<String> = self.connection.read(&self.call(&PLACE, partition)?).await?;
        match read_place(&at) {
            _ if at.is_empty() => Ok(None),
            Ok(place) => Ok(Some(place)),
            Err(message) => Err(Error::Unreadable { key: self.keys(partition)?.at.clone(), message }.into()),
        }
    }

    async fn begin(&self, partition: u32, seen: Option<(LogId, u64)>, log: LogId, from: u64) -> Result<Applied, StoreError> {
        let mut call = self.call(&BEGIN, partition)?;
        match seen {
            Some((log, position)) => call.arg(log.to_string()).arg(position),
            None => call.arg("").arg(""),
        };
        call.arg(log.to_string()).arg(from).arg(self.clock.now_ms());
        Ok(self.write(&call).await?)
    }

    async fn apply(&self, partition: u32, write: Write<'_>) -> Result<Applied, StoreError> {
        let Write { log, step, state, ended_ms } = write;
        let mut call = self.call(&APPLY, partition)?;
        call.arg(log.to_string()).arg(step.from).arg(step.to).arg(state.as_str());
        call.arg(ended_ms.map(|ended_ms| ended_ms.to_string()).unwrap_or_default());
        call.arg(step.newest_ms.unwrap_or_default()).arg(self.shape.window_ms());
        call.arg(removed_max(step).min(REMOVED_MAX)).arg(step.values.len());
        for (series, last) in &step.values {
            call.arg(series).arg(last.write());
        }
        for (host, heard_ms) in &step.hosts {
            call.arg(host).arg(*heard_ms);
        }
        let applied = self.write(&call).await?;
        if applied == Applied::Done {
            metrics::series(step.values.len());
        }
        Ok(applied)
    }

    async fn search(&self, partition: u32, search: Search<'_>) -> Result<Answered<Shelf>, StoreError> {
        let (first, behind) = search.filter.range();
        let first = match search.after {
            Some(after) if after >= first.as_str() => format!("({after}"),
            _ => format!("[{first}"),
        };
        let mut call = self.call(&SEARCH, partition)?;
        call.arg(first).arg(format!("({behind}")).arg(search.examine).arg(self.shape.window_ms());
        // behind the bracket, counted from 1
        call.arg(search.filter.metric.as_str().len() + 2);
        for needle in search.filter.needles() {
            call.arg(needle);
        }
        let Some((place, mut answer)) = self.ask(partition, &call).await? else {
            return Ok(Answered { place: None, value: Shelf::default() });
        };
        let covered = answer.next().map(text).transpose()?.filter(|covered| !covered.is_empty());
        let mut found = Vec::new();
        while let (Some(series), Some(value)) = (answer.next(), answer.next()) {
            let (series, value) = (text(series)?, text(value)?);
            let key = &self.keys(partition)?.values;
            let last = Last::read(&value).map_err(|message| Error::Unreadable { key: key.clone(), message })?;
            found.push((series, last));
        }
        Ok(Answered { place: Some(place), value: Shelf { found, covered } })
    }

    async fn heard(&self, partition: u32, hosts: &[&str]) -> Result<Answered<Vec<Option<i64>>>, StoreError> {
        let mut call = self.call(&HEARD, partition)?;
        call.arg(self.shape.window_ms()).arg(hosts);
        let Some((place, answer)) = self.ask(partition, &call).await? else {
            return Ok(Answered { place: None, value: vec![None; hosts.len()] });
        };
        let heard = answer.map(|score| Ok::<_, Error>(text(score)?.parse::<f64>().ok().map(|score| score as i64)));
        Ok(Answered { place: Some(place), value: heard.collect::<Result<_, _>>()? })
    }
}

fn text(value: Value) -> Result<String, Error> {
    String::from_redis_value(value).map_err(|error| Error::Unusable(error.to_string()))
}

fn text_list(value: Value) -> Result<Vec<String>, Error> {
    Vec::from_redis_value(value).map_err(|error| Error::Unusable(error.to_string()))
}

fn read_place(at: &[String]) -> Result<Place, String> {
    let [log, position, state, ended_ms, filled, newest_ms] = at else { return Err(format!("it has {} fields", at.len())) };
    let log: LogId = log.parse().map_err(|invalid: loki_domain::Invalid| invalid.0)?;
    let wrong = |text: &str| format!("`{}` is no number", text.escape_default());
    let position = position.parse().map_err(|_| wrong(position))?;
    let ended_ms = ended_ms.parse().map_err(|_| wrong(ended_ms))?;
    let stored = Stored { log, position, state: state.parse()?, ended_ms };
    let filled = filled.parse().map_err(|_| wrong(filled))?;
    let newest_ms = newest_ms.parse().map_err(|_| wrong(newest_ms))?;
    Ok(Place { stored, filled, newest_ms })
}
