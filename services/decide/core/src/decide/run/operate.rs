//! What people ask of a run that is there. What is so already is accepted without facts.

use loki_domain::command::Operation;
use loki_domain::{Code, Job, Key, Rejection, Run, RunId, RunState, ServerId};

use super::super::{Decided, Decision, lookup, package, permit};
use super::before;
use super::start::check_free;
use super::step::Step;
use super::{said, use_of, wrong_state};
use crate::State;
use crate::identity::Origin;

pub(in super::super) fn operate(state: &State, run: RunId, operation: Operation, origin: &Origin<'_>, at_ms: i64) -> Decided {
    let run = super::find(state, run)?;
    let token = permit::check(state, origin, at_ms, use_of(&run.job), Some(run.node))?;
    let by = |what: &str| said(&format!("{what} by `{}`", token.name));
    let mut step = Step::of(state, run.clone(), at_ms);
    match (operation, run.state) {
        (Operation::Approve, RunState::AwaitingApproval) => {
            check_offered(state, run)?;
            step.run.state = RunState::Running;
            step.run.since_ms = at_ms;
            step.run.why = by("approved");
        }
        (Operation::Approve, state) if !state.is_ended() => return Ok(Decision::nothing()),
        (Operation::Approve, _) => return Err(wrong_state(run, "there is nothing to approve")),

        (Operation::Pause, RunState::Running) => {
            step.run.state = RunState::Paused;
            step.run.why = by("paused");
        }
        (Operation::Pause, RunState::Paused) => return Ok(Decision::nothing()),
        (Operation::Pause, _) => return Err(wrong_state(run, "only one that is running can be paused")),

        (Operation::Resume, RunState::Paused) => {
            check_offered(state, run)?;
            resume(&mut step, at_ms);
        }
        (Operation::Resume, RunState::Running) => return Ok(Decision::nothing()),
        (Operation::Resume, _) => return Err(wrong_state(run, "only one that is paused can be resumed")),

        (Operation::Stop, RunState::Cancelled) => return Ok(Decision::nothing()),
        (Operation::Stop, state) if state.is_ended() => return Err(wrong_state(run, "there is nothing to stop")),
        (Operation::Stop, _) => {
            step.run.why = by("stopped");
            step.end(RunState::Cancelled);
        }

        (Operation::Retry, RunState::Running | RunState::Paused) => {
            check_offered(state, run)?;
            if run.state == RunState::Paused {
                resume(&mut step, at_ms);
            }
            step.run.again_ms = Some(at_ms);
            step.run.since_ms = at_ms;
            // no failure is forgiven that may fail once more, and no batch begins beside what is tried again
            (step.run.forgiven, step.run.next_ms) = (0, None);
        }
        (Operation::Retry, _) => return Err(wrong_state(run, "only what is running or paused is tried once more")),

        (Operation::RollBack { fast }, _) => {
            check_way_back(state, run)?;
            if run.state == RunState::RollingBack {
                let Job::Deploy { fast: is_fast, .. } = run.job else { return Ok(Decision::nothing()) };
                if is_fast || !fast {
                    return Ok(Decision::nothing());
                }
            }
            step.run.why = by("rolled back");
            step.roll_back(fast);
        }
    }
    Ok(step.decided())
}

/// What was withdrawn after the start gets no further by anybody's wish: the run can be stopped, or rolled back.
fn check_offered(state: &State, run: &Run) -> Result<(), Rejection> {
    match &run.job {
        Job::Deploy { package, .. } => state.packages().get(package).map_or(Ok(()), |package| package::check_offered(package, "run")),
        Job::Script { .. } => Ok(()),
    }
}

/// It has its whole time once more, and failures that are known are forgiven.
fn resume(step: &mut Step<'_>, at_ms: i64) {
    step.run.state = RunState::Running;
    step.run.why = None;
    step.run.since_ms = at_ms;
    step.run.forgiven = step.bad();
}

fn check_way_back(state: &State, run: &Run) -> Result<(), Rejection> {
    let Job::Deploy { name, .. } = &run.job else {
        return Err(wrong_state(run, "a script cannot be rolled back"));
    };
    if matches!(run.state, RunState::RolledBack | RunState::AwaitingApproval) {
        return Err(wrong_state(run, "there is nothing to roll back"));
    }
    match state.runs().last_of(run.node, name) {
        Some(last) if last.id != run.id => {
            let message =
                format!("a later run of `{name}` there has the last word: roll that one back, or deploy the version that is to serve");
            Err(Rejection::new(Code::WrongState, "run", message).in_the_way(Key::Run(last.id)))
        }
        _ if run.state.is_ended() => {
            let batches = (0..run.batches).filter_map(|number| state.runs().batch(run.id, number));
            let servers: Vec<ServerId> = batches.flat_map(|batch| batch.servers.iter().copied()).collect();
            if let Some(later) = before::others(state, run.node, name, &servers, run.begun_ms).next() {
                let message = format!("a later run at `{}` has deployed `{name}` to some of its servers", lookup::path(state, later.node));
                return Err(Rejection::new(Code::WrongState, "run", message).in_the_way(Key::Run(later.id)));
            }
            check_free(state, run.node, name, &servers, Some(run.id))
        }
        _ => Ok(()),
    }
}
