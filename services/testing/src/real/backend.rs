//! What a backend must say about itself to be started, asked and set back; the rest is the same for all.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::child;

/// How long what prepares a backend may take, such as making its tables.
const PREPARED_WITHIN: Duration = Duration::from_secs(180);

/// Where one instance lives.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its own folder: configuration, log and, in `data`, what it stores.
    pub home: PathBuf,
    /// The ports that it listens on; clients use the first.
    pub ports: Vec<u16>,
    pub durability: Durability,
    /// Where the backend listens that it stores into, if there is one.
    pub needed: Option<String>,
    /// Where clients are to go when it is not that: to what forwards their connections. Only Kafka names an address to its clients.
    pub advertised: Option<String>,
    /// Many use it and nobody hurts it: it is never restarted, and what it must do is go on, however busy the machine is.
    pub shared: bool,
}

/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The death of the process, `kill -9` included: written to the operating system, not forced to the disk. Fast.
    Process,
    /// The death of the machine: forced to the disk, as in production. For benchmarks.
    Machine,
}

impl Place {
    pub fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    pub fn log(&self) -> PathBuf {
        self.home.join("log")
    }

    /// Where clients connect: `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    /// The end of its log, for error messages.
    pub fn log_tail(&self) -> String {
        read_tail(&self.log()).unwrap_or_else(|error| format!("(no log: {error})"))
    }
}

/// One kind of backend.
pub trait Backend: Sync {
    /// A folder's name and the word in messages.
    fn name(&self) -> &'static str;

    /// How many ports it needs.
    fn ports(&self) -> usize {
        1
    }

    /// The backend that it stores into. Each instance has one of its own, which runs before this one is prepared.
    fn needs(&self) -> Option<&'static dyn Backend> {
        None
    }

    /// Makes its configuration and an empty store; `place.home` exists and is empty.
    fn prepare(&self, place: &Place) -> Result<()>;

    /// How it is started.
    fn command(&self, place: &Place) -> Result<Command>;

    /// Asks it over its own protocol whether it serves, within seconds; answers with a few words for people.
    fn ask(&self, place: &Place) -> Result<String>;

    /// The variable that carries its address to tests.
    fn variable(&self) -> &'static str;

    /// What that variable holds.
    fn url(&self, place: &Place) -> String {
        place.address()
    }
}

/// Runs a step of `prepare` to its end; what it printed is in the error.
pub(super) fn run(command: &mut Command) -> Result<()> {
    let output = child::output(command, PREPARED_WITHIN)?;
    anyhow::ensure!(
        output.status.success(),
        "{command:?} ended with {}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn read_tail(path: &std::path::Path) -> std::io::Result<String> {
    const BYTES: u64 = 4096;
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    Ok(String::from_utf8_lossy(&tail).into_owned())
}
