//! Runs: start, what people ask of them, what hosts report, and the step that all of these end in.
//!
//! **One step.** Whatever happens to a run, its next step is the same function of what is so now ([`step::Step`]): tell servers, end a batch,
//! give up, go back, end. It changes at most [`step::AT_ONCE`] servers in one command and asks for a follow-up where more is to be done; a
//! timer has it looked at when nothing else happens. So no order of reports, timers, repetitions and people leaves a run without a next step.
//!
//! **What is good.** Of all runs of a package at a node only the last may be unfinished, and only the last says which release is good
//! (`Job::Deploy::good`): the one before, until this run has succeeded.

mod before;
mod operate;
mod report;
mod start;
mod step;

use loki_domain::{Code, Job, Key, Rejection, Run, RunId, Text, Use, shortened};

pub(super) use operate::operate;
pub(super) use report::{Report, report};
pub(super) use start::start;

use super::{Decided, Decision};
use crate::State;

/// A follow-up, or a timer. For a run that needs nothing it does nothing.
pub(super) fn step(state: &State, run: RunId, at_ms: i64) -> Decided {
    match state.runs().get(&run) {
        Some(run) => Ok(step::Step::of(state, run.clone(), at_ms).decided()),
        None => Ok(Decision::nothing()),
    }
}

fn find(state: &State, run: RunId) -> Result<&Run, Rejection> {
    state.runs().get(&run).ok_or_else(|| Rejection::new(Code::NotFound, "run", format!("there is no run `{run}`")))
}

/// A run that is there, in a state in which this makes no sense.
fn wrong_state(run: &Run, what: &str) -> Rejection {
    Rejection::new(Code::WrongState, "run", format!("the run is {}: {what}", run.state)).in_the_way(Key::Run(run.id))
}

fn use_of(job: &Job) -> Use {
    match job {
        Job::Deploy { .. } => Use::Deploy,
        Job::Script { .. } => Use::Script,
    }
}

/// What is said of a run or of a host, cut to what is kept.
fn said(message: &str) -> Option<Text> {
    shortened(message, 200).parse().ok()
}
