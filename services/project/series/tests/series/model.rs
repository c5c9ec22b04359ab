//! Whatever is put in whatever order, and however often the store is merged, swept and opened again: it has what a map has.

use std::collections::BTreeMap;

use loki_domain::Sample;
use loki_series::{Error, Options, Store};
use proptest::prelude::*;
use tempfile::tempdir;

use crate::given::{HOUR, instant, sample, series};

const SERIES: [&str; 4] = ["cpu{host=a}", "cpu{host=b,rack=1}", "mem{host=a}", "io/x{disk=sda}"];

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<(usize, i64, f64)>),
    Merge,
    Reopen,
    Find(Vec<(usize, i64)>),
}

fn point() -> impl Strategy<Value = (usize, i64, f64)> {
    // few instants, so that many meet; some in other windows, some between seconds
    let at = prop_oneof![4 => (0i64..40).prop_map(|step| step * 10_000), 1 => 0i64..50_000_000];
    (0..SERIES.len(), at.prop_map(|at| HOUR + at), -50i32..50).prop_map(|(series, at, value)| (series, at, f64::from(value) / 4.0))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(point(), 1..60).prop_map(Step::Put),
        1 => Just(Step::Merge),
        1 => Just(Step::Reopen),
        2 => prop::collection::vec(point().prop_map(|(series, at, _)| (series, at)), 1..20).prop_map(Step::Find),
    ]
}

type Model = BTreeMap<(usize, i64), f64>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_store_has_what_a_map_has(steps in prop::collection::vec(step(), 1..25), fresh_points_max in 1usize..200) {
        let folder = tempdir().unwrap();
        let open = || Store::open(folder.path(), Options { fresh_points_max, ..Options::default() }).unwrap();
        let mut store = open();
        let mut model = Model::new();
        for step in steps {
            match step {
                Step::Put(points) => {
                    let samples: Vec<Sample> = points.iter().map(|(index, at, value)| sample(&series(SERIES[*index]), *at, *value)).collect();
                    store.put(&samples).unwrap();
                    model.extend(points.into_iter().map(|(index, at, value)| ((index, at), value)));
                }
                Step::Merge => store.merge().unwrap(),
                Step::Reopen => {
                    drop(store);
                    store = open();
                }
                Step::Find(wanted) => {
                    let pairs: Vec<_> = wanted.iter().map(|(index, at)| (series(SERIES[*index]), instant(*at))).collect();
                    let found: Vec<Option<f64>> = store.find(&pairs).unwrap().into_iter().map(|value| value.map(|value| value.get())).collect();
                    prop_assert_eq!(found, wanted.iter().map(|key| model.get(key).copied()).collect::<Vec<_>>());
                }
            }
            check(&store, &model)?;
        }
        store.merge().unwrap();
        check(&store, &model)?;
        prop_assert_eq!(store.size().unwrap().points, model.len() as u64);
        check_retention(&store, model)?;
    }
}

fn check(store: &Store, model: &Model) -> Result<(), TestCaseError> {
    let mut dumped = Model::new();
    let mut before = None;
    for part in store.dump(instant(1_000), instant(9_999_999_999_999)) {
        let (found, points) = part.unwrap();
        let index = SERIES.iter().position(|written| series(written) == found).unwrap();
        for (at, value) in points {
            let key = (found.clone(), at);
            prop_assert!(before.as_ref().is_none_or(|before| *before < key), "in order");
            before = Some(key);
            dumped.insert((index, at.ms()), value.get());
        }
    }
    prop_assert_eq!(&dumped, model);
    let newest = store.newest(&SERIES.map(series)).unwrap();
    for (index, newest) in newest.into_iter().enumerate() {
        let expected = model.range((index, 0)..=(index, i64::MAX)).next_back().map(|((_, at), _)| *at);
        prop_assert_eq!(newest.map(|at| at.ms()), expected);
    }
    Ok(())
}

/// The sweep drops whole windows of two hours, and the series that are empty then.
fn check_retention(store: &Store, mut model: Model) -> Result<(), TestCaseError> {
    let oldest = HOUR + 10_000_000;
    store.retain(oldest).unwrap();
    let kept_from = oldest / 7_200_000 * 7_200_000;
    model.retain(|(_, at), _| *at >= kept_from);
    check(store, &model)?;
    let left: std::collections::BTreeSet<usize> = model.keys().map(|(index, _)| *index).collect();
    let size = store.size().unwrap();
    prop_assert_eq!((size.points, size.series), (model.len() as u64, left.len() as u64));
    // a series that went may come again
    for written in SERIES {
        store.put(&[sample(&series(written), oldest, 1.0)]).unwrap();
    }
    prop_assert_eq!(store.size().unwrap().series, SERIES.len() as u64);
    Ok(())
}

#[test]
fn a_part_of_time_is_dumped() {
    let folder = tempdir().unwrap();
    let store = crate::given::open(&folder);
    let cpu = series("cpu{host=a}");
    let samples: Vec<Sample> = (0..3_000).map(|step| sample(&cpu, HOUR + step * 60_000, step as f64)).collect();
    store.put(&samples).unwrap();
    let parts: Vec<_> = store.dump(instant(HOUR + 60_000), instant(HOUR + 2_000 * 60_000)).map(|part| part.unwrap().1).collect();
    assert!(parts.len() > 1 && parts.iter().all(|part| part.len() <= 1_440));
    assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), 2_000);
    assert_eq!((parts[0][0].0.ms(), parts[0][0].1.get()), (HOUR + 60_000, 1.0));
}

#[test]
fn there_are_at_most_so_many_series() {
    let folder = tempdir().unwrap();
    let store = Store::open(folder.path(), Options { series_max: 2, ..Options::default() }).unwrap();
    let one = |host: &str| sample(&series(&format!("cpu{{host={host}}}")), HOUR, 1.0);
    store.put(&[one("a"), one("b"), one("a")]).unwrap();
    let refused = store.put(&[one("a"), one("c")]);
    assert!(matches!(refused, Err(Error::TooManySeries { series_max: 2 })), "{refused:?}");
    store.put(&[one("b")]).unwrap();
    assert_eq!(store.newest(&[series("cpu{host=c}")]).unwrap(), [None]);
}

#[test]
fn a_folder_is_open_once() {
    let folder = tempdir().unwrap();
    let _store = crate::given::open(&folder);
    assert!(matches!(Store::open(folder.path(), Options::default()).map(|_| ()), Err(Error::Locked)));
}
