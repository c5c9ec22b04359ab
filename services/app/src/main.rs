//! The binary `loki`: every service and every operators' command.

mod admin;
mod arguments;
mod backends;
mod run;
mod service;
mod settings;
mod this_machine;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use run::Plan;
use service::Service;
use settings::Settings;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let settings = match Settings::load(&arguments.flags) {
        Ok(settings) => settings,
        Err(mistakes) => return fail(&mistakes, 2),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, 1),
    };
    let ended = runtime.block_on(dispatch(arguments, settings));
    // whatever is left is not waited for: everything that matters was drained
    runtime.shutdown_background();
    match ended {
        Ok(code) => code,
        Err(error) => fail(&format!("{error:#}"), 1),
    }
}

async fn dispatch(arguments: Arguments, settings: Settings) -> anyhow::Result<ExitCode> {
    let service = |service| Plan { services: vec![service], this_machine: false };
    match arguments.command {
        Command::All { this_machine } => run::run(settings, Plan { services: Service::ALL.to_vec(), this_machine }).await?,
        Command::Decider => run::run(settings, service(Service::Decider)).await?,
        Command::Mysql => run::run(settings, service(Service::Mysql)).await?,
        Command::Zookeeper => run::run(settings, service(Service::Zookeeper)).await?,
        Command::Api => run::run(settings, service(Service::Api)).await?,
        Command::Config => admin::config::print(&settings)?,
        Command::Migrate => admin::migrate::migrate(&settings).await?,
        Command::Topics { action } => return admin::topics::run(&settings, action).await,
        Command::Client(command) => return admin::client::run(command, arguments.client, &settings).await,
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stderr, reason = "the last word of a process that could not do what it was told")]
fn fail(error: &dyn std::fmt::Display, code: u8) -> ExitCode {
    eprintln!("loki: {error}");
    ExitCode::from(code)
}
