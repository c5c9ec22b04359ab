//! The judge by example, and against a model: whatever comes when, a replay of everything stores what a store without failures would hold.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use loki_domain::Tags;
use proptest::prelude::*;

use super::*;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// The log's time in most examples.
const NOW_MS: i64 = 1_700_000_000_000;

fn rules() -> Rules {
    Rules { partition: 0, partitions: 1, too_old_ms: 7 * DAY_MS, ahead_max_ms: 300_000 }
}

fn judge_with(rules: Rules) -> Judge {
    Judge::new(rules, Allowance::new(1 << 20))
}

fn series(host: &str) -> Series {
    Series::new("m".parse().unwrap(), Tags::new([("host", host)]).unwrap())
}

fn at(ms: i64) -> Instant {
    // what has at most 32 bits is taken for seconds
    if ms % 1_000 == 0 { Instant::new(ms / 1_000).unwrap() } else { Instant::new(ms).unwrap() }
}

fn value(number: f64) -> Value {
    Value::new(number).unwrap()
}

fn sample(ms: i64, number: f64) -> Sample {
    Sample { series: series("a"), at: at(ms), value: value(number) }
}

fn ticket(offset: u64) -> Ticket {
    Ticket { offset, index: 0 }
}

/// A judge that knows the series to have nothing after `newest`.
fn knowing(newest: Newest) -> Judge {
    let mut judge = judge_with(rules());
    let first = sample(NOW_MS - 10 * DAY_MS, 0.0);
    assert_eq!(judge.judge(ticket(0), &first, NOW_MS), Verdict::Look { newest: true });
    judge.found(&first.series, first.at, Found::Value(first.value), Some(newest));
    judge
}

#[test]
fn fresh_points_are_put_and_repeats_are_not() {
    let mut judge = knowing(Newest::At(at(NOW_MS - HOUR_MS)));
    let point = sample(NOW_MS, 1.0);
    assert_eq!(judge.judge(ticket(1), &point, NOW_MS), Verdict::Put);
    assert_eq!(judge.judge(ticket(2), &point, NOW_MS), Verdict::Repeat);
    assert_eq!(judge.judge(ticket(3), &sample(NOW_MS, 2.0), NOW_MS), Verdict::Dead(Dead::Conflict(value(1.0))));
    judge.stored(&point.series, point.at);
    assert_eq!(judge.judge(ticket(4), &point, NOW_MS), Verdict::Repeat);
    // a gap above the floor
    assert_eq!(judge.judge(ticket(5), &sample(NOW_MS - 1_000, 2.0), NOW_MS), Verdict::Put);
}

#[test]
fn a_series_that_is_not_known_is_looked_up() {
    let mut judge = judge_with(rules());
    let (first, second) = (sample(NOW_MS, 1.0), sample(NOW_MS + 1_000, 1.0));
    assert_eq!(judge.judge(ticket(1), &first, NOW_MS), Verdict::Look { newest: true });
    assert_eq!(judge.judge(ticket(2), &second, NOW_MS), Verdict::Look { newest: true });
    assert_eq!(judge.looking(), 2);
    let settled = judge.found(&first.series, first.at, Found::Nothing, Some(Newest::Never));
    assert_eq!(settled, [(ticket(1), value(1.0), Verdict::Put)]);
    assert_eq!(judge.judge(ticket(3), &sample(NOW_MS - HOUR_MS, 1.0), NOW_MS), Verdict::Put);
    let settled = judge.found(&second.series, second.at, Found::Value(value(1.0)), None);
    assert_eq!((settled, judge.looking()), (vec![(ticket(2), value(1.0), Verdict::Repeat)], 0));
}

#[test]
fn what_waits_for_a_look_up_is_settled_by_it() {
    for (found, first, waiting) in [
        (Found::Nothing, Verdict::Put, [Verdict::Repeat, Verdict::Dead(Dead::Conflict(value(1.0)))]),
        (Found::Value(value(1.0)), Verdict::Repeat, [Verdict::Repeat, Verdict::Dead(Dead::Conflict(value(1.0)))]),
        (Found::Value(value(2.0)), Verdict::Dead(Dead::Conflict(value(2.0))), [Verdict::Dead(Dead::Conflict(value(2.0))), Verdict::Repeat]),
        (Found::Conflicting, Verdict::Dead(Dead::Conflicting), [Verdict::Dead(Dead::Conflicting), Verdict::Dead(Dead::Conflicting)]),
    ] {
        let mut judge = knowing(Newest::At(at(NOW_MS)));
        let late = sample(NOW_MS - HOUR_MS, 1.0);
        assert_eq!(judge.judge(ticket(1), &late, NOW_MS), Verdict::Look { newest: false });
        assert_eq!(judge.judge(ticket(2), &late, NOW_MS), Verdict::Waits);
        assert_eq!(judge.judge(ticket(3), &sample(NOW_MS - HOUR_MS, 2.0), NOW_MS), Verdict::Waits);
        let settled: Vec<_> = judge.found(&late.series, late.at, found, None).into_iter().map(|(_, _, verdict)| verdict).collect();
        assert_eq!(settled, [first, waiting[0].clone(), waiting[1].clone()]);
        assert_eq!(judge.looking(), 0);
    }
}

#[test]
fn what_lies_where_opentsdb_cannot_look_is_dead() {
    let mut judge = judge_with(rules());
    let last = 50 * DAY_MS - 1_000;
    assert_eq!(judge.judge(ticket(1), &sample(last, 1.0), NOW_MS), Verdict::Dead(Dead::BeforeAll));
    assert_eq!(judge.judge(ticket(2), &sample(1_000, 1.0), NOW_MS), Verdict::Dead(Dead::BeforeAll));
    assert!(matches!(judge.judge(ticket(3), &sample(50 * DAY_MS, 1.0), NOW_MS), Verdict::Look { .. }));
}

#[test]
fn what_is_too_old_is_dead_and_a_new_series_may_be_of_any_age() {
    let mut judge = knowing(Newest::At(at(NOW_MS)));
    let old = sample(NOW_MS - 7 * DAY_MS - 1_000, 1.0);
    judge.judge(ticket(1), &old, NOW_MS);
    let settled = judge.found(&old.series, old.at, Found::Nothing, None);
    assert_eq!(settled[0].2, Verdict::Dead(Dead::TooOld { newest_ms: NOW_MS }));
    // it is there already, whatever its age
    judge.judge(ticket(2), &old, NOW_MS);
    assert_eq!(judge.found(&old.series, old.at, Found::Value(value(1.0)), None)[0].2, Verdict::Repeat);
    let just = sample(NOW_MS - 7 * DAY_MS, 1.0);
    judge.judge(ticket(3), &just, NOW_MS);
    assert_eq!(judge.found(&just.series, just.at, Found::Nothing, None)[0].2, Verdict::Put);

    let mut judge = judge_with(rules());
    let history = sample(NOW_MS - 1_000 * DAY_MS, 1.0);
    judge.judge(ticket(1), &history, NOW_MS);
    assert_eq!(judge.found(&history.series, history.at, Found::Nothing, Some(Newest::Never))[0].2, Verdict::Put);
    assert_eq!(judge.judge(ticket(2), &sample(NOW_MS - 995 * DAY_MS, 1.0), NOW_MS), Verdict::Put);
}

#[test]
fn a_point_waits_for_those_that_would_be_too_old_beside_it() {
    let mut judge = knowing(Newest::Never);
    let first = sample(NOW_MS - 9 * DAY_MS, 1.0);
    assert_eq!(judge.judge(ticket(1), &first, NOW_MS), Verdict::Put);
    assert_eq!(judge.judge(ticket(2), &sample(NOW_MS, 1.0), NOW_MS), Verdict::After);
    judge.stored(&first.series, first.at);
    assert_eq!(judge.judge(ticket(2), &sample(NOW_MS, 1.0), NOW_MS), Verdict::Put);
}

#[test]
fn what_is_ahead_of_the_log_or_in_a_wrong_partition_is_not_stored() {
    let mut judge = judge_with(rules());
    assert_eq!(judge.judge(ticket(1), &sample(NOW_MS + 301_000, 1.0), NOW_MS), Verdict::Dead(Dead::AheadOfLog { ahead_ms: 301_000 }));
    let mut judge = judge_with(Rules { partitions: 12, partition: (series("a").partition(12) + 1) % 12, ..rules() });
    assert_eq!(judge.judge(ticket(1), &sample(NOW_MS, 1.0), NOW_MS), Verdict::Misplaced);
    judge.remember(&sample(NOW_MS, 1.0), NOW_MS, 0);
    assert_eq!(judge.judge(ticket(2), &sample(NOW_MS, 1.0), NOW_MS), Verdict::Misplaced);
}

#[test]
fn what_was_read_again_is_known_above_what_can_have_been_written_before() {
    let mut judge = judge_with(rules());
    let before_ms = NOW_MS - 900_000;
    let floor_ms = before_ms + 300_000;
    for (offset, (ms, number)) in [(floor_ms, 1.0), (floor_ms + 1_000, 1.0), (floor_ms + 1_000, 2.0)].into_iter().enumerate() {
        judge.remember(&sample(ms, number), ms + offset as i64, before_ms);
    }
    // the log was read from too late on to know what came first here
    assert_eq!(judge.judge(ticket(9), &sample(floor_ms, 1.0), NOW_MS), Verdict::Look { newest: false });
    assert_eq!(judge.judge(ticket(9), &sample(floor_ms + 1_000, 1.0), NOW_MS), Verdict::Repeat);
    assert_eq!(judge.judge(ticket(9), &sample(floor_ms + 2_000, 1.0), NOW_MS), Verdict::Put);
}

#[test]
fn a_refused_point_leaves_its_instant_free() {
    let mut judge = knowing(Newest::Never);
    let point = sample(NOW_MS, 1.0);
    assert_eq!(judge.judge(ticket(1), &point, NOW_MS), Verdict::Put);
    judge.refused(&point.series, point.at);
    assert_eq!(judge.judge(ticket(2), &sample(NOW_MS, 2.0), NOW_MS), Verdict::Put);
}

// === the model ===

/// What is given: points of a few series at a few instants, dated by the log as they come.
#[derive(Debug, Clone)]
struct Given {
    sample: Sample,
    log_ms: i64,
}

fn given() -> impl Strategy<Value = Vec<Given>> {
    // minutes of the log between points, how far behind the log a point is dated in minutes, and its series and value
    let behind = prop_oneof![4 => -4i64..4, 2 => 0i64..40, 1 => 0i64..(9 * 24 * 60)];
    prop::collection::vec((0i64..3, behind, 0usize..3, 0u8..3), 1..150).prop_map(|points| {
        let mut log_ms = NOW_MS;
        let of = |(minutes, behind, host, number): (i64, i64, usize, u8)| {
            log_ms += minutes * 60_000;
            let sample =
                Sample { series: series(["a", "b", "c"][host]), at: at(log_ms - behind * 60_000), value: value(f64::from(number)) };
            Given { sample, log_ms }
        };
        points.into_iter().map(of).collect()
    })
}

/// Values by series and instant.
type Cells = BTreeMap<(String, Instant), BTreeSet<String>>;

/// A store that takes points some time after they were sent, or loses them in a crash.
#[derive(Debug, Default)]
struct Store {
    cells: Cells,
}

impl Store {
    fn put(&mut self, sample: &Sample) {
        self.cells.entry((sample.series.to_string(), sample.at)).or_default().insert(sample.value.to_string());
    }

    fn find(&self, sample: &Sample) -> Found {
        match self.cells.get(&(sample.series.to_string(), sample.at)) {
            None => Found::Nothing,
            Some(values) if values.len() == 1 => Found::Value(values.first().unwrap().parse().unwrap()),
            Some(_) => Found::Conflicting,
        }
    }

    fn newest(&self, series: &Series) -> Newest {
        let name = series.to_string();
        let instants = self.cells.keys().filter(|(of, _)| *of == name).map(|(_, at)| *at);
        instants.max().map_or(Newest::Never, Newest::At)
    }
}

/// Runs the judge over everything from `from` on, with answers at random moments, until `until` points were taken; what is under way then is lost or not.
fn run(
    points: &[Given],
    from: usize,
    until: usize,
    memory: usize,
    choices: &mut impl Iterator<Item = u8>,
    store: &mut Store,
    dead: &mut BTreeSet<usize>,
) -> usize {
    let mut judge = Judge::new(rules(), Allowance::new(memory));
    let before_ms = points.get(from).map_or(i64::MAX, |given| given.log_ms - 900_000);
    for given in points[..from].iter().filter(|given| given.log_ms >= before_ms) {
        judge.remember(&given.sample, given.log_ms, before_ms);
    }
    let (mut puts, mut looks) = (VecDeque::<usize>::new(), VecDeque::<(usize, bool)>::new());
    let mut done = BTreeSet::new();
    let mut next = from;
    loop {
        let is_last = next >= until.min(points.len());
        if is_last && until < points.len() {
            // what was on its way may arrive all the same
            for put in puts {
                if choices.next().unwrap_or(0) & 1 == 0 {
                    store.put(&points[put].sample);
                }
            }
            break;
        }
        if is_last && puts.is_empty() && looks.is_empty() {
            break;
        }
        let mut blocked = is_last;
        let choice = choices.next().unwrap_or(0) % 4;
        if !blocked && choice >= 2 {
            let Given { sample, log_ms } = &points[next];
            match judge.judge(ticket(next as u64), sample, *log_ms) {
                Verdict::Put => puts.push_back(next),
                Verdict::Look { newest } => looks.push_back((next, newest)),
                Verdict::Waits => {}
                Verdict::Repeat => drop(done.insert(next)),
                Verdict::Dead(_) => {
                    dead.insert(next);
                    done.insert(next);
                }
                Verdict::After => blocked = true,
                Verdict::Misplaced => unreachable!("there is one partition"),
            }
            next += usize::from(!blocked);
        }
        if (choice == 0 || blocked) && !puts.is_empty() {
            // in any order
            let index = choices.next().unwrap_or(0) as usize % puts.len();
            let put = puts.remove(index).unwrap();
            store.put(&points[put].sample);
            judge.stored(&points[put].sample.series, points[put].sample.at);
            done.insert(put);
        }
        if (choice == 1 || blocked) && !looks.is_empty() {
            let index = choices.next().unwrap_or(0) as usize % looks.len();
            let (look, newest) = looks.remove(index).unwrap();
            let Sample { series, at, .. } = &points[look].sample;
            let newest = newest.then(|| store.newest(series));
            for (ticket, _, verdict) in judge.found(series, *at, store.find(&points[look].sample), newest) {
                let index = ticket.offset as usize;
                match verdict {
                    Verdict::Put => puts.push_back(index),
                    Verdict::Dead(_) => {
                        dead.insert(index);
                        done.insert(index);
                    }
                    _ => drop(done.insert(index)),
                }
            }
        }
    }
    (from..next).find(|index| !done.contains(index)).unwrap_or(next)
}

/// What a store without failures holds in the end, and which points are dead.
fn expected(points: &[Given]) -> (Cells, BTreeSet<usize>) {
    let (mut store, mut dead) = (Store::default(), BTreeSet::new());
    for (index, Given { sample, log_ms }) in points.iter().enumerate() {
        let is_ahead = sample.at.ms() > log_ms + 300_000;
        let newest = match store.newest(&sample.series) {
            Newest::At(at) => at.ms(),
            _ => i64::MIN,
        };
        match store.find(sample) {
            _ if is_ahead => drop(dead.insert(index)),
            Found::Nothing if sample.at.ms() + 7 * DAY_MS < newest => drop(dead.insert(index)),
            Found::Nothing => store.put(sample),
            Found::Value(value) if value == sample.value => {}
            _ => drop(dead.insert(index)),
        }
    }
    (store.cells, dead)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Crashes at random moments, answers in any order, and memory for all series or for one.
    #[test]
    fn the_lowest_offset_wins_whatever_happens(
        points in given(),
        crashes in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        choices in prop::collection::vec(any::<u8>(), 0..2_000),
        memory in prop_oneof![Just(1usize), Just(1 << 20)],
    ) {
        let (mut store, mut dead, mut from) = (Store::default(), BTreeSet::new(), 0);
        let mut choices = choices.into_iter().chain(std::iter::repeat([2, 3, 0, 1, 2]).flatten());
        for crash in crashes {
            let until = crash.index(points.len() + 1);
            if until > from {
                from = run(&points, from, until.min(points.len() - 1), memory, &mut choices, &mut store, &mut dead);
            }
        }
        let end = run(&points, from, points.len(), memory, &mut choices, &mut store, &mut dead);
        prop_assert_eq!(end, points.len());
        let (cells, expected_dead) = expected(&points);
        prop_assert_eq!(store.cells, cells);
        prop_assert_eq!(dead, expected_dead);
    }
}
