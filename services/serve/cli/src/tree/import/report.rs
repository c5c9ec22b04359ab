//! What an import tells: where the file is wrong, what would be done, what was done, what was refused.

use serde_json::json;

use super::emission::{Done, Rejected};
use crate::exit::Failure;
use crate::import::{Plan, Step, Warning};
use crate::output::Output;
use crate::output::text::{count, printable};

/// `FILE:LINE: message`, as compilers write it.
pub(super) fn located(file: &str, line: u32, message: &str) -> String {
    match line {
        0 => format!("{file}: {}", printable(message)),
        line => format!("{file}:{line}: {}", printable(message)),
    }
}

pub(super) fn warnings(file: &str, warnings: &[Warning], out: &mut Output) {
    for Warning { line, message, times } in warnings {
        let places = if *times > 1 { format!(" ({times} places)") } else { String::new() };
        out.note(format_args!("warning: {}{places}", located(file, *line, message)));
    }
}

pub(super) fn plan(plan: &Plan, examples: usize, out: &mut Output) -> Result<(), Failure> {
    if !out.is_json() {
        return out.text(&plan.render(examples));
    }
    let step = |step: &Step| json!({"line": step.line, "type": step.command_type, "id": step.id, "data": step.data});
    let unchanged = plan.unchanged;
    out.json(&json!({
        "commands": plan.steps.iter().map(step).collect::<Vec<_>>(),
        "unchanged": {"nodes": unchanged.nodes, "servers": unchanged.servers, "mounts": unchanged.mounts},
    }))
}

/// The refused steps by line, and the sum of it all.
pub(super) fn done(file: &str, done: &Done, out: &mut Output) -> Result<(), Failure> {
    let mut rejected: Vec<&Rejected> = done.rejected.iter().collect();
    rejected.sort_by_key(|rejected| rejected.step.line);
    for Rejected { step, code, field, message } in &rejected {
        let field = field.as_ref().filter(|field| !field.is_empty()).map(|field| format!(" (field `{field}`)")).unwrap_or_default();
        let message = format!("{} {}: {code}: {message}{field}", step.command_type, subject(step));
        out.error(located(file, step.line, &message));
    }
    let unchanged = done.unchanged;
    if out.is_json() {
        let rejections = rejected.iter().map(|rejected| {
            let Rejected { step, code, field, message } = rejected;
            json!({"line": step.line, "type": step.command_type, "id": step.id, "data": step.data, "code": code, "field": field, "message": message})
        });
        return out.json(&json!({
            "commands": done.planned,
            "accepted": done.accepted,
            "rejected": rejections.collect::<Vec<_>>(),
            "unchanged": {"nodes": unchanged.nodes, "servers": unchanged.servers, "mounts": unchanged.mounts},
            "after": done.after.map(|after| after.to_string()),
        }));
    }
    let sum = match done.planned {
        0 => "nothing to do".to_owned(),
        planned => format!("{}: {} accepted, {} rejected", count(planned, "command"), done.accepted, rejected.len()),
    };
    let there =
        [(unchanged.nodes, "node"), (unchanged.servers, "server"), (unchanged.mounts, "mount")].map(|(number, what)| count(number, what));
    out.line(format_args!("{sum}; already there: {}", there.join(", ")))
}

/// What a step is about: the server and its place, else the one or the other.
fn subject(step: &Step) -> String {
    let text = |field: &str| step.data.get(field).and_then(serde_json::Value::as_str);
    match (text("server"), text("node")) {
        (Some(server), Some(node)) => format!("{server} on {node}"),
        (one, other) => one.or(other).or_else(|| text("name")).or_else(|| text("path")).unwrap_or_default().to_owned(),
    }
}
