//! The one place where the loop says how it is: status, readiness and metrics cannot differ.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use loki_domain::LogId;
use loki_runtime::Clock;
use loki_telemetry::{Component, Health};
use tokio::sync::watch;

use crate::entry::Reason;
use crate::metrics;
use crate::projection::{State, Stored};
use crate::status::{Mode, Phase, Snapshot, Status, Told};

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Report(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: &'static str,
    clock: Clock,
    component: Component,
    sender: watch::Sender<Snapshot>,
    /// Of when the newest record is that was read; while there is nothing to be read, of the last look.
    fresh_ms: AtomicI64,
}

impl Report {
    pub(crate) fn new(name: &'static str, clock: Clock, health: &Health) -> Self {
        let (sender, _) = watch::channel(Snapshot {
            name,
            stored: None,
            log: None,
            end: None,
            lag_records: None,
            phase: Phase::Waiting,
            mode: Mode::Joining,
            store_away: None,
            log_away: None,
            trouble: None,
            last_rebuild: None,
        });
        let fresh_ms = AtomicI64::new(clock.now_ms());
        Self(Arc::new(Inner { name, clock, component: health.component(name), sender, fresh_ms }))
    }

    pub(crate) fn status(&self) -> Status {
        Status::new(self.0.sender.subscribe())
    }

    pub(crate) fn name(&self) -> &'static str {
        self.0.name
    }

    pub(crate) fn waits(&self, mode: Mode) {
        self.change(|snapshot| {
            snapshot.phase = Phase::Waiting;
            snapshot.mode = mode;
            snapshot.lag_records = None;
        });
        // whoever stands by is not behind
        metrics::lag(self.0.name, 0);
        metrics::lag_ms(self.0.name, 0);
    }

    pub(crate) fn entering(&self) {
        self.change(|snapshot| snapshot.mode = Mode::Entering);
    }

    pub(crate) fn log_is(&self, log: LogId) {
        self.change(|snapshot| snapshot.log = Some(log));
    }

    pub(crate) fn end_is(&self, end: u64) {
        self.change(|snapshot| snapshot.end = Some(end));
    }

    pub(crate) fn stored(&self, stored: Option<Stored>) {
        self.change(|snapshot| snapshot.stored = stored);
    }

    pub(crate) fn follows(&self) {
        self.change(|snapshot| {
            snapshot.phase = Phase::Live;
            snapshot.mode = Mode::Following;
        });
    }

    pub(crate) fn replays(&self, position: u64, end: u64) {
        self.change(|snapshot| {
            snapshot.phase = Phase::Building;
            snapshot.mode = Mode::Replaying { position, end };
        });
    }

    pub(crate) fn rebuilds(&self, position: u64, end: u64, reason: Reason) {
        self.change(|snapshot| {
            let readable = snapshot.stored.is_some_and(|stored| stored.state == State::Live);
            snapshot.phase = if readable { Phase::Live } else { Phase::Building };
            snapshot.mode = Mode::Rebuilding { position, end, reason: reason.to_string() };
        });
    }

    pub(crate) fn rebuild_begun(&self, reason: Reason) {
        metrics::rebuild(self.0.name, reason);
        let told = self.told(reason.to_string());
        self.change(|snapshot| snapshot.last_rebuild = Some(told));
    }

    /// `age_ms` is `None` when it is not known anew: what was the newest then is that much older now.
    pub(crate) fn lag(&self, records: u64, age_ms: Option<i64>) {
        let now_ms = self.0.clock.now_ms();
        if let Some(age_ms) = age_ms {
            self.0.fresh_ms.store(now_ms - age_ms, Ordering::Relaxed);
        }
        let fresh_ms = if records == 0 { now_ms } else { self.0.fresh_ms.load(Ordering::Relaxed) };
        metrics::lag(self.0.name, records);
        metrics::lag_ms(self.0.name, (now_ms - fresh_ms).max(0));
        self.change(|snapshot| snapshot.lag_records = Some(records));
    }

    /// Nothing is left to apply.
    pub(crate) fn at_end(&self) {
        if self.0.sender.borrow().lag_records != Some(0) {
            self.lag(0, Some(0));
        }
    }

    /// What the store said, or was told, last.
    pub(crate) fn last_stored(&self) -> Option<Stored> {
        self.0.sender.borrow().stored
    }

    /// What the group's offset shall say.
    pub(crate) fn note(&self) -> Option<String> {
        self.0.sender.borrow().trouble.as_ref().map(Told::to_note)
    }

    pub(crate) fn log(&self) -> Option<LogId> {
        self.0.sender.borrow().log
    }

    pub(crate) fn position(&self) -> Option<u64> {
        self.0.sender.borrow().position()
    }

    pub(crate) fn stopped(&self, reason: String) {
        self.change(|snapshot| {
            snapshot.phase = Phase::Stopped;
            snapshot.mode = Mode::Stopped { reason };
        });
    }

    pub(crate) fn ended(&self, error: Option<String>) {
        let told = error.map(|error| self.told(error));
        self.change(|snapshot| {
            snapshot.phase = Phase::Stopped;
            snapshot.mode = Mode::Ended;
            if told.is_some() {
                snapshot.trouble = told;
            }
        });
    }

    pub(crate) fn store_away(&self, why: String) {
        self.change(|snapshot| snapshot.store_away = Some(why));
    }

    pub(crate) fn store_back(&self) {
        if self.0.sender.borrow().store_away.is_some() {
            self.change(|snapshot| snapshot.store_away = None);
        }
    }

    pub(crate) fn log_away(&self, why: String) {
        self.change(|snapshot| snapshot.log_away = Some(why));
    }

    pub(crate) fn log_back(&self) {
        if self.0.sender.borrow().log_away.is_some() {
            self.change(|snapshot| snapshot.log_away = None);
        }
    }

    fn told(&self, text: String) -> Told {
        Told { at_ms: self.0.clock.now_ms(), text }
    }

    fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        self.0.sender.send_modify(|snapshot| {
            let before = snapshot.kind();
            change(snapshot);
            snapshot.retell(&before, || self.0.clock.now_ms());
        });
        let snapshot = self.0.sender.borrow();
        match snapshot.why_not_ready() {
            None => self.0.component.ready(),
            Some(why) => self.0.component.not_ready(why),
        }
        metrics::state(self.0.name, snapshot.phase);
        metrics::away(self.0.name, metrics::WHAT_STORE, snapshot.store_away.is_some());
        metrics::away(self.0.name, metrics::WHAT_LOG, snapshot.log_away.is_some());
        metrics::rebuilding(self.0.name, matches!(snapshot.mode, Mode::Replaying { .. } | Mode::Rebuilding { .. }));
        if let Some(stored) = snapshot.stored {
            metrics::position(self.0.name, stored.position);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics_after(tell: impl FnOnce(&Report, &Clock)) -> String {
        loki_telemetry::counted(|| {
            let clock = Clock::fixed(100_000);
            tell(&Report::new("tree", clock.clone(), &Health::new()), &clock);
        })
    }

    #[track_caller]
    fn holds(counted: &str, metric: &str, value: &str) {
        assert!(counted.lines().any(|line| line.split_once(' ') == Some((metric, value))), "`{metric} {value}` is not in\n{counted}");
    }

    #[test]
    fn a_store_that_is_away_grows_old() {
        let counted = metrics_after(|report, clock| {
            report.follows();
            report.lag(3, Some(1_000));
            report.store_away("no answer".to_owned());
            clock.set(130_000);
            report.lag(9, None);
        });
        holds(&counted, r#"lokiops_project_lag_records{projection="tree"}"#, "9");
        holds(&counted, r#"lokiops_project_lag_seconds{projection="tree"}"#, "31");
        holds(&counted, r#"lokiops_project_away{projection="tree",what="store"}"#, "1");
        holds(&counted, r#"lokiops_project_away{projection="tree",what="log"}"#, "0");
        holds(&counted, r#"lokiops_ready{component="tree"}"#, "0");
    }

    #[test]
    fn whoever_stands_by_is_not_behind() {
        let counted = metrics_after(|report, _| {
            report.replays(5, 90);
            report.lag(85, Some(60_000));
            report.waits(Mode::StandingBy);
        });
        holds(&counted, r#"lokiops_project_lag_records{projection="tree"}"#, "0");
        holds(&counted, r#"lokiops_project_lag_seconds{projection="tree"}"#, "0");
        holds(&counted, r#"lokiops_project_rebuilding{projection="tree"}"#, "0");
    }

    #[test]
    fn a_store_that_is_filled_anew_says_so_also_while_it_is_read() {
        let counted = metrics_after(|report, _| report.rebuilds(0, 90, Reason::Asked));
        holds(&counted, r#"lokiops_project_rebuilding{projection="tree"}"#, "1");
    }
}
