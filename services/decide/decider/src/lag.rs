//! How far behind the active decider is, for metrics alone: nothing is decided by it.

use std::sync::Arc;
use std::time::Duration;

use loki_log::{Log, Partition};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, task};
use tokio::task::JoinHandle;

use crate::metrics;
use crate::seat::Seat;

/// How often the end of the commands is asked for.
const ASK_EVERY: Duration = Duration::from_secs(10);

pub(crate) struct Lag {
    log: Arc<dyn Log>,
    commands: Partition,
    clock: Clock,
    asked: Option<(Stopwatch, JoinHandle<()>)>,
}

impl Lag {
    pub(crate) fn new(log: Arc<dyn Log>, commands: Partition, clock: Clock) -> Self {
        Self { log, commands, clock, asked: None }
    }

    /// `next`: the first command without an outcome. While nothing was read and the end is not known, what was said last stands.
    pub(crate) fn tell(&mut self, seat: &Seat, next: u64) {
        if let Some(oldest) = seat.waiting.front() {
            metrics::lag_seconds(self.age(oldest.timestamp_ms));
        } else if seat.is_at_end() {
            metrics::lag_seconds(0.0);
            metrics::lag(0);
            return;
        }
        if self.asked.as_ref().is_none_or(|(since, _)| since.elapsed() >= ASK_EVERY) {
            self.ask(next);
        }
    }

    /// A batch was committed whose oldest command is of that time.
    pub(crate) fn answered(&self, oldest_ms: i64) {
        metrics::took_to_answer(self.age(oldest_ms));
    }

    /// Beside the loop: a log that answers slowly does not hold it up.
    fn ask(&mut self, next: u64) {
        self.stop_asking();
        let (log, commands) = (self.log.clone(), self.commands.clone());
        let asking = task::spawn("lag", async move {
            if let Some(Ok(bounds)) = task::timeout(ASK_EVERY, log.bounds(&commands)).await {
                metrics::lag(bounds.end.saturating_sub(next));
            }
        });
        self.asked = Some((Stopwatch::start(), asking));
    }

    fn stop_asking(&mut self) {
        if let Some((_, asking)) = self.asked.take() {
            asking.abort();
        }
    }

    fn age(&self, timestamp_ms: i64) -> f64 {
        (self.clock.now_ms() - timestamp_ms).max(0) as f64 / 1_000.0
    }
}

impl Drop for Lag {
    /// Whoever stands by is not behind.
    fn drop(&mut self) {
        self.stop_asking();
        metrics::lag_seconds(0.0);
        metrics::lag(0);
    }
}

#[cfg(test)]
mod tests {
    use loki_log::memory::MemoryLog;
    use loki_log::{Batch, Event, NewRecord, Record, Topic};

    use super::*;
    use crate::seat;

    /// What is counted when five commands are in the log, two are decided, and these events were told.
    fn counted(events: impl FnOnce(&Partition) -> Vec<Event>, stays: bool) -> String {
        let commands = Partition::only(&Topic::new("commands"));
        let mut kept = None;
        loki_telemetry::counted(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                let log = MemoryLog::simple(false);
                log.write(&commands, vec![NewRecord::default(); 5], false);
                let (seat, _) = seat::tests::told(&commands, events(&commands)).await;
                let mut lag = Lag::new(Arc::new(log), commands.clone(), Clock::fixed(90_000));
                lag.tell(&seat, 2);
                task::sleep(Duration::from_millis(1)).await;
                kept = stays.then_some(lag);
            });
        })
    }

    fn records(partition: &Partition) -> Vec<Event> {
        let record = Record { partition: partition.clone(), offset: 2, timestamp_ms: 30_000, key: None, value: None, headers: Vec::new() };
        let batch = Batch { records: vec![record], position: 3, at_end: false };
        vec![Event::Assigned(vec![partition.clone()]), Event::Records { partition: partition.clone(), batch }]
    }

    #[track_caller]
    fn says(counted: &str, lines: [&str; 3]) {
        for line in lines {
            assert!(counted.lines().any(|said| said == line), "`{line}` is not in\n{counted}");
        }
    }

    const ASSIGNED: &str = r#"lokiops_log_rebalanced_partitions_total{group="decider",change="assigned"} 1"#;

    #[test]
    fn what_waits_is_told_in_records_and_in_time() {
        says(&counted(records, true), ["lokiops_decider_lag_records 3", "lokiops_decider_lag_seconds 60", ASSIGNED]);
    }

    #[test]
    fn nothing_waits_at_the_end_nor_for_a_stand_by() {
        let at_end = |partition: &Partition| {
            let batch = Batch { records: Vec::new(), position: 5, at_end: true };
            vec![Event::Assigned(vec![partition.clone()]), Event::Records { partition: partition.clone(), batch }]
        };
        let nothing = ["lokiops_decider_lag_records 0", "lokiops_decider_lag_seconds 0", ASSIGNED];
        says(&counted(at_end, true), nothing);
        says(&counted(records, false), nothing);
    }
}
