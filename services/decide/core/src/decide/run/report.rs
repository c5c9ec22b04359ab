//! What a host says of its part.

use loki_domain::{Code, Key, Rejection, RunId, ServerId, Task, TaskState, Text};

use super::super::{Decided, Decision};
use super::step::Step;
use crate::State;

pub(in super::super) struct Report<'c> {
    pub run: RunId,
    pub server: ServerId,
    pub attempt: u32,
    pub state: TaskState,
    pub step: &'c Option<Text>,
    pub message: &'c Option<Text>,
}

/// A report that comes late, twice or out of order changes nothing that is known better. One that comes after the host was given up still tells
/// what became of it, also when the run has ended.
pub(in super::super) fn report(state: &State, report: &Report<'_>, at_ms: i64) -> Decided {
    let run = super::find(state, report.run)?;
    if !matches!(report.state, TaskState::Running | TaskState::Succeeded | TaskState::Failed) {
        return Err(Rejection::new(Code::Invalid, "state", "a host says running, succeeded or failed"));
    }
    let Some(host) = state.runs().host(report.run, report.server).filter(|host| report.attempt <= host.attempt) else {
        let message = format!("the run has no task {} for this server", report.attempt);
        return Err(Rejection::new(Code::NotFound, "server", message).in_the_way(Key::Run(run.id)));
    };
    let is_news = match (host.state, report.state) {
        _ if report.attempt != host.attempt => false,
        (TaskState::Pending, _) => true,
        (TaskState::Running, TaskState::Running) => host.step != *report.step || host.message != *report.message,
        (TaskState::Running, _) => true,
        (TaskState::Unknown, TaskState::Running) => false,
        (TaskState::Unknown, _) => true,
        (TaskState::Succeeded | TaskState::Failed, _) => false,
    };
    if !is_news {
        return Ok(Decision::nothing());
    }
    let mut step = Step::of(state, run.clone(), at_ms);
    step.set_task(Task {
        state: report.state,
        step: report.step.clone(),
        message: report.message.clone(),
        changed_ms: at_ms,
        signature: host.signature.filter(|_| report.state.is_open()),
        ..host.clone()
    });
    Ok(step.decided())
}
