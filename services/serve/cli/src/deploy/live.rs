//! A run as a terminal shows it while it goes on: how far it is, how far its batch is, and which servers are under way.

use std::collections::BTreeMap;

use super::state::{Detail, Told, is_ended};
use crate::output::text::{count, printable};

/// So many servers have a line each; the others are counted.
pub(super) const NAMED: usize = 5;
/// States of a server that is under way.
const OPEN: [&str; 2] = ["pending", "running"];

/// The lines for a run. Of these servers the first ones that are under way are named.
pub(super) fn lines(detail: &Detail, tasks: &[Told]) -> Vec<String> {
    let run = &detail.run;
    if is_ended(&run.state) {
        return Vec::new();
    }
    let mut lines = vec![
        format!("run {}  {}  batch {}/{}", run.id, run.state, run.batch + 1, run.batches),
        format!("  run    {} of {}", counts(&detail.tasks), count(run.servers as usize, "server")),
        format!("  batch  {}", counts(&detail.batch)),
    ];
    let counted = lines.len();
    let open = open(&detail.tasks) as usize;
    let under_way = tasks.iter().filter(|told| OPEN.contains(&told.task.state.as_str()));
    lines.extend(under_way.take(NAMED.min(open)).map(named));
    let unnamed = open.saturating_sub(lines.len() - counted);
    if unnamed > 0 {
        lines.push(if unnamed == open { format!("  {open} under way") } else { format!("  and {unnamed} more") });
    }
    lines.iter().map(|line| printable(line)).collect()
}

fn named(told: &Told) -> String {
    let step = told.task.step.as_deref().unwrap_or(if told.task.state == "pending" { "told" } else { "begun" });
    format!("  {}  {step}", told.server())
}

fn counts(of: &BTreeMap<String, u64>) -> String {
    let count = |state: &str| of.get(state).copied().unwrap_or(0);
    format!("{} done, {} failed, {} unknown, {} open", count("succeeded"), count("failed"), count("unknown"), open(of))
}

fn open(of: &BTreeMap<String, u64>) -> u64 {
    OPEN.into_iter().filter_map(|state| of.get(state)).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn detail(state: &str, tasks: Value, batch: Value) -> Detail {
        let plan = json!({ "batches": "1", "failures": "0", "on_failure": "pause", "pause_ms": 0, "timeout_ms": 1, "progress_ms": 1 });
        let job = json!({ "type": "script", "script": "uptime", "user": null, "output_bytes_max": 1 });
        let run = json!({ "id": "07", "node": "01", "template": "script", "job": job, "plan": plan, "by": "ci", "state": state, "why": null,
            "servers": 50, "batches": 5, "batch": 1, "begun_ms": 0, "since_ms": 0, "next_ms": null, "forgiven": 0, "again_ms": null,
            "ended_ms": null });
        serde_json::from_value(json!({ "run": run, "path": "/acme", "package": null, "tasks": tasks, "batch": batch })).unwrap()
    }

    fn told(name: &str, state: &str, step: Option<&str>) -> Told {
        let task = json!({ "run": "07", "server": "01", "batch": 1, "attempt": 1, "direction": "forward", "state": state, "step": step,
            "message": null, "told_ms": 0, "changed_ms": 0, "signature": null });
        serde_json::from_value(json!({ "task": task, "name": name })).unwrap()
    }

    #[test]
    fn a_run_that_goes_on() {
        let detail =
            detail("running", json!({ "succeeded": 12, "failed": 1, "running": 1, "pending": 1 }), json!({ "running": 1, "pending": 1 }));
        let under_way = [told("web01", "running", Some("download")), told("web02", "failed", None), told("web\u{1b}", "pending", None)];
        let expected = [
            "run 07  running  batch 2/5",
            "  run    12 done, 1 failed, 0 unknown, 2 open of 50 servers",
            "  batch  0 done, 0 failed, 0 unknown, 2 open",
            "  web01  download",
            "  web\u{fffd}  told",
        ];
        assert_eq!(lines(&detail, &under_way), expected);
    }

    #[test]
    fn more_servers_than_a_line_has_room_for() {
        let detail = detail("running", json!({ "running": 20 }), json!({ "running": 20 }));
        let under_way: Vec<_> = (0..NAMED).map(|number| told(&format!("w{number}"), "running", Some("start"))).collect();
        let last = |under_way: &[Told]| lines(&detail, under_way).pop().unwrap();
        assert_eq!(last(&under_way), "  and 15 more");
        assert_eq!(lines(&detail, &under_way).len(), 3 + NAMED + 1);
        // the list may lag behind the counts
        assert_eq!(last(&[]), "  20 under way");
    }

    #[test]
    fn nobody_is_under_way() {
        assert_eq!(lines(&detail("paused", json!({}), json!({})), &[told("web01", "running", None)]).len(), 3);
        assert_eq!(lines(&detail("failed", json!({ "running": 1 }), json!({})), &[]), Vec::<String>::new());
    }
}
