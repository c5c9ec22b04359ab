//! Processes of the binary, each with a folder and ports of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use loki_testing::child;
use serde_json::Value;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The binary with no setting but these.
pub(crate) fn command(folder: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    placed(Command::new(env!("CARGO_BIN_EXE_loki")), folder, arguments, settings)
}

fn placed(mut command: Command, folder: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    command.args(arguments).env_clear().current_dir(folder).stdin(Stdio::null());
    command.envs(settings.iter().copied());
    command
}

/// Runs it to its end.
pub(crate) fn run(folder: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    command(folder, arguments, settings).output().unwrap()
}

/// The one line with which it refused.
#[track_caller]
pub(crate) fn refusal(output: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    let words: Vec<&str> = said.lines().filter(|line| line.starts_with("loki: ")).collect();
    assert_eq!(words.len(), 1, "{said}");
    assert!(!said.contains("panicked"), "{said}");
    words[0].to_owned()
}

/// An address that nobody listens on.
pub(crate) fn free_address() -> String {
    loki_testing::port::free_address().to_string()
}

/// A process that runs until it is told to stop.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: String,
    /// What it has said.
    output: PathBuf,
}

impl Running {
    pub(crate) fn start(folder: &Path, service: &str, settings: &[(&str, &str)]) -> Self {
        Self::start_with(folder, &[service], settings)
    }

    pub(crate) fn start_with(folder: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        let log = tempfile::Builder::new().suffix(".log").tempfile_in(folder).unwrap().keep().unwrap().1;
        Self::start_into(folder, arguments, settings, &log)
    }

    /// The same with another place for what it says.
    pub(crate) fn start_into(folder: &Path, arguments: &[&str], settings: &[(&str, &str)], output: &Path) -> Self {
        let address = free_address();
        let bound = child::bound(env!("CARGO_BIN_EXE_loki")).unwrap();
        let listens = [("LOKI__API__LISTEN", address.as_str()), ("LOKI__TELEMETRY__LISTEN", address.as_str())];
        // tests that want them say so: many run at once, and count what is in the log
        let quiet = [("LOKI__TELNET__LISTEN", ""), ("LOKI__AGENT__REGISTER", "false")];
        let mut command = placed(bound, folder, arguments, &[&listens, &quiet, settings].concat());
        let file = File::options().append(true).open(output).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        Self { child: child::spawn(command).unwrap(), address, output: output.to_owned() }
    }

    pub(crate) async fn get(&self, path: &str) -> Option<(u16, Value)> {
        let answer = loki_cli::client::plain().build().unwrap().get(format!("http://{}{path}", self.address)).send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.json().await.unwrap_or(Value::Null)))
    }

    /// Asks until the answer is as wanted.
    pub(crate) async fn until(&mut self, path: &str, wanted: impl Fn(u16, &Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let said = self.get(path).await;
            if let Some((status, body)) = &said
                && wanted(*status, body)
            {
                return body.clone();
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && started.elapsed() < PATIENCE, "{path} says {said:?}, the process {ended:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until it has said so.
    pub(crate) async fn says(&mut self, words: &str) {
        let started = Instant::now();
        while !self.said().contains(words) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && started.elapsed() < PATIENCE, "it does not say `{words}` ({ended:?}):\n{}", self.said());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Everything that it has said.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) async fn ready(&mut self) {
        self.until("/readyz", |status, _| status == 200).await;
    }

    pub(crate) fn terminate(&self) {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
    }

    /// Its end after `terminate`, and how long it took.
    pub(crate) async fn ended(mut self) -> (ExitStatus, Duration, String) {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(started.elapsed() < PATIENCE, "it does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let said = if self.output.is_file() { self.said() } else { String::new() };
        (status, started.elapsed(), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
