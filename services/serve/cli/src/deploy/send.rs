//! A command about runs, sent and waited for. Whoever leaves before its outcome is told how to come back to it.

use loki_runtime::Shutdown;
use serde_json::Value;
use serde_json::value::to_raw_value;

use crate::client::{Client, Error, NewCommand, new_id};
use crate::duration::Time;
use crate::emit::tell;
use crate::exit::{Exit, Failure};
use crate::flags::Session;
use crate::outcome::Outcome;

/// How long the outcome may take: a decider that is taking over answers within this time.
const OUTCOME: Time = Time(std::time::Duration::from_secs(30));

/// A command as its flags describe it.
pub(super) struct Asked<'a> {
    /// By which a repetition is known; a new one when absent.
    pub(super) id: Option<String>,
    pub(super) kind: &'a str,
    pub(super) data: Value,
    /// Somebody relies on its end: the API may be away for longer.
    pub(super) is_waited_for: bool,
}

/// Tells what became of a command. Of a repetition it gives the first outcome, whose facts tell where to go on.
pub(super) async fn send(session: &mut Session, interrupted: &Shutdown, asked: Asked<'_>) -> Result<(Outcome, Exit), Failure> {
    // it is carried out whether somebody reads of it or not
    session.out.outlive_reader();
    let id = asked.id.unwrap_or_else(new_id);
    let data = to_raw_value(&asked.data).map_err(|error| Failure::usage(format!("the command cannot be written: {error}")))?;
    let command = NewCommand { id: &id, kind: asked.kind, actor: None, expires: None, data: &data };
    let patience = *session.client.patience();
    if asked.is_waited_for {
        *session.client.patience() = patience.for_long_work();
    }
    let mut position = None;
    let answer = interrupted.unless(Box::pin(answer(&session.client, &command, &mut position))).await;
    *session.client.patience() = patience;
    let at = position.map(|position| format!(" at {position}")).unwrap_or_default();
    let again = format!("the same call with `--id {id}` tells what became of the command{at}, which has its effect once");
    match answer {
        Some(Ok((outcome, first))) => {
            let exit = tell(&mut session.out, &outcome, Some(OUTCOME.0))?;
            Ok((first.unwrap_or(outcome), exit))
        }
        Some(Err(error)) => {
            if error.is_passing() && !(at.is_empty() && error.is_unsent()) {
                session.out.note(again);
            }
            Err(error.into())
        }
        None => Err(Failure::new(Exit::Timeout, again)),
    }
}

/// The outcome, and the first one where it is the answer to a repetition and tells no facts. `position`: the command's, once it is in the log.
async fn answer(client: &Client, command: &NewCommand<'_>, position: &mut Option<String>) -> Result<(Outcome, Option<Outcome>), Error> {
    let sent = client.emit(command, None).await?;
    *position = Some(sent.position.clone());
    let outcome = client.follow(sent, OUTCOME.0).await?;
    let first = match &outcome.duplicate_of {
        Some(first) if outcome.is_accepted() && outcome.facts.is_empty() => Some(client.outcome(first, OUTCOME.0).await?),
        _ => None,
    };
    Ok((outcome, first))
}
