//! The binary `loki`: every service and every operators' command.

mod admin;
mod arguments;
mod backends;
mod collectors;
mod descriptors;
mod keys;
mod process;
mod run;
mod service;
mod settings;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use loki_cli::{Failure, Output};

use arguments::{Arguments, Command};
use run::Plan;
use service::Service;
use settings::Settings;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let settings = match Settings::load(&arguments.flags, arguments.command.listens()) {
        Ok(settings) => settings,
        Err(mistakes) => return fail(&mistakes, 2),
    };
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    if arguments.command.runs_on_every_host() {
        // it has little to do, and each thread keeps memory
        threads.worker_threads(1);
    }
    let runtime = match threads.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, 1),
    };
    let ended = runtime.block_on(dispatch(arguments, settings));
    // whatever is left is not waited for: everything that matters was drained
    runtime.shutdown_background();
    match ended {
        Ok(code) => code,
        Err(error) => {
            let code = error.downcast_ref::<Failure>().map_or(1, |failure| failure.exit as u8);
            match format!("{error:#}").as_str() {
                // a reader that has what it wanted
                "" => ExitCode::from(code),
                told => fail(&told, code),
            }
        }
    }
}

async fn dispatch(arguments: Arguments, settings: Settings) -> anyhow::Result<ExitCode> {
    let mut out = Output::of_process(arguments.client.output, arguments.client.quiet);
    let service = |service| Plan { services: vec![service], this_machine: false };
    match arguments.command {
        Command::All { this_machine } => run::run(settings, Plan { services: Service::ALL.to_vec(), this_machine }).await?,
        Command::Agent => run::alone(settings, Service::Agent).await?,
        Command::Prober => run::alone(settings, Service::Prober).await?,
        Command::Decider => run::run(settings, service(Service::Decider)).await?,
        Command::Clock => run::run(settings, service(Service::Clock)).await?,
        Command::Mysql => run::run(settings, service(Service::Mysql)).await?,
        Command::Zookeeper => run::run(settings, service(Service::Zookeeper)).await?,
        Command::Redis => run::run(settings, service(Service::Redis)).await?,
        Command::Opentsdb => run::run(settings, service(Service::Opentsdb)).await?,
        Command::Api => run::run(settings, service(Service::Api)).await?,
        Command::Completions { shell } => admin::completions::print(shell, &mut out)?,
        Command::Config => admin::config::print(&settings, &mut out)?,
        Command::Migrate => admin::migrate::migrate(&settings, &mut out).await?,
        Command::Series { action } => return admin::series::run(&settings, action, &mut out).await,
        Command::Topics { action } => return admin::topics::run(&settings, action, &mut out).await,
        Command::Client(command) => return admin::client::run(*command, arguments.client, &settings).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// The last word of a process that could not do what it was told. When standard error is gone there is nobody left to tell.
fn fail(error: &dyn std::fmt::Display, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "loki: {error}");
    ExitCode::from(code)
}
