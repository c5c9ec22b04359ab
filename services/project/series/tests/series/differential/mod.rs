//! The same points in two stores, the same questions to both: every difference in an answer is a fault, but for those listed in [`tolerated`].
//!
//! Points and questions come from a generator with a seed, so that a fault comes again.

mod compare;
mod generate;
mod opentsdb;
mod tolerated;

use loki_domain::Sample;
use loki_series::{Options, Store};
use tempfile::tempdir;

use self::compare::difference;
use self::generate::{Generator, Question};
use crate::given::{ask, read};

/// What answers: status and JSON.
type Answered = (u16, serde_json::Value);

fn ask_store(store: &Store, question: &Question) -> Answered {
    read(&ask(store, question.method, question.path, &question.query, &question.body))
}

/// How the points came, in which parts and order, and where they lie meanwhile, is no difference.
#[test]
fn a_merged_store_answers_as_one_that_just_got_its_points() {
    let mut generator = Generator::new("same", 7);
    let samples = generator.samples();
    let folders = (tempdir().unwrap(), tempdir().unwrap());
    let fresh = Store::open(folders.0.path(), Options { fresh_points_max: usize::MAX, ..Options::default() }).unwrap();
    // names get their numbers in the same order in both
    fresh.put(&generator.first_of_each()).unwrap();
    fresh.put(&samples).unwrap();
    let open = || Store::open(folders.1.path(), Options { fresh_points_max: 500, ..Options::default() }).unwrap();
    let merged = open();
    merged.put(&generator.first_of_each()).unwrap();
    let late: Vec<Sample> = samples.iter().rev().step_by(2).cloned().collect();
    for part in late.chunks(97).chain(samples.chunks(101)) {
        merged.put(part).unwrap();
    }
    drop(merged);
    let merged = open();
    merged.merge().unwrap();
    let mut answered = 0;
    for question in generator.questions(400) {
        let answers = (ask_store(&fresh, &question), ask_store(&merged, &question));
        assert_eq!(difference(&answers.0, &answers.1), None, "{question:?}");
        answered += usize::from(answers.0.1.as_array().is_some_and(|groups| !groups.is_empty()));
    }
    assert!(answered > 200, "only {answered} questions have an answer to compare");
}
