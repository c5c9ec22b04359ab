//! `loki package`: what can be deployed.

mod list;
mod measure;
mod push;
mod register;
mod withdraw;

use crate::exit::{Exit, Failure};
use crate::flags::Session;

const HELP: &str = "\
Examples:
  loki package push web 1.4.2 web-1.4.2.tar.gz --manifest web.json
  loki package register web 1.4.2 --file web-1.4.2.tar.gz --url https://dl.acme.example/web-1.4.2.tar.gz --manifest web.json
  loki package list web
  loki package withdraw web 1.4.2 --reason 'leaks connections'";

/// Register, list and withdraw versions of packages
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Push(register::Push),
    Register(register::Register),
    List(list::Options),
    Show(list::Show),
    Withdraw(withdraw::Options),
}

impl Options {
    pub(crate) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        match self.action {
            Action::Push(options) => options.run(session).await,
            Action::Register(options) => options.run(session).await,
            Action::List(options) => options.run(session).await,
            Action::Show(options) => options.run(session).await,
            Action::Withdraw(options) => options.run(session).await,
        }
    }
}
