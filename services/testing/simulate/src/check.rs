//! What must hold: after every step of what is there, and at the end of everything that was acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use loki_decider::answer;
use loki_decider::book::Book;
use loki_domain::{Instant, Sample, Series, Value};
use loki_log::{Partition, Record, Topic};
use loki_runner::State;
use loki_runner::testing::fold;
use loki_wire::{Change, DeadLetter, Verdict, fact, outcome, sample};

use crate::load::Ledger;
use crate::world::{PARTITIONS, STORES, World};

/// The decided log so far: it only grows, so each outcome is looked at once.
#[derive(Default, Clone)]
pub(crate) struct Journal {
    book: Book,
    /// Outcomes that were looked at.
    outcomes: usize,
    /// All facts that were looked at, those that were compacted away since too.
    facts: Vec<Record>,
    /// Below that, facts were compacted away.
    compacted_to: u64,
}

type Checked = Result<(), String>;

fn that(holds: bool, what: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(what()) }
}

impl Journal {
    /// One outcome for each command, in order, chained, with its facts; and each is what is decided again from what was before.
    pub(crate) fn go_on(&mut self, world: &World) -> Checked {
        let outcomes = world.log.records(&World::only(&world.topics.outcomes));
        let seen = self.facts.last().map(|fact| fact.offset);
        if outcomes.len() == self.outcomes && seen.is_some() {
            return Ok(());
        }
        let facts = world.log.records(&World::only(&world.topics.facts));
        let mut facts = facts.into_iter().filter(|fact| seen < Some(fact.offset));
        if seen.is_none() {
            let Some(first) = facts.next() else { return that(outcomes.is_empty(), || "there are outcomes and no log id".to_owned()) };
            let read = read_fact(&first)?;
            that(matches!(read.change, Change::Log(_)), || "the log does not begin with its id".to_owned())?;
            self.book.last_fact = Some(first.offset);
            self.facts.push(first);
        }
        let commands: BTreeMap<u64, Record> =
            world.log.records(&World::only(&world.topics.commands)).into_iter().map(|record| (record.offset, record)).collect();
        for recorded in &outcomes[self.outcomes..] {
            let said = outcome::read(recorded.value.as_ref(), &recorded.headers).map_err(|error| format!("an outcome: {error}"))?;
            let (&next, command) =
                commands.range(self.book.next..).next().ok_or_else(|| format!("an outcome of c{} and no command", said.command))?;
            that(said.command == next, || format!("c{} was answered when c{next} was next", said.command))?;
            let offsets: Vec<u64> = match &said.verdict {
                Verdict::Accepted { facts, .. } => facts.iter().map(|fact| fact.offset).collect(),
                _ => Vec::new(),
            };
            let draft = self.book.decide([command]);
            let again = answer::outcomes(&self.book, &draft, &offsets);
            that(again.records[0].value == recorded.value, || {
                let text = |value: &Option<bytes::Bytes>| String::from_utf8_lossy(value.as_deref().unwrap_or_default()).into_owned();
                format!("c{next} was answered {}, and is decided again as {}", text(&recorded.value), text(&again.records[0].value))
            })?;
            for (expected, offset) in answer::facts(&draft).iter().zip(&offsets) {
                let fact = facts.next().ok_or_else(|| format!("c{next} has an outcome and not its facts"))?;
                that(fact.offset == *offset && fact.key == expected.key && fact.value == expected.value, || {
                    format!("c{next} says that f{offset} is its fact, and f{} comes next", fact.offset)
                })?;
                self.facts.push(fact);
            }
            self.book.settle(&draft, &again.firsts, again.previous);
            self.outcomes += 1;
        }
        that(facts.next().is_none(), || "there is a fact without an outcome".to_owned())
    }
}

/// What was done to the log.
impl Journal {
    /// Facts that it has seen may be gone from the log.
    pub(crate) fn compacted(&mut self, world: &World) {
        if world.log.records(&World::only(&world.topics.facts)).len() < self.facts.len() {
            self.compacted_to = self.facts.last().map_or(0, |fact| fact.offset + 1);
        }
    }

    fn rows_at(&self, position: u64) -> BTreeMap<String, String> {
        fold(self.facts.iter().filter(|record| record.offset < position))
    }
}

fn read_fact(record: &Record) -> Result<loki_wire::Fact, String> {
    fact::read(record.offset, record.key.as_ref(), record.value.as_ref(), &record.headers).map_err(|error| format!("a fact: {error}"))
}

/// A store that is live is what the facts before its position say; no batch was cut.
pub(crate) fn stores(world: &World, journal: &Journal) -> Checked {
    for name in STORES {
        let store = &world.stores[name];
        if let Some(breach) = store.breaches().first() {
            return Err(format!("{name}: {breach}"));
        }
        let Some(main) = store.main().filter(|main| main.stored.state == State::Live) else { continue };
        let position = main.stored.position;
        let expected = journal.rows_at(position);
        if position >= journal.compacted_to {
            that(main.rows == expected, || format!("{name} at f{position} is not what the facts say"))?;
            continue;
        }
        // of an entity that changes again behind the position, steps may be missing
        let changes_again: BTreeSet<&[u8]> =
            journal.facts.iter().filter(|fact| fact.offset >= position).filter_map(|fact| fact.key.as_deref()).collect();
        let settled = |(key, _): &(&String, &String)| !changes_again.contains(key.as_bytes());
        that(main.rows.iter().filter(settled).eq(expected.iter().filter(settled)), || {
            format!("{name} at f{position}, among facts that were compacted, is not what the facts say")
        })?;
    }
    Ok(())
}

/// Of each series and instant at most one value, one that was sent.
pub(crate) fn points(world: &World) -> Checked {
    let cells = world.points.cells();
    if let Some(((series, at), values)) = cells.iter().find(|(_, values)| values.len() > 1) {
        return Err(format!("{series} at {at} has {values:?}"));
    }
    Ok(())
}

/// Of what was acknowledged nothing is missing: to be asked at rest.
pub(crate) fn end(world: &World, ledger: &Ledger) -> Checked {
    let book = ledger.book();
    let outcomes = world.log.records(&World::only(&world.topics.outcomes));
    let mut answered = BTreeSet::new();
    for record in &outcomes {
        let said = outcome::read(record.value.as_ref(), &record.headers).map_err(|error| format!("an outcome: {error}"))?;
        answered.insert((said.actor, said.id));
    }
    if let Some(missing) = book.commands.iter().find(|name| !answered.contains(*name)) {
        return Err(format!("{missing:?} was acknowledged and has no outcome"));
    }
    let commands = world.log.records(&World::only(&world.topics.commands));
    that(outcomes.len() == commands.len(), || format!("{} commands have {} outcomes", commands.len(), outcomes.len()))?;
    for name in STORES {
        let position = world.stores[name].stored().map(|stored| stored.position);
        let end = world.log.end(&World::only(&world.topics.facts));
        that(position == Some(end), || format!("{name} is at {position:?}, the facts end at {end}"))?;
    }
    let (winners, contradictions) = first_values(world)?;
    let cells: BTreeMap<(Series, Instant), Value> =
        world.points.cells().into_iter().filter_map(|(key, values)| values.first().map(|value| (key, *value))).collect();
    for (key, value) in &winners {
        that(cells.get(key) == Some(value), || format!("{} at {}: {:?} is stored, {value} came first", key.0, key.1, cells.get(key)))?;
    }
    that(cells.len() == winners.len(), || "points are stored that nobody sent".to_owned())?;
    for Sample { series, at, .. } in &book.points {
        that(cells.contains_key(&(series.clone(), *at)), || format!("{series} at {at} was acknowledged and is not stored"))?;
    }
    let mut letters = BTreeSet::new();
    for record in world.log.records(&World::only(&world.topics.dead)) {
        let Some(value) = &record.value else { continue };
        let letter = DeadLetter::read(value, &record.headers).map_err(|error| format!("a dead letter: {error}"))?;
        if letter.topic == world.topics.samples {
            letters.insert((letter.partition, letter.offset, letter.index));
        }
    }
    that(letters == contradictions, || {
        let missing = contradictions.difference(&letters).count();
        format!(
            "of {} points in contradiction {missing} have no letter, and {} letters are of others",
            contradictions.len(),
            letters.difference(&contradictions).count()
        )
    })
}

/// Of each series and instant the value with the lowest offset, and the points that contradict it.
#[expect(clippy::type_complexity, reason = "two answers for one caller")]
fn first_values(world: &World) -> Result<(BTreeMap<(Series, Instant), Value>, BTreeSet<(u32, u64, u32)>), String> {
    let (mut winners, mut contradictions) = (BTreeMap::new(), BTreeSet::new());
    for number in 0..PARTITIONS {
        for record in world.log.records(&Partition::new(Topic::new(&world.topics.samples), number)) {
            let points = sample::read(record.value.as_ref(), &record.headers).map_err(|error| format!("a record of samples: {error}"))?;
            for (index, point) in (0..).zip(points) {
                let Sample { series, at, value } = point.map_err(|error| format!("a point: {error}"))?;
                let first = *winners.entry((series, at)).or_insert(value);
                if first != value {
                    contradictions.insert((number, record.offset, index));
                }
            }
        }
    }
    Ok((winners, contradictions))
}
