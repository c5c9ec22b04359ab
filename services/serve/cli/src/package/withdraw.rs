//! `loki package withdraw`: a version that nobody is to deploy any more.

use loki_domain::{PackageName, Text, Version};
use serde_json::json;
use serde_json::value::to_raw_value;

use crate::client::{NewCommand, new_id};
use crate::duration::Time;
use crate::emit::tell;
use crate::exit::{Exit, Failure};
use crate::flags::Session;

/// Have a version deployed no more; where it serves it stays
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    name: PackageName,
    version: Version,
    /// Why, for whoever wants to deploy it
    #[arg(long)]
    reason: Text,
    /// How long to wait for the outcome
    #[arg(long, default_value = "30s", value_name = "TIME")]
    wait: Time,
}

impl Options {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let data = json!({ "name": self.name.as_str(), "version": self.version.as_str(), "reason": self.reason.as_str() });
        let data = to_raw_value(&data).map_err(|error| Failure::usage(format!("the command cannot be written: {error}")))?;
        let command = NewCommand { id: &new_id(), kind: "package.withdraw", actor: None, expires: None, data: &data };
        let outcome = session.client.emit(&command, Some(self.wait.0)).await?;
        tell(&mut session.out, &outcome, Some(self.wait.0))
    }
}
