//! `loki package withdraw`: a version that nobody is to deploy any more.

use loki_domain::{PackageName, Text, Version};
use serde_json::json;

use crate::duration::Time;
use crate::emit::{ask, tell};
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
        let outcome = ask(&session.client, None, None, "package.withdraw", &data, self.wait.0).await?;
        tell(&mut session.out, &outcome, Some(self.wait.0))
    }
}
