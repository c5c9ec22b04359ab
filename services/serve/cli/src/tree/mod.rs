//! `loki tree`: the service tree, shown and filled.

mod import;
mod node;
mod show;

use crate::exit::{Exit, Failure};
use crate::flags::Session;

/// Show the service tree, or import an inventory into it
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Show(show::Options),
    Import(import::Options),
}

impl Options {
    pub(crate) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        match self.action {
            Action::Show(options) => options.run(session).await,
            Action::Import(options) => Box::pin(options.run(session)).await,
        }
    }
}
