//! `loki verify`: every store against the log's own state, history included.
//!
//! A store is dumped as sorted lines `key json` together with its position; the log is folded up to exactly that position and written as the same
//! lines. Both are walked side by side: what is only in one, or not the same in both, is a difference.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use async_trait::async_trait;
use loki_cli::Failure;
use loki_cli::operations::{Difference, Finding, OnFinding};
use loki_domain::{Kind, Position};
use loki_log::{Log, Partition, Reader, Topic};
use loki_mysql::Projected;
use loki_mysql::port::{Dump, HistoryReader, StateReader};
use loki_runner::projection::{Item, PlacedOutcome};
use loki_runner::{State, Stored};
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;
use loki_wire::{Change, Fact, Topics};
use serde_json::value::RawValue;

use super::{verify_series, verify_task_logs};
use crate::backends::Backends;

/// Compares every store with the log; `true` when all are equal.
pub(crate) async fn all(backends: &Backends, out: &mut OnFinding<'_>) -> anyhow::Result<bool> {
    let readers = backends.readers()?;
    let mut equal = true;
    let redis = backends.samples.redis().map(|_| "redis");
    for store in ["mysql", "history", "task_logs", "cdn_system", "zookeeper"].into_iter().chain(redis).chain(["opentsdb"]) {
        let result = match store {
            "mysql" => state(backends, &*readers.state, out).await,
            "history" => history(backends, &*readers.history, out).await,
            "task_logs" => verify_task_logs::task_logs(backends, &*readers.task_logs, out).await,
            "cdn_system" => domains(backends, out).await,
            "redis" => servers(backends, out).await,
            "opentsdb" => verify_series::series(backends, out).await,
            _ => tree(backends, out).await,
        };
        match result {
            Ok(same) => equal &= same,
            // nobody listens any more
            Err(error) if error.is::<Failure>() => return Err(error),
            Err(error) => {
                equal = false;
                out(Finding::Failed { error: format!("{store}: {error:#}") })?;
            }
        }
    }
    Ok(equal)
}

/// How long a store may take to come to the end that the log had when it was asked.
pub(super) const CATCH_UP: Duration = Duration::from_secs(30);

async fn state(backends: &Backends, reader: &dyn StateReader, out: &mut OnFinding<'_>) -> anyhow::Result<bool> {
    if let Some(last) = last(backends, &backends.topics.facts).await? {
        reader.wait(Position::fact(last), CATCH_UP).await?;
    }
    let mut dump = Dumped(reader.dump(None).await?);
    let end = dump.0.stored().position;
    let mut log = fold_facts(&backends.log, &backends.topics, Projected::State.kinds(), end).await?;
    compare("mysql", &mut log, &mut dump, out).await
}

async fn domains(backends: &Backends, out: &mut OnFinding<'_>) -> anyhow::Result<bool> {
    let reader = backends.domain_reader()?;
    if let Some(last) = last(backends, &backends.topics.facts).await? {
        reader.wait(Position::fact(last), CATCH_UP).await?;
    }
    let mut dump = Dumped(reader.dump(None).await?);
    let end = dump.0.stored().position;
    let mut log = fold_facts(&backends.log, &backends.topics, Projected::Domains.kinds(), end).await?;
    compare("cdn_system", &mut log, &mut dump, out).await
}

async fn history(backends: &Backends, reader: &dyn HistoryReader, out: &mut OnFinding<'_>) -> anyhow::Result<bool> {
    if let Some(last) = last(backends, &backends.topics.outcomes).await? {
        reader.wait(Position::outcome(last), CATCH_UP).await?;
    }
    let mut dump = Dumped(reader.dump(None).await?);
    let end = dump.0.stored().position;
    let mut log = History::open(&backends.log, &backends.topics, end).await?;
    compare("history", &mut log, &mut dump, out).await
}

async fn tree(backends: &Backends, out: &mut OnFinding<'_>) -> anyhow::Result<bool> {
    let (stored, lines) = dumped(backends, || backends.dump_tree()).await?;
    let mut log = fold_facts(&backends.log, &backends.topics, &loki_zookeeper::KINDS, stored.position).await?;
    compare("zookeeper", &mut log, &mut Given(Some(lines)), out).await
}

async fn servers(backends: &Backends, out: &mut OnFinding<'_>) -> anyhow::Result<bool> {
    let config = backends.samples.redis().context("there is no Redis in this set")?;
    let (stored, lines) = dumped(backends, || async { Ok(loki_redis::facts::dump(config).await?) }).await?;
    let mut log = fold_facts(&backends.log, &backends.topics, &Kind::ALL, stored.position).await?;
    compare("redis", &mut log, &mut Given(Some(lines)), out).await
}

/// The lines of a store of facts, once it is live and where the log ends now.
async fn dumped<F>(backends: &Backends, dump: impl Fn() -> F) -> anyhow::Result<(Stored, Vec<String>)>
where
    F: Future<Output = anyhow::Result<Option<(Stored, Vec<String>)>>>,
{
    let end = backends.log.bounds(&Partition::only(&Topic::new(&backends.topics.facts))).await?.end;
    let watch = Stopwatch::start();
    loop {
        match dump().await? {
            Some((stored, lines)) if stored.state == State::Live && stored.position >= end => return Ok((stored, lines)),
            _ if watch.elapsed() > CATCH_UP => bail!("the store did not come to f{end} within {CATCH_UP:?}"),
            _ => task::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// The offset of the last record that a store must have passed; `None` while the topic is empty.
pub(super) async fn last(backends: &Backends, topic: &str) -> anyhow::Result<Option<u64>> {
    let partition = Partition::only(&Topic::new(topic));
    let bounds = backends.log.bounds(&partition).await?;
    if bounds.end == bounds.start {
        return Ok(None);
    }
    // the end may be a transaction's marker; the store passes it once it has read up to there
    Ok(Some(bounds.end - 1))
}

/// A dump as lines.
pub(super) struct Dumped(pub(super) Box<dyn Dump>);

#[async_trait]
impl Lines for Dumped {
    async fn next(&mut self) -> anyhow::Result<Vec<String>> {
        Ok(self.0.next().await?)
    }
}

/// Lines that are there already.
struct Given(Option<Vec<String>>);

#[async_trait]
impl Lines for Given {
    async fn next(&mut self) -> anyhow::Result<Vec<String>> {
        Ok(self.0.take().unwrap_or_default())
    }
}

/// Lines in key order, a part at a time; empty at the end.
#[async_trait]
pub(crate) trait Lines: Send {
    async fn next(&mut self) -> anyhow::Result<Vec<String>>;
}

/// At most this many differences of a store are printed; all are counted.
pub(super) const DIFFERENCES_MAX: u64 = 1_000;

/// Walks two sorted lists side by side.
pub(crate) async fn compare(
    store: &'static str,
    log: &mut dyn Lines,
    stored: &mut dyn Lines,
    out: &mut OnFinding<'_>,
) -> anyhow::Result<bool> {
    let (mut log, mut stored) = (Walk::new(log), Walk::new(stored));
    let (mut entries, mut differences) = (0, 0);
    loop {
        let difference = match (log.peek().await?, stored.peek().await?) {
            (None, None) => break,
            (Some(line), None) => (Difference::Missing, line, None),
            (None, Some(line)) => (Difference::Extra, line, None),
            (Some(ours), Some(theirs)) => match key(ours).cmp(key(theirs)) {
                Ordering::Less => (Difference::Missing, ours, None),
                Ordering::Greater => (Difference::Extra, theirs, None),
                Ordering::Equal => (Difference::Different, ours, Some(theirs)),
            },
        };
        let (kind, line, other) = difference;
        let same = other == Some(line);
        let shown = (!same && differences < DIFFERENCES_MAX).then(|| {
            let value = |line: &String| line.split_once(' ').map(|(_, json)| raw(json));
            let (log, stored) = match kind {
                Difference::Extra => (None, value(line)),
                Difference::Missing => (value(line), None),
                Difference::Different => (value(line), other.and_then(value)),
            };
            Finding::Difference { store: store.to_owned(), difference: kind, key: key(line).to_owned(), log, stored }
        });
        if let Some(finding) = shown {
            out(finding)?;
        }
        differences += u64::from(!same);
        entries += 1;
        if kind != Difference::Extra {
            log.advance();
        }
        if kind != Difference::Missing {
            stored.advance();
        }
    }
    out(Finding::Compared { store: store.to_owned(), equal: differences == 0, entries })?;
    Ok(differences == 0)
}

/// The JSON of a line; what is no JSON as a text.
fn raw(text: &str) -> Box<RawValue> {
    let json = RawValue::from_string(text.to_owned()).or_else(|_| serde_json::value::to_raw_value(text));
    json.unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn key(line: &str) -> &str {
    line.split_once(' ').map_or(line, |(key, _)| key)
}

/// A look at the first line that was not taken yet.
struct Walk<'a> {
    lines: &'a mut dyn Lines,
    part: std::vec::IntoIter<String>,
    first: Option<String>,
    ended: bool,
}

impl<'a> Walk<'a> {
    fn new(lines: &'a mut dyn Lines) -> Self {
        Self { lines, part: Vec::new().into_iter(), first: None, ended: false }
    }

    async fn peek(&mut self) -> anyhow::Result<Option<&String>> {
        while self.first.is_none() && !self.ended {
            self.first = self.part.next();
            if self.first.is_none() {
                self.part = self.lines.next().await?.into_iter();
                self.first = self.part.next();
                self.ended = self.first.is_none();
            }
        }
        Ok(self.first.as_ref())
    }

    fn advance(&mut self) {
        self.first = None;
    }
}

/// The living state of the log up to `end`, as lines `<kind>/<id> <json>`; of these kinds, which are the store's.
pub(crate) async fn fold_facts(log: &Arc<dyn Log>, topics: &Topics, kinds: &[Kind], end: u64) -> anyhow::Result<Folded> {
    let mut state = BTreeMap::new();
    let mut records = UpTo::open(log, &topics.facts, end).await?;
    while let Some(batch) = records.next().await? {
        for record in batch {
            let fact = loki_wire::fact::read(record.offset, record.key.as_ref(), record.value.as_ref(), &record.headers)
                .with_context(|| format!("fact at f{}", record.offset))?;
            if fact.change.key().is_some_and(|key| kinds.contains(&key.kind())) {
                apply(&mut state, fact);
            }
        }
    }
    Ok(Folded(Some(state)))
}

fn apply(state: &mut BTreeMap<String, String>, fact: Fact) {
    match fact.change {
        Change::Log(_) => {}
        Change::Set(entity) => {
            state.insert(entity.key().to_string(), loki_mysql::entity_line(&entity));
        }
        Change::Removed(key) => {
            state.remove(&key.to_string());
        }
    }
}

/// A folded state, lines by key, given in one part.
pub(crate) struct Folded(Option<BTreeMap<String, String>>);

#[async_trait]
impl Lines for Folded {
    async fn next(&mut self) -> anyhow::Result<Vec<String>> {
        Ok(self.0.take().into_iter().flatten().map(|(_, line)| line).collect())
    }
}

/// The history as the outcomes up to `end` tell it: first all changes by fact, then all outcomes by command, as the store's dump is sorted.
pub(crate) struct History {
    log: Arc<dyn Log>,
    topic: String,
    end: u64,
    records: UpTo,
    /// The changes are through; now the outcomes.
    outcomes: bool,
}

impl History {
    pub(crate) async fn open(log: &Arc<dyn Log>, topics: &Topics, end: u64) -> anyhow::Result<Self> {
        let records = UpTo::open(log, &topics.outcomes, end).await?;
        Ok(Self { log: log.clone(), topic: topics.outcomes.clone(), end, records, outcomes: false })
    }
}

#[async_trait]
impl Lines for History {
    async fn next(&mut self) -> anyhow::Result<Vec<String>> {
        loop {
            let Some(batch) = self.records.next().await? else {
                if self.outcomes {
                    return Ok(Vec::new());
                }
                self.outcomes = true;
                self.records = UpTo::open(&self.log, &self.topic, self.end).await?;
                continue;
            };
            let mut lines = Vec::new();
            for record in batch {
                let placed = PlacedOutcome::read(&record).with_context(|| format!("outcome at o{}", record.offset))?;
                let wanted = if self.outcomes { "outcome/" } else { "change/" };
                lines.extend(loki_mysql::outcome_lines(&placed).into_iter().filter(|line| line.starts_with(wanted)));
            }
            if !lines.is_empty() {
                return Ok(lines);
            }
        }
    }
}

/// All records of a topic below an offset.
pub(super) struct UpTo {
    reader: Box<dyn Reader>,
    end: u64,
}

impl UpTo {
    pub(super) async fn open(log: &Arc<dyn Log>, topic: &str, end: u64) -> anyhow::Result<Self> {
        let partition = Partition::only(&Topic::new(topic));
        let bounds = log.bounds(&partition).await?;
        if bounds.end < end {
            bail!("the store is at {end}, but `{topic}` ends at {}: the log was restored from an older copy", bounds.end);
        }
        Ok(Self { reader: log.reader(&partition, 0).await?, end })
    }

    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Vec<loki_log::Record>>> {
        while self.reader.position() < self.end {
            let batch = self.reader.read(5_000, Duration::from_secs(10)).await?;
            let ended = batch.at_end;
            let records: Vec<_> = batch.records.into_iter().take_while(|record| record.offset < self.end).collect();
            if !records.is_empty() {
                return Ok(Some(records));
            }
            if ended {
                break;
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use Difference::{Different, Extra, Missing};

    use super::*;

    struct Fixed(Vec<Vec<&'static str>>);

    #[async_trait]
    impl Lines for Fixed {
        async fn next(&mut self) -> anyhow::Result<Vec<String>> {
            Ok(if self.0.is_empty() { Vec::new() } else { self.0.remove(0).into_iter().map(str::to_owned).collect() })
        }
    }

    async fn differences(log: Vec<Vec<&'static str>>, stored: Vec<Vec<&'static str>>) -> (bool, Vec<(Difference, String)>) {
        let mut found = Vec::new();
        let mut out = |finding: Finding| {
            if let Finding::Difference { difference, key, .. } = finding {
                found.push((difference, key));
            }
            Ok(())
        };
        let equal = compare("test", &mut Fixed(log), &mut Fixed(stored), &mut out).await.unwrap();
        (equal, found)
    }

    #[tokio::test]
    async fn every_difference_is_found() {
        assert_eq!(differences(vec![vec!["a 1"], vec!["b 2"]], vec![vec!["a 1", "b 2"]]).await, (true, vec![]));
        let (equal, found) = differences(vec![vec!["a 1", "b 2", "d 4"]], vec![vec!["b 3"], vec!["c 3", "e 5"]]).await;
        assert!(!equal);
        let expected = [(Missing, "a"), (Different, "b"), (Extra, "c"), (Missing, "d"), (Extra, "e")];
        assert_eq!(found, expected.map(|(kind, key)| (kind, key.to_owned())));
        assert!(!differences(vec![], vec![vec!["a 1"]]).await.0);
    }
}
