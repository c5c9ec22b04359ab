//! What must be in the store and among the dead letters, told from the log alone: its records in order, and the rules.

use std::collections::BTreeMap;

use loki_log::{Partition, Record, Topic};
use loki_wire::DeadLetter;

use super::site::Site;

const AHEAD_MS: i64 = 5 * 60_000;
const TOO_OLD_MS: i64 = 7 * 86_400_000;

/// Values by series and millisecond.
pub(super) type Cells = BTreeMap<String, BTreeMap<i64, f64>>;
/// Codes by the ids of letters.
pub(super) type Dead = BTreeMap<String, String>;

#[derive(Default)]
pub(super) struct Expected {
    pub(super) cells: Cells,
    pub(super) dead: Dead,
    /// Repeats of points, and points that lie in a wrong partition.
    pub(super) repeats: usize,
    pub(super) misplaced: usize,
    newest: BTreeMap<String, i64>,
}

impl Expected {
    /// The log as it is now, to which the sink must have come.
    pub(super) async fn of(site: &Site) -> Self {
        let mut expected = Self::default();
        for number in 0..site.partitions {
            let partition = Partition::new(Topic::new(&site.topics.samples), number);
            site.each(&partition, |record| expected.add(record, site.partitions)).await;
        }
        expected
    }

    fn add(&mut self, record: &Record, partitions: u32) {
        let id = |index: usize| format!("{}/{}/{}/{index}", record.partition.topic, record.partition.number, record.offset);
        let points = match loki_wire::sample::read(record.value.as_ref(), &record.headers) {
            Ok(points) => points,
            Err(error) => {
                self.dead.insert(id(0), error.code().to_owned());
                return;
            }
        };
        for (index, point) in points.into_iter().enumerate() {
            let code = match point {
                Err(error) => Some(error.code()),
                // its copy lies where it belongs
                Ok(sample) if sample.series.partition(partitions) != record.partition.number => {
                    self.misplaced += 1;
                    None
                }
                Ok(sample) => self.judge(sample.series.to_string(), sample.at.ms(), sample.value.get(), record.timestamp_ms),
            };
            if let Some(code) = code {
                self.dead.insert(id(index), code.to_owned());
            }
        }
    }

    fn judge(&mut self, series: String, at_ms: i64, value: f64, log_ms: i64) -> Option<&'static str> {
        if at_ms > log_ms + AHEAD_MS {
            return Some("ahead_of_log");
        }
        let cells = self.cells.entry(series.clone()).or_default();
        if let Some(first) = cells.get(&at_ms) {
            self.repeats += usize::from(*first == value);
            return (*first != value).then_some("conflict");
        }
        let newest_ms = self.newest.entry(series).or_insert(at_ms);
        if at_ms + TOO_OLD_MS < *newest_ms {
            return Some("too_old");
        }
        *newest_ms = at_ms.max(*newest_ms);
        cells.insert(at_ms, value);
        None
    }

    /// How many letters have this code.
    pub(super) fn of_code(&self, code: &str) -> usize {
        self.dead.values().filter(|of| *of == code).count()
    }

    pub(super) fn points(&self) -> usize {
        self.cells.values().map(BTreeMap::len).sum()
    }
}

/// The letters in their topic, where each key counts once: it is compacted. Whatever is there of one must say the same.
pub(super) async fn letters(site: &Site) -> Dead {
    let mut letters = Dead::new();
    site.each(&Partition::only(&Topic::new(&site.topics.dead)), |record| {
        let letter = DeadLetter::read(record.value.as_ref().unwrap(), &record.headers).unwrap();
        assert_eq!(record.key.as_deref(), Some(letter.id().as_bytes()));
        let before = letters.insert(letter.id(), letter.reason.code.clone());
        assert!(before.is_none_or(|before| before == letter.reason.code), "{} has another reason", letter.id());
    })
    .await;
    letters
}
