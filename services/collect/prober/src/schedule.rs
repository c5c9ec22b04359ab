//! When which target is due: a function of time alone, so that nothing drifts, and a list that was read anew forgets nothing.
//!
//! Each target has its own moment of the period, given by a hash of its series: many of them spread evenly, and a prober that is started again
//! goes on in the same rhythm. All instants are milliseconds since 1970.

use std::sync::Arc;
use std::time::Duration;

use loki_domain::Tags;

use crate::naming;
use crate::target::Target;

/// A probe that starts so late is dated when it started; less is the machine's noise.
const LATE_MS: i64 = 1_000;

/// The targets in the order of their moments.
pub(crate) struct Plan {
    every: i64,
    slots: Vec<(i64, Arc<Target>)>,
}

/// What is due.
pub(crate) struct Due {
    /// In order; no target twice.
    pub(crate) probes: Vec<(i64, Arc<Target>)>,
    /// How many were due before these, and are too old.
    pub(crate) missed: u64,
}

impl Plan {
    pub(crate) fn new(targets: &[Arc<Target>], every: Duration) -> Self {
        let every = ms(every);
        let mut slots: Vec<(i64, Arc<Target>)> = targets.iter().map(|target| (moment(target.tags(), every), target.clone())).collect();
        slots.sort_by(|(one, target), (other, than)| one.cmp(other).then_with(|| target.tags().cmp(than.tags())));
        Self { every, slots }
    }

    /// The first instant after `after` at which a target is due.
    pub(crate) fn next(&self, after: i64) -> Option<i64> {
        let count = self.count(after);
        self.at(count).map(|(due, _)| due)
    }

    /// What is due after `after` and not after `until`. Of a time longer than the period only the last period is done.
    pub(crate) fn due(&self, after: i64, until: i64) -> Due {
        let begin = after.max(until.saturating_sub(self.every));
        let (first, end) = (self.count(begin), self.count(until));
        let missed = u64::try_from(first - self.count(after)).unwrap_or(0);
        let probes = (first..end).filter_map(|index| self.at(index)).map(|(due, target)| (due, target.clone())).collect();
        Due { probes, missed }
    }

    /// How many were due from 1970 until then: the index of the next one.
    fn count(&self, until: i64) -> i64 {
        let moment = until.rem_euclid(self.every);
        let in_period = self.slots.partition_point(|(slot, _)| *slot <= moment);
        until.div_euclid(self.every) * len(&self.slots) + len(&self.slots[..in_period])
    }

    /// `None` without a target.
    fn at(&self, index: i64) -> Option<(i64, &Arc<Target>)> {
        let period = index.checked_div_euclid(len(&self.slots))?;
        let slot = usize::try_from(index.rem_euclid(len(&self.slots))).ok()?;
        self.slots.get(slot).map(|(moment, target)| (period * self.every + moment, target))
    }
}

/// The time of a probe's points: the second in which it was due.
pub(crate) fn stamp(due: i64, started: i64) -> i64 {
    let dated = if started - due < LATE_MS { due } else { started };
    dated - dated.rem_euclid(1_000)
}

/// The next instant at which all is due that has no moment of its own.
pub(crate) fn next_full(now: i64, every: Duration) -> i64 {
    (now.div_euclid(ms(every)) + 1) * ms(every)
}

/// When in its period a series is measured.
fn moment(tags: &Tags, every: i64) -> i64 {
    let name: String = tags.iter().flat_map(|(name, value)| [name, "=", value, ","]).collect();
    i64::try_from(naming::hash(name.as_bytes()) % every.unsigned_abs()).unwrap_or(0)
}

fn ms(every: Duration) -> i64 {
    i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1)
}

fn len<T>(slots: &[T]) -> i64 {
    i64::try_from(slots.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const NOW: i64 = 1_700_000_000_000;

    fn targets(count: usize) -> Vec<Arc<Target>> {
        let target = |number| Target::at(&format!("https://www{number}.acme.example"), "own");
        (0..count).map(|number| Arc::new(target(number).unwrap())).collect()
    }

    #[test]
    fn without_a_target_nothing_is_due() {
        let plan = Plan::new(&[], MINUTE);
        assert_eq!(plan.next(NOW), None);
        let due = plan.due(NOW, NOW + 600_000);
        assert!(due.probes.is_empty() && due.missed == 0);
    }

    #[test]
    fn load_is_smooth() {
        let plan = Plan::new(&targets(6_000), MINUTE);
        let mut by_second = BTreeMap::new();
        for (due, _) in plan.due(NOW, NOW + 60_000).probes {
            *by_second.entry((due - 1) / 1_000).or_insert(0) += 1;
        }
        // 100 each, and five standard deviations
        assert!((60..=61).contains(&by_second.len()) && by_second.values().all(|count| *count <= 150), "{by_second:?}");
        assert!(by_second.values().filter(|count| (80..=120).contains(*count)).count() > 50, "{by_second:?}");
    }

    #[test]
    fn after_a_long_sleep_each_is_done_once() {
        let plan = Plan::new(&targets(10), MINUTE);
        let due = plan.due(NOW, NOW + 3_600_000);
        assert_eq!((due.probes.len(), due.missed), (10, 590));
        assert!(due.probes.iter().all(|(due, _)| *due > NOW + 3_540_000));
    }

    #[test]
    fn points_are_dated_when_their_probe_was_due() {
        for (due, started, stamped) in [
            (NOW + 10, NOW + 12, NOW),
            // woken in the next second, or a little early
            (NOW + 999, NOW + 1_003, NOW),
            (NOW + 1_000, NOW + 999, NOW + 1_000),
            // it had to wait
            (NOW + 10, NOW + 4_700, NOW + 4_000),
        ] {
            assert_eq!(stamp(due, started), stamped, "{started} for {due}");
        }
        assert_eq!(next_full(NOW, MINUTE), 1_700_000_040_000);
        assert_eq!(next_full(1_700_000_040_000, MINUTE), 1_700_000_100_000);
    }

    proptest! {
        /// However the time is cut into pieces, each target is due once a period, always at the same moment of it.
        #[test]
        fn each_target_is_due_once_a_period(
            count in 1..40_usize, every in 1..120_u64, start in 0..NOW, steps in prop::collection::vec(1..20_000_i64, 1..60),
        ) {
            let every = Duration::from_secs(every);
            let plan = Plan::new(&targets(count), every);
            let (mut at, mut seen) = (start, BTreeMap::<String, Vec<i64>>::new());
            for step in steps {
                let step = step.min(ms(every));
                let next = plan.next(at).unwrap();
                prop_assert!(next > at && next <= at + ms(every));
                let due = plan.due(at, at + step);
                prop_assert_eq!(due.missed, 0);
                prop_assert_eq!(due.probes.first().map(|(due, _)| *due), Some(next).filter(|next| *next <= at + step));
                prop_assert!(due.probes.iter().all(|(due, _)| *due > at && *due <= at + step));
                prop_assert!(due.probes.windows(2).all(|pair| pair[0].0 <= pair[1].0));
                for (due, target) in due.probes {
                    seen.entry(target.to_string()).or_default().push(due);
                }
                at += step;
            }
            for dues in seen.values() {
                prop_assert!(dues.windows(2).all(|pair| pair[1] - pair[0] == ms(every)), "{dues:?}");
            }
            let whole = (at - start) / ms(every);
            prop_assert!(whole == 0 || seen.len() == count);
        }

        /// Others that come and go do not move a target.
        #[test]
        fn a_target_keeps_its_moment(keep in 0..20_usize, others in prop::collection::btree_set(0..20_usize, 0..20)) {
            let all = targets(20);
            let moment = |targets: &[Arc<Target>]| {
                let due = Plan::new(targets, MINUTE).due(NOW, NOW + 60_000);
                due.probes.into_iter().find(|(_, target)| *target == all[keep]).map(|(due, _)| due)
            };
            let some: BTreeSet<usize> = others.into_iter().chain([keep]).collect();
            let some: Vec<Arc<Target>> = some.into_iter().map(|index| all[index].clone()).collect();
            prop_assert_eq!(moment(&some), moment(&all));
            prop_assert!(moment(&some).is_some());
        }
    }
}
