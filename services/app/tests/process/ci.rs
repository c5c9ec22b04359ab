//! The examples for CI: their shell parts, as they are, against a Loki in which this machine is a server.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use loki_testing::child;
use serde_json::Value;

use crate::loki::{PATIENCE, Running};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(repository(path)).unwrap()).unwrap()
}

/// What CI has before any step: a checkout of its own, and where to get the binary.
struct Job {
    home: tempfile::TempDir,
    address: String,
    binary: (String, String),
}

impl Job {
    fn new(home: tempfile::TempDir, address: &str) -> Self {
        let binary = env!("CARGO_BIN_EXE_loki");
        let digest = child::output(Command::new("sha256sum").arg(binary), PATIENCE).unwrap();
        let digest = good(&digest).split_whitespace().next().unwrap().to_owned();
        Self { home, address: address.to_owned(), binary: (format!("file://{binary}"), digest) }
    }

    /// Runs lines as CI would. What an earlier step has added to the path is found.
    fn shell(&self, lines: &str, variables: &[(&str, &str)]) -> Output {
        let (home, added) = (self.home.path(), self.home.path().join("github.path"));
        let path = std::fs::read_to_string(&added).unwrap_or_default().lines().map(|line| format!("{line}:")).collect::<String>();
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", lines]).current_dir(home);
        command.env("PATH", format!("{path}{}", std::env::var("PATH").unwrap())).env("GITHUB_PATH", added);
        command.env("LOKI_URL", &self.binary.0).env("LOKI_SHA256", &self.binary.1);
        command.env("LOKI_API", format!("http://{}", self.address)).env("LOKI_TOKEN_FILE", "loki.token").env("NODE", "/machines");
        command.envs(variables.iter().copied());
        child::output(&mut command, PATIENCE).unwrap()
    }

    /// The version that serves on this machine.
    fn serves(&self) -> String {
        std::fs::read_to_string(self.home.path().join("data/deploys/web/current/version")).unwrap().trim().to_owned()
    }
}

#[track_caller]
fn good(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    out
}

#[tokio::test]
async fn the_examples_for_ci_deploy() {
    let home = tempfile::tempdir().unwrap();
    let mut all = Running::start_with(home.path(), &["all", "--this-machine"], &[("LOKI__AGENT__REGISTER", "true")]);
    all.says("the owner's token in ./data/owner.token").await;
    all.says("this machine is registered").await;
    // what they take from the repository, without a service that would listen
    let folder = home.path().join("deploy/examples/web");
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["pack", "serve.pl"] {
        std::fs::copy(repository("deploy/examples/web").join(name), folder.join(name)).unwrap();
    }
    std::fs::write(folder.join("manifest.json"), r#"{"hooks":{"start":"echo $LOKI_VERSION >>$LOKI_SHARED_DIR/log"}}"#).unwrap();
    // as the examples want it: for one node, made by the owner
    let owner = [("LOKI_TOKEN_FILE", "data/owner.token")];
    let job = Job::new(home, &all.address);
    let loki = env!("CARGO_BIN_EXE_loki");
    good(&job.shell(&format!("{loki} admin token create ci --node \"$NODE\" --for deploy --expires 90d --out ci.token"), &owner));
    good(&job.shell(&format!("{loki} emit node.create --data '{{\"path\":\"/others\"}}' --wait"), &owner));
    let token = std::fs::read_to_string(job.home.path().join("ci.token")).unwrap();
    let token = token.trim();

    let github = yaml("deploy/ci/github.yaml");
    let steps = github["jobs"]["deploy"]["steps"].as_array().unwrap();
    let runs: Vec<&str> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
    assert_eq!(runs.len(), 5);
    let other = job.shell(runs[0], &[("LOKI_SHA256", &"0".repeat(64))]);
    assert!(!other.status.success() && !job.home.path().join("github.path").exists(), "another binary is not taken: {other:?}");
    for lines in runs {
        good(&job.shell(lines, &[("LOKI_TOKEN", token), ("VERSION", "1"), ("JOB", "github-1-1")]));
    }
    assert_eq!(job.serves(), "1");
    // the token is worth nothing at another node
    let elsewhere = job.shell("loki deploy start /others --package web --version 1 --wait", &[]);
    let said = String::from_utf8_lossy(&elsewhere.stdout);
    assert!(elsewhere.status.code() == Some(1) && said.contains("token `ci` does not cover `/others`"), "{elsewhere:?}");

    std::fs::remove_file(job.home.path().join("github.path")).unwrap();
    let gitlab = yaml("deploy/ci/gitlab.yaml");
    let lines =
        |part: &str| gitlab["deploy"][part].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let lines = [lines("before_script"), lines("script")].concat();
    let said = good(&job.shell(&lines.join("\n"), &[("LOKI_TOKEN", token), ("VERSION", "2"), ("JOB", "gitlab-1")]));
    assert!(said.contains("succeeded  1 of 1 server succeeded"), "{said}");
    assert_eq!(job.serves(), "2");

    // without a client: what the script would put into the log is taken as it is, and by its signature alone
    let script = repository("deploy/ci/kcat.sh");
    let printed = format!("{} \"$NODE\" web 1", script.display());
    let record = good(&job.shell(&printed, &[("KAFKA", "-"), ("LOKI_TOKEN_NAME", "ci"), ("LOKI_ID", "kcat-1")]));
    let post = |record: &str| -> Value {
        std::fs::write(job.home.path().join("record.json"), record).unwrap();
        let post = "curl --silent --fail --data @record.json \"$LOKI_API/v1/commands?wait=10s\"";
        serde_json::from_str(&good(&job.shell(post, &[]))).unwrap()
    };
    let outcome = post(&record);
    assert_eq!((&outcome["outcome"], &outcome["id"]), (&"accepted".into(), &"kcat-1".into()), "{outcome}");
    let run = outcome["facts"].as_array().unwrap().iter().find_map(|fact| fact["key"].as_str()?.strip_prefix("run/")).unwrap().to_owned();
    good(&job.shell(&format!("{loki} deploy watch {run}"), &[]));
    assert_eq!(job.serves(), "1");
    // a changed record is worth nothing
    let outcome = post(&record.replace("kcat-1", "kcat-2"));
    assert_eq!(outcome["outcome"], "rejected", "{outcome}");
    all.terminate();
    all.ended().await;
}
