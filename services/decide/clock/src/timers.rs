//! Which timers are set, and when each is to be fired: when it is due, and again for as long as it stays. Pure.

use std::collections::{BTreeMap, BTreeSet};

use loki_domain::{RunId, Timer};

/// A timer that stays after it was fired is fired again after so long, then after twice as long, and so on: the command may be lost, or on its
/// way to a decider that is not there.
const AGAIN_MS: i64 = 5_000;
const AGAIN_MAX_MS: i64 = 60_000;

/// The timers of all runs, at most one for each.
#[derive(Debug, Default)]
pub struct Timers {
    set: BTreeMap<RunId, Set>,
    /// The same, by when they are to be fired.
    next: BTreeSet<(i64, RunId)>,
    /// The same, by when they are due.
    due: BTreeSet<(i64, RunId)>,
    /// The latest time that was told.
    now_ms: i64,
}

#[derive(Debug, Clone, Copy)]
struct Set {
    due_ms: i64,
    next_ms: i64,
    /// Until it is fired again, if it is still there then.
    again_ms: i64,
}

impl Timers {
    /// This is the run's timer now, in the place of any other.
    pub fn set(&mut self, timer: Timer) {
        if self.set.get(&timer.run).is_some_and(|set| set.due_ms == timer.due_ms) {
            return;
        }
        self.remove(timer.run);
        self.set.insert(timer.run, Set { due_ms: timer.due_ms, next_ms: timer.due_ms, again_ms: AGAIN_MS });
        self.next.insert((timer.due_ms, timer.run));
        self.due.insert((timer.due_ms, timer.run));
    }

    pub fn remove(&mut self, run: RunId) {
        if let Some(set) = self.set.remove(&run) {
            self.next.remove(&(set.next_ms, run));
            self.due.remove(&(set.due_ms, run));
        }
    }

    pub fn count(&self) -> usize {
        self.set.len()
    }

    /// Those that are to be fired now, at most so many, oldest first. They count as fired.
    pub fn fire(&mut self, now_ms: i64, max: usize) -> Vec<Timer> {
        if now_ms < self.now_ms {
            // the clock was set back, and what was put off would wait for the time it showed
            self.put_off_no_more();
        }
        self.now_ms = now_ms;
        let mut fired = Vec::new();
        while fired.len() < max
            && let Some((next_ms, run)) = self.next.first().copied().filter(|(next_ms, _)| *next_ms <= now_ms)
        {
            self.next.remove(&(next_ms, run));
            let Some(set) = self.set.get_mut(&run) else { continue };
            fired.push(Timer { run, due_ms: set.due_ms });
            set.next_ms = now_ms.saturating_add(set.again_ms);
            set.again_ms = (set.again_ms * 2).min(AGAIN_MAX_MS);
            self.next.insert((set.next_ms, run));
        }
        fired
    }

    /// In how many milliseconds there is something to be fired; `None` when no timer is set.
    pub fn wait_ms(&self, now_ms: i64) -> Option<u64> {
        self.next.first().map(|(next_ms, _)| u64::try_from(next_ms.saturating_sub(now_ms)).unwrap_or(0))
    }

    /// For how long the oldest timer that is due has been.
    pub fn late_ms(&self, now_ms: i64) -> i64 {
        self.due.first().map_or(0, |(due_ms, _)| now_ms.saturating_sub(*due_ms).max(0))
    }

    fn put_off_no_more(&mut self) {
        self.next.clear();
        for (run, set) in &mut self.set {
            (set.next_ms, set.again_ms) = (set.due_ms, AGAIN_MS);
            self.next.insert((set.next_ms, *run));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(number: u8) -> RunId {
        format!("{number:016x}").parse().unwrap()
    }

    fn timer(number: u8, due_ms: i64) -> Timer {
        Timer { run: run(number), due_ms }
    }

    #[test]
    fn a_timer_is_fired_when_it_is_due_and_again_while_it_stays() {
        let mut timers = Timers::default();
        timers.set(timer(1, 1_000));
        timers.set(timer(2, 900));
        assert_eq!((timers.wait_ms(400), timers.late_ms(400)), (Some(500), 0));
        assert_eq!(timers.fire(899, 9), []);
        assert_eq!(timers.fire(1_000, 9), [timer(2, 900), timer(1, 1_000)]);
        assert_eq!(timers.fire(5_999, 9), []);
        timers.remove(run(2));
        // read again, as after a restart of the decider, it is no other timer
        timers.set(timer(1, 1_000));
        assert_eq!(timers.fire(6_000, 9), [timer(1, 1_000)]);
        assert_eq!((timers.wait_ms(6_000), timers.late_ms(6_000)), (Some(10_000), 5_000));
        // another one in its place
        timers.set(timer(1, 7_000));
        assert_eq!((timers.fire(7_000, 9), timers.count()), (vec![timer(1, 7_000)], 1));
        timers.remove(run(1));
        assert_eq!((timers.wait_ms(7_000), timers.count(), timers.late_ms(9_000)), (None, 0, 0));
    }

    #[test]
    fn what_stays_is_fired_more_and_more_seldom() {
        let mut timers = Timers::default();
        timers.set(timer(1, 0));
        let mut at = Vec::new();
        for now_ms in (0..400_000).step_by(1_000) {
            at.extend(timers.fire(now_ms, 1).iter().map(|_| now_ms / 1_000));
        }
        assert_eq!(at, [0, 5, 15, 35, 75, 135, 195, 255, 315, 375]);
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nothing_up() {
        let mut timers = Timers::default();
        timers.set(timer(1, 1_000));
        assert_eq!(timers.fire(3_600_000, 9).len(), 1);
        assert_eq!(timers.fire(2_000, 9).len(), 1);
        assert_eq!(timers.fire(7_000, 9).len(), 1);
    }

    proptest! {
        /// Whatever is set, removed and fired: only what is set and due is fired, and all of that within a minute.
        #[test]
        fn all_that_is_due_is_fired(steps in prop::collection::vec((0..3_u8, 0..6_u8, 0..100_000_i64), 0..80)) {
            let (mut timers, mut set, mut now_ms) = (Timers::default(), BTreeMap::new(), 0);
            for (what, number, ms) in steps {
                match what {
                    0 => {
                        timers.set(timer(number, ms));
                        set.insert(run(number), ms);
                    }
                    1 => {
                        timers.remove(run(number));
                        set.remove(&run(number));
                    }
                    _ => {
                        now_ms += ms / 10;
                        for fired in timers.fire(now_ms, 3) {
                            prop_assert_eq!(set.get(&fired.run), Some(&fired.due_ms));
                            prop_assert!(fired.due_ms <= now_ms);
                        }
                    }
                }
            }
            now_ms += AGAIN_MAX_MS;
            let fired = timers.fire(now_ms, 9);
            prop_assert_eq!(fired.len(), set.values().filter(|due_ms| **due_ms <= now_ms).count());
            prop_assert_eq!(timers.count(), set.len());
        }
    }
}
