//! The command line.

use clap::{Parser, Subcommand};

use crate::admin::topics::Action;
use crate::settings::Flags;

/// Loki, an operations platform: a service tree, servers, and an exact account of every change.
#[derive(Debug, Parser)]
#[command(name = "loki", version, arg_required_else_help = true, subcommand_required = true, max_term_width = 110, after_help = loki_cli::EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) flags: Flags,
    #[command(flatten)]
    pub(crate) client: loki_cli::Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run every service in this process; on embedded backends unless configured otherwise.
    All {
        /// Also mount this machine in the tree, under `/machines`, unless it is mounted already; and make the owner's token, unless there is a token.
        #[arg(long)]
        this_machine: bool,
    },
    /// Run the agent of this host: it registers it as a server, and measures it.
    Agent,
    /// Run a prober: asks domains from here whether they answer.
    Prober,
    /// Run the decider: commands become facts and outcomes.
    Decider,
    /// Run the clock: timers of deploys are fired when they are due.
    Clock,
    /// Run the projector of MySQL: current state, history and audit, and domains in `cdn_system`.
    Mysql,
    /// Run the projector of ZooKeeper: the tree.
    Zookeeper,
    /// Run the projectors of Redis: servers by node, last values, presence.
    Redis,
    /// Run the sink of samples: points in OpenTSDB.
    Opentsdb,
    /// Run the query API and the page.
    Api,
    /// Print the effective settings, secrets masked.
    Config,
    /// Bring the databases' schemas to this version.
    Migrate,
    /// Compare the log's topics with their declaration, or make them so.
    Topics {
        #[command(subcommand)]
        action: Action,
    },
    /// Look after the time series.
    Series {
        #[command(subcommand)]
        action: crate::admin::series::Action,
    },
    /// Print a script that completes this command line, as in `source <(loki completions bash)`.
    Completions { shell: clap_complete::Shell },
    #[command(flatten)]
    Client(Box<loki_cli::Command>),
}

impl Command {
    /// Whether it is a collector, which should take as little of a host as can be.
    pub(crate) fn runs_on_every_host(&self) -> bool {
        matches!(self, Self::Agent | Self::Prober)
    }

    /// Whether it opens the API to others.
    pub(crate) fn listens(&self) -> bool {
        matches!(self, Self::All { .. } | Self::Api)
    }
}
