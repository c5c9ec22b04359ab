//! `loki admin key`: a new key for the decider, with which it signs what hosts are to do.

use loki_wire::signature::Secret;
use serde_json::json;

use crate::exit::{Exit, Failure};
use crate::flags::Session;

const HELP: &str = "\
Examples:
  loki admin key
  loki admin key -o json | jq -r .public

The secret half is the setting `decider.signing_key` of every decider of a cell, the public half belongs into `agent.task_keys` of its agents. To \
change the key, first give agents both public halves.";

/// Make a new key for the decider to sign tasks with
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Options {}

impl Options {
    pub(super) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let secret = Secret::random().ok_or_else(|| Failure::new(Exit::Failed, "the system gives no random bytes"))?;
        let (secret, public) = (secret.reveal(), secret.public().to_string());
        if session.out.is_json() {
            session.out.json(&json!({ "secret": secret, "public": public }))?;
        } else {
            session.out.line(format_args!("secret  {secret}"))?;
            session.out.line(format_args!("public  {public}"))?;
        }
        Ok(Exit::Ok)
    }
}
