//! What holds for every answer of an OpenTSDB, whatever is in it.

use std::collections::BTreeSet;

use loki_domain::Sample;

use crate::opentsdb;

/// Gives an answer to everything that reads one. What it says of points is of those that were put, of each once.
///
/// # Panics
/// When it is not.
pub fn reads_answer(samples: &[Sample], answer: &[u8]) {
    if let Some(refused) = opentsdb::refused(samples, answer) {
        let indexes: BTreeSet<usize> = refused.iter().map(|refused| refused.index).collect();
        assert!(indexes.len() == refused.len() && indexes.last().is_none_or(|last| *last < samples.len()), "{refused:?}");
    }
    drop(opentsdb::failure(answer));
    for line in opentsdb::lines(answer).into_iter().flatten() {
        let of = samples.iter().filter(|sample| line.is_of(&sample.series)).count();
        assert!(of == 0 || line.points().count() < answer.len());
    }
}
