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

/// Runs lines as CI would, in a checkout of its own, with the binary on the path.
fn shell(home: &Path, address: &str, lines: &str, variables: &[(&str, &str)]) -> Output {
    let binary = Path::new(env!("CARGO_BIN_EXE_loki")).parent().unwrap();
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", lines]).current_dir(home);
    command.env("PATH", format!("{}:{}", binary.display(), std::env::var("PATH").unwrap()));
    command.env("LOKI_API", format!("http://{address}")).env("LOKI_TOKEN_FILE", "loki.token").env("NODE", "/machines");
    command.envs(variables.iter().copied());
    child::output(&mut command, PATIENCE).unwrap()
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
    let token = std::fs::read_to_string(home.path().join("data/owner.token")).unwrap();
    let token = token.trim();
    let serves = || std::fs::read_to_string(home.path().join("data/deploys/web/current/version")).unwrap().trim().to_owned();

    let github = yaml("deploy/ci/github.yaml");
    let steps = github["jobs"]["deploy"]["steps"].as_array().unwrap();
    let runs: Vec<&str> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
    assert_eq!(runs.len(), 4);
    for lines in runs {
        good(&shell(home.path(), &all.address, lines, &[("LOKI_TOKEN", token), ("VERSION", "1"), ("JOB", "github-1-1")]));
    }
    assert_eq!(serves(), "1");

    let gitlab = yaml("deploy/ci/gitlab.yaml");
    let lines: Vec<&str> = gitlab["deploy"]["script"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let variables = [("LOKI_TOKEN", token), ("VERSION", "2"), ("JOB", "gitlab-1")];
    let said = good(&shell(home.path(), &all.address, &lines.join("\n"), &variables));
    assert!(said.contains("succeeded  1 of 1 server succeeded"), "{said}");
    assert_eq!(serves(), "2");

    // without a client: what the script would put into the log is taken as it is, and by its signature alone
    let script = repository("deploy/ci/kcat.sh");
    let printed = format!("{} \"$NODE\" web 1", script.display());
    let variables = [("KAFKA", "-"), ("LOKI_TOKEN_NAME", "owner"), ("LOKI_ID", "kcat-1")];
    let record = good(&shell(home.path(), &all.address, &printed, &variables));
    std::fs::write(home.path().join("record.json"), &record).unwrap();
    let post = "curl --silent --fail --data @record.json \"$LOKI_API/v1/commands?wait=10s\"";
    let outcome: Value = serde_json::from_str(&good(&shell(home.path(), &all.address, post, &[]))).unwrap();
    assert_eq!((&outcome["outcome"], &outcome["id"]), (&"accepted".into(), &"kcat-1".into()), "{outcome}");
    let run = outcome["facts"].as_array().unwrap().iter().find_map(|fact| fact["key"].as_str()?.strip_prefix("run/")).unwrap().to_owned();
    good(&shell(home.path(), &all.address, &format!("loki deploy watch {run}"), &[]));
    assert_eq!(serves(), "1");
    // a changed record is worth nothing
    let forged = record.replace("kcat-1", "kcat-2");
    std::fs::write(home.path().join("record.json"), forged).unwrap();
    let outcome: Value = serde_json::from_str(&good(&shell(home.path(), &all.address, post, &[]))).unwrap();
    assert_eq!(outcome["outcome"], "rejected", "{outcome}");
    all.terminate();
    all.ended().await;
}
