//! A client that waits: what it shows on a terminal, and Ctrl-C, at which it ends at once and says how to come back while what it has begun goes on.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use loki_testing::child;
use loki_testing::shell::wait_for;
use serde_json::json;
use tokio::sync::Notify;

use crate::loki::{PATIENCE, Running, command};

/// A client that waits for something.
struct Client {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Client {
    fn start(home: &Path, address: &str, arguments: &[&str]) -> Self {
        let place = |suffix| tempfile::Builder::new().suffix(suffix).tempfile_in(home).unwrap().keep().unwrap().1;
        let (out, err) = (place(".out"), place(".err"));
        let (api, token) = (format!("http://{address}"), home.join("data/owner.token"));
        let mut command = command(home, arguments, &[("LOKI_API", &api)]);
        if token.exists() {
            command.env("LOKI_TOKEN_FILE", token);
        }
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        Self { child: child::spawn(command).unwrap(), out, err }
    }

    /// Waits until it has told this, interrupts it, and gives its exit code and what it said of it.
    async fn interrupted_at(mut self, words: &str) -> (Option<i32>, String) {
        let started = Instant::now();
        let said = |path: &Path| std::fs::read_to_string(path).unwrap();
        while !said(&self.out).contains(words) {
            assert!(started.elapsed() < PATIENCE, "it does not tell `{words}`: {}{}", said(&self.out), said(&self.err));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.interrupt().await
    }

    async fn interrupt(&mut self) -> (Option<i32>, String) {
        assert!(Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap().success());
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), std::fs::read_to_string(&self.err).unwrap());
            }
            assert!(started.elapsed() < PATIENCE, "it does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test]
async fn a_run_goes_on_when_whoever_watches_it_leaves() {
    let home = tempfile::tempdir().unwrap();
    let mut all = Running::start_with(home.path(), &["all", "--this-machine"], &[("LOKI__AGENT__REGISTER", "true")]);
    all.says("the owner's token in ./data/owner.token").await;
    all.says("this machine is registered").await;
    let client = |arguments: &[&str]| Client::start(home.path(), &all.address, arguments);
    let go = home.path().join("go");
    let script = format!("echo begun; {}", wait_for(&go));

    let start = client(&["deploy", "start", "/machines", "--template", "script", "--script", &script, "--wait", "2m"]);
    let out = start.out.clone();
    let (code, said) = start.interrupted_at("  running").await;
    let told = std::fs::read_to_string(&out).unwrap();
    let run = told.lines().find_map(|line| line.strip_prefix("run ")).unwrap().to_owned();
    let come_back = format!("`loki deploy watch {run}` follows it again");
    assert!(code == Some(124) && said.contains(&come_back) && said.contains("goes on without being watched"), "{code:?}: {said}");

    let (code, said) = client(&["deploy", "watch", &run]).interrupted_at("  running").await;
    assert!(code == Some(124) && said.contains(&come_back), "{code:?}: {said}");

    let (_, tasks) = all.get(&format!("/v1/runs/{run}/tasks")).await.unwrap();
    let server = tasks["items"][0]["name"].as_str().unwrap().to_owned();
    let (code, said) = client(&["deploy", "log", &run, &server, "-f"]).interrupted_at("begun").await;
    let come_back = format!("`loki deploy log {run} {server} -f --from ");
    assert!(code == Some(0) && said.contains(&come_back), "{code:?}: {said}");

    // before a terminal it is shown while it goes on, and what is told stays
    let (seen, api) = (home.path().join("seen"), format!("http://{}", all.address));
    let watch = format!("stty cols 100; {} deploy watch {run} --wait 1m", env!("CARGO_BIN_EXE_loki"));
    let mut terminal = child::bound("script").unwrap();
    terminal.args(["--quiet", "--return", "--flush", "--command", &watch]).arg(&seen).env("TERM", "xterm").env("LOKI_API", &api);
    terminal.stdin(Stdio::null()).stdout(Stdio::null());
    let mut terminal = child::spawn(terminal).unwrap();
    let shows = |words: &str| std::fs::read(&seen).is_ok_and(|seen| String::from_utf8_lossy(&seen).contains(words));
    let started = Instant::now();
    while !shows("  batch  0 done, 0 failed, 0 unknown, 1 open") {
        assert!(started.elapsed() < PATIENCE, "{:?}", std::fs::read_to_string(&seen));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    std::fs::write(go, "").unwrap();
    assert!(terminal.wait().unwrap().success() && shows(&format!("run {run}  succeeded  1 of 1 server succeeded\r\n")));
    let output = crate::loki::run(home.path(), &["deploy", "watch", &run, "--wait", "1m"], &[("LOKI_API", &api)]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    all.terminate();
    all.ended().await;
}

/// Nobody decides the command: its outcome never comes.
#[tokio::test]
async fn a_command_without_an_outcome_is_said_how_to_ask_for_again() {
    let home = tempfile::tempdir().unwrap();
    let is_asked = Arc::new(Notify::new());
    let asked = is_asked.clone();
    let pending = || async { (StatusCode::ACCEPTED, Json(json!({ "id": "ci-1", "outcome": "pending", "position": "c7" }))) };
    let silent = move || async move {
        asked.notify_one();
        std::future::pending::<()>().await;
    };
    let router = Router::new().route("/v1/commands", post(pending)).route("/v1/commands/c7", get(silent));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let arguments = ["deploy", "start", "/acme", "--package", "web", "--version", "1", "--id", "ci-1", "--wait"];
    let mut client = Client::start(home.path(), &address, &arguments);
    tokio::time::timeout(PATIENCE, is_asked.notified()).await.unwrap();
    let (code, said) = client.interrupt().await;
    assert_eq!(code, Some(124), "{said}");
    assert!(said.contains("`--id ci-1` tells what became of the command at c7"), "{said}");
    serving.abort();
}
