//! Which command was asked for, and its way from flags to an exit code.

use crate::exit::{Exit, Failure};
use crate::flags::{Common, Session};
use crate::operations::{Operations, OverHttp};
use crate::output::Output;
use crate::{admin, audit, dead, deploy, emit, events, package, rebuild, servers, status, tree, undo, verify};

/// The commands of operators and of CI.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Emit(emit::Options),
    Tree(tree::Options),
    Servers(servers::Options),
    Audit(audit::Options),
    Events(events::Options),
    Status(status::Options),
    Undo(undo::Options),
    Dead(dead::Options),
    Package(package::Options),
    Deploy(deploy::Options),
    Admin(admin::Options),
    Verify(verify::Options),
    Rebuild(rebuild::Options),
}

impl Command {
    /// Runs it against the API that the flags name.
    pub async fn run(self, common: Common) -> Exit {
        self.run_with(common, None).await
    }

    /// The same, with `verify` and `rebuild` done by `operations` when they are given; all else asks the API.
    pub async fn run_with(self, common: Common, operations: Option<&dyn Operations>) -> Exit {
        let mut out = Output::of_process(common.output, common.quiet);
        match common.client() {
            Ok(client) => self.run_in(&mut Session { client, out }, operations).await,
            Err(failure) => tell(&mut out, &failure),
        }
    }

    /// The same with a client and an output of the caller's.
    pub async fn run_in(self, session: &mut Session, operations: Option<&dyn Operations>) -> Exit {
        match Box::pin(self.execute(session, operations)).await {
            Ok(exit) => exit,
            Err(failure) => tell(&mut session.out, &failure),
        }
    }

    async fn execute(self, session: &mut Session, operations: Option<&dyn Operations>) -> Result<Exit, Failure> {
        match self {
            Self::Emit(options) => options.run(session).await,
            Self::Tree(options) => options.run(session).await,
            Self::Servers(options) => options.run(session).await,
            Self::Audit(options) => options.run(session).await,
            Self::Events(options) => options.run(session).await,
            Self::Status(options) => options.run(session).await,
            Self::Undo(options) => options.run(session).await,
            Self::Dead(options) => options.run(session).await,
            Self::Package(options) => options.run(session).await,
            Self::Deploy(options) => options.run(session).await,
            Self::Admin(options) => options.run(session).await,
            Self::Verify(options) => {
                let over_http = OverHttp::new(&session.client);
                options.run(&mut session.out, operations.unwrap_or(&over_http)).await
            }
            Self::Rebuild(options) => {
                let over_http = OverHttp::new(&session.client);
                options.run(&mut session.out, operations.unwrap_or(&over_http)).await
            }
        }
    }
}

fn tell(out: &mut Output, failure: &Failure) -> Exit {
    if !failure.message.is_empty() {
        out.error(format_args!("error: {failure}"));
    }
    failure.exit
}
