//! Children die with a test that is killed, and not with a thread of it that ends.

#![allow(clippy::disallowed_methods, reason = "it waits for another process")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use loki_testing::child;

/// Set for the process that is to be killed: this test again.
const OWNER: &str = "LOKI_TEST_OWNER";

#[test]
fn children_die_with_their_owner() {
    if std::env::var_os(OWNER).is_some() {
        return own();
    }
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "children_die_with_their_owner"])
        .env(OWNER, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines().map(Result::unwrap);
    let child = lines.find_map(|line| line.strip_prefix("child ").map(str::to_owned)).unwrap();
    assert!(lives(&child), "it outlives the thread that asked for it");
    owner.kill().unwrap();
    owner.wait().unwrap();
    let started = Instant::now();
    while lives(&child) {
        assert!(started.elapsed() < Duration::from_secs(20), "{child} outlives its owner");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_command_that_does_not_end_is_killed_and_what_it_said_is_told() {
    let run = |script: &str, limit| child::output(Command::new("sh").args(["-c", script]), limit);
    let output = run("read line; echo said; exit 3", Duration::from_secs(60)).unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(3), &b"said\n"[..]), "it has nothing to read and its own status");
    let error = run("echo said; exec sleep 600", Duration::from_millis(300)).unwrap_err().to_string();
    assert!(error.contains("was killed after 300ms, having said: said"), "{error}");
}

/// Starts a child from a thread that ends, names it, and waits for its own end.
fn own() {
    let mut sleep = child::bound("sleep").unwrap();
    sleep.arg("600");
    let mut sleep = std::thread::spawn(|| child::spawn(sleep)).join().unwrap().unwrap();
    // `setpriv` has made it die with us before it became `sleep`
    while !std::fs::read_to_string(format!("/proc/{}/comm", sleep.id())).unwrap().starts_with("sleep") {
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut owner = std::io::stdout();
    writeln!(owner, "\nchild {}", sleep.id()).unwrap();
    // ends when the one that was to kill it is gone
    drop(std::io::stdin().read_to_end(&mut Vec::new()));
    drop(sleep.kill());
    drop(sleep.wait());
}

/// Whether it runs; one that nobody has waited for yet does not.
fn lives(process: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|state| !state.is_empty() && !state.starts_with(['Z', 'X']))
}
