//! `corpus`: between the files that are kept and the folders that libFuzzer works with.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};
use loki_fuzz::{corpus, target};

/// Unpacks and packs what fuzzing keeps.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Writes each input that is kept into a file of its own
    Unpack { target: String, folder: PathBuf },
    /// Keeps what is in a folder, and nothing else
    Pack { target: String, folder: PathBuf },
}

fn main() -> Result<()> {
    match Arguments::parse().action {
        Action::Unpack { target: name, folder } => corpus::unpack(&corpus::read(&target(&name)?)?, &folder),
        Action::Pack { target: name, folder } => {
            let (target, inputs) = (target(&name)?, corpus::pack(&folder)?);
            eprintln!("{name}: {} inputs are kept", inputs.len());
            corpus::write(&target, &inputs)
        }
    }
}
