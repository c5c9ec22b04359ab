//! What must be there in the end, told from the log alone: its records in order, and the rules.

use std::collections::{BTreeMap, BTreeSet};

use loki_domain::{Instant, Sample, Series, Value};
use loki_log::Record;

use crate::world::{PARTITIONS, World};

const AHEAD_MS: i64 = 300_000;
const TOO_OLD_MS: i64 = 7 * 86_400_000;

type Cells = BTreeMap<(Series, Instant), Vec<Value>>;

#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) cells: Cells,
    /// Ids of dead letters, and their codes.
    pub(crate) dead: BTreeMap<String, String>,
    newest: BTreeMap<Series, i64>,
}

impl Expected {
    pub(crate) async fn of(world: &World) -> Self {
        let mut expected = Self::default();
        for number in 0..PARTITIONS {
            for record in world.read(&World::partition(number)).await {
                expected.add(&record);
            }
        }
        expected
    }

    fn add(&mut self, record: &Record) {
        let id = |index: usize| format!("{}/{}/{}/{index}", record.partition.topic, record.partition.number, record.offset);
        match loki_wire::sample::read(record.value.as_ref(), &record.headers) {
            Err(error) => drop(self.dead.insert(id(0), error.code().to_owned())),
            Ok(points) => {
                for (index, point) in points.into_iter().enumerate() {
                    let code = match point {
                        Err(error) => Some(error.code()),
                        Ok(sample) => self.judge(record, sample),
                    };
                    if let Some(code) = code {
                        self.dead.insert(id(index), code.to_owned());
                    }
                }
            }
        }
    }

    fn judge(&mut self, record: &Record, sample: Sample) -> Option<&'static str> {
        if sample.series.partition(PARTITIONS) != record.partition.number {
            return record.header("loki_moved").map(|_| "misplaced");
        }
        if sample.at.ms() > record.timestamp_ms + AHEAD_MS {
            return Some("ahead_of_log");
        }
        if let Some(first) = self.cells.get(&(sample.series.clone(), sample.at)) {
            return (first[0] != sample.value).then_some("conflict");
        }
        let newest = self.newest.entry(sample.series.clone()).or_insert(i64::MIN);
        if sample.at.ms().saturating_add(TOO_OLD_MS) < *newest {
            return Some("too_old");
        }
        if sample.series.metric.as_str().starts_with("refused.") {
            return Some("refused");
        }
        *newest = (*newest).max(sample.at.ms());
        self.cells.insert((sample.series, sample.at), vec![sample.value]);
        None
    }
}

/// Holds what is there against what must be there.
pub(crate) async fn check(world: &World) {
    let expected = Expected::of(world).await;
    let cells = world.store.cells();
    let twice: Vec<_> = cells.iter().filter(|(_, values)| values.len() > 1).collect();
    assert!(twice.is_empty(), "two values at one instant: {twice:?}");
    let difference = |one: &Cells, other: &Cells| -> Vec<String> {
        one.iter()
            .filter(|(key, value)| other.get(key) != Some(value))
            .map(|((series, at), value)| format!("{series} {at} {value:?}"))
            .collect()
    };
    assert_eq!(difference(&expected.cells, &cells), Vec::<String>::new(), "missing");
    assert_eq!(difference(&cells, &expected.cells), Vec::<String>::new(), "too many");
    let dead: BTreeMap<String, String> = world.dead().await.into_iter().map(|(id, (letter, _))| (id, letter.reason.code)).collect();
    let of = |one: &BTreeMap<String, String>, other: &BTreeMap<String, String>| -> BTreeSet<String> {
        one.iter().filter(|(id, code)| other.get(*id) != Some(code)).map(|(id, code)| format!("{id} {code}")).collect()
    };
    assert_eq!(of(&expected.dead, &dead), BTreeSet::new(), "letters are missing");
    assert_eq!(of(&dead, &expected.dead), BTreeSet::new(), "letters are too many");
}
