//! Runs the README's own commands against a fresh `loki all` and checks what they print.
//!
//! A tour is every block fenced with ```` ```console ````: a line that begins with `$ ` is a command for bash (lines that end in `\` go on), what follows up
//! to the next command is what it must print, `…` standing for anything. The commands are run as they are written, but that the port is a
//! free one.
#![allow(clippy::disallowed_methods, reason = "it waits for another process")]

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use loki_testing::child;

/// The address that the README names.
const ADDRESS: &str = "127.0.0.1:8470";

fn main() -> ExitCode {
    match tour() {
        Ok(steps) => {
            eprintln!("tour: {steps} commands printed what the README says");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("tour: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn tour() -> Result<usize> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let steps = steps(&std::fs::read_to_string(root.join("README.md"))?);
    ensure!(!steps.is_empty(), "README.md has no ```console block");
    for this_machine in [false, true] {
        let loki = Loki::start(&root, this_machine)?;
        for step in steps.iter().filter(|step| step.this_machine == this_machine) {
            loki.settle(&root)?;
            let printed = loki.run(&root, &step.command)?;
            if let Some(difference) = difference(&step.expected, &printed) {
                bail!("`{}` (README.md line {}) {difference}\nit printed:\n{printed}", step.command, step.line);
            }
        }
    }
    Ok(steps.len())
}

/// One command of the README.
#[derive(Debug, PartialEq)]
struct Step {
    line: usize,
    command: String,
    expected: Vec<String>,
    /// It needs a platform in which this machine is a server, as `make run` starts it.
    this_machine: bool,
}

/// From this line on.
const THIS_MACHINE: &str = "<!-- tour: this machine -->";

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut inside, mut continued, mut this_machine) = (false, false, false);
    for (index, line) in text.lines().enumerate() {
        if line == THIS_MACHINE {
            this_machine = true;
        } else if line.starts_with("```") {
            inside = line == "```console";
            continued = false;
        } else if inside {
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (_, Some(step)) if continued => {
                    step.command.push('\n');
                    step.command.push_str(line);
                    continued = line.ends_with('\\');
                }
                (Some(command), _) => {
                    steps.push(Step { line: index + 1, command: command.to_owned(), expected: Vec::new(), this_machine });
                    continued = command.ends_with('\\');
                }
                (None, Some(step)) => step.expected.push(line.to_owned()),
                (None, None) => {}
            }
        }
    }
    steps
}

/// What is wrong with the output; nothing when it is as expected.
fn difference(expected: &[String], printed: &str) -> Option<String> {
    // a line of `…` alone stands for any number of lines
    let lines: Vec<&str> = printed.lines().map(str::trim_end).collect();
    let mut at = 0;
    let mut skip = false;
    for wanted in expected.iter().map(|line| line.trim_end()).filter(|line| !line.is_empty()) {
        if wanted == "…" {
            skip = true;
            continue;
        }
        let found = lines[at..].iter().position(|line| matches(wanted, line));
        match found {
            Some(0) => at += 1,
            Some(ahead) if skip => at += ahead + 1,
            _ => return Some(format!("did not print `{wanted}`")),
        }
        skip = false;
    }
    let rest = lines[at..].iter().find(|line| !line.is_empty());
    rest.filter(|_| !skip && !expected.is_empty()).map(|line| format!("also printed `{line}`"))
}

/// `…` stands for anything.
fn matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        last = Some(part);
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty() || last.is_some_and(|part| part.is_empty() || line.ends_with(part))
}

/// What `/v1/status` says when nothing is under way.
fn is_settled(status: &str) -> bool {
    let count = |text: &str| status.matches(text).count();
    let projections = count("\"lag\":");
    let done = [count("\"lag\":0"), count("\"state\":\"live\"")];
    projections > 0 && done == [projections; 2] && status.contains("\"undecided\":0")
}

/// A fresh platform, stopped when dropped.
struct Loki {
    home: tempfile::TempDir,
    address: String,
    binaries: PathBuf,
    child: Child,
}

impl Loki {
    fn start(root: &Path, this_machine: bool) -> Result<Self> {
        let binaries = std::env::current_exe()?.parent().context("no folder")?.to_owned();
        ensure!(binaries.join("loki").exists(), "`loki` is not built: run `cargo build -p loki`");
        let home = tempfile::Builder::new().prefix("loki-tour-").tempdir()?;
        let address = format!("127.0.0.1:{}", TcpListener::bind("127.0.0.1:0")?.local_addr()?.port());
        let log = File::create(home.path().join("log"))?;
        let mut command = child::bound(binaries.join("loki"))?;
        command
            .args(if this_machine { &["all", "--this-machine"][..] } else { &["all"] })
            .env("LOKI__DATA_DIR", home.path().join("data"))
            .env("LOKI__API__LISTEN", &address)
            // the README's figures are of an empty platform
            .env("LOKI__AGENT__REGISTER", this_machine.to_string())
            .env("LOKI__TELNET__LISTEN", "")
            .current_dir(root)
            .stdin(Stdio::null())
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log));
        let loki = Self { home, address, binaries, child: child::spawn(command)? };
        loki.wait("loki is ready")?;
        if this_machine {
            loki.wait("this machine is registered")?;
        }
        Ok(loki)
    }

    fn wait(&self, words: &str) -> Result<()> {
        let started = Instant::now();
        let log = self.home.path().join("log");
        while !std::fs::read_to_string(&log)?.contains(words) {
            ensure!(started.elapsed() < Duration::from_secs(60), "it does not say `{words}`:\n{}", std::fs::read_to_string(&log)?);
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Waits until every command is decided and every projection has it: what a step prints is then certain. Whoever follows by hand is slower.
    fn settle(&self, root: &Path) -> Result<()> {
        let started = Instant::now();
        loop {
            let status = self.run(root, &format!("curl -s http://{ADDRESS}/v1/status"))?;
            if is_settled(&status) {
                return Ok(());
            }
            ensure!(started.elapsed() < Duration::from_secs(60), "it does not come to rest: {status}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn run(&self, root: &Path, command: &str) -> Result<String> {
        let path = format!("{}:{}", self.binaries.display(), std::env::var("PATH").unwrap_or_default());
        let output = Command::new("timeout")
            .args(["120", "bash", "-c", &command.replace(ADDRESS, &self.address)])
            .env("PATH", path)
            .env("LOKI_API", format!("http://{}", self.address))
            // without the file there is no token to send
            .envs(Some(self.home.path().join("data/owner.token")).filter(|file| file.exists()).map(|file| ("LOKI_TOKEN_FILE", file)))
            .current_dir(root)
            .stdin(Stdio::null())
            .output()?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "`{command}` ended with {}:\n{printed}{}", output.status, String::from_utf8_lossy(&output.stderr));
        Ok(printed.replace(&self.address, ADDRESS))
    }
}

impl Drop for Loki {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_readme_is_read() {
        let text = "# x\n```console\n$ a \\\n  b\nout …\n```\n```sh\n$ no\n```\n<!-- tour: this machine -->\n```console\n$ c\n```\n";
        let expected = vec![
            Step { line: 3, command: "a \\\n  b".to_owned(), expected: vec!["out …".to_owned()], this_machine: false },
            Step { line: 12, command: "c".to_owned(), expected: vec![], this_machine: true },
        ];
        assert_eq!(steps(text), expected);
    }

    #[test]
    fn rest_is_when_nothing_lags() {
        let status = |lag: &str, state: &str, undecided: u32| {
            let other = r#"{"name":"b","state":"live","lag":0}"#;
            format!(r#"{{"projections":[{{"name":"a","state":"{state}","lag":{lag}}},{other}],"undecided":{undecided}}}"#)
        };
        assert!(is_settled(&status("0", "live", 0)));
        for busy in [status("7", "live", 0), status("null", "live", 0), status("0", "building", 0), status("0", "live", 3), String::new()] {
            assert!(!is_settled(&busy), "{busy}");
        }
    }

    #[test]
    fn outputs_are_compared() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        for (expected, printed) in
            [("a…c", "abc"), ("…", "x\ny"), ("a\n…\nz", "a\nb\nc\nz"), ("", "anything"), ("{…}", "{\"id\":1}"), ("a", "a\n\n")]
        {
            assert_eq!(difference(&lines(expected), printed), None, "{expected} {printed}");
        }
        for (expected, printed) in [("a", "b"), ("a", "a\nb"), ("a\nb", "a"), ("a\nz", "a\nb\nz"), ("a…c", "ab"), ("abc", "ab")] {
            assert!(difference(&lines(expected), printed).is_some(), "{expected} {printed}");
        }
    }
}
