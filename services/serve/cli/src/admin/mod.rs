//! `loki admin`: who may what.

mod key;
mod token;

use crate::exit::{Exit, Failure};
use crate::flags::Session;

pub use token::{create_owner, write_secret};

const HELP: &str = "\
Examples:
  loki admin token create owner --for deploy --for script --for grant --out owner.token
  loki --token-file owner.token admin token create ci-shop --node /acme/shop --for deploy --expires 90d --out ci-shop.token
  loki admin token list
  loki admin key";

/// Look after tokens and keys
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make, list and remove named tokens: they say who may deploy and run scripts, and where
    #[command(subcommand)]
    Token(token::Action),
    Key(key::Options),
}

impl Options {
    pub(crate) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        match self.action {
            Action::Token(action) => action.run(session).await,
            Action::Key(options) => options.run(session),
        }
    }
}
