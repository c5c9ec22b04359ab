//! `loki completions`: what a shell needs to complete the command line, made from the command line's own description.

use clap::CommandFactory as _;
use clap_complete::Shell;
use loki_cli::Output;

use crate::arguments::Arguments;

pub(crate) fn print(shell: Shell, out: &mut Output) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "loki", &mut script);
    Ok(out.text(&String::from_utf8(script)?)?)
}
