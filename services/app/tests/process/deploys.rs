//! A package on its way to this machine, from the client's commands to what lies on the disk: everything in one process, on the embedded set.

use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use loki_cli::Exit;
use serde_json::Value;

use crate::loki::{Running, run};

/// An archive whose release says which one it is.
fn archive(folder: &Path, version: &str, files: &[(&str, &str)]) -> PathBuf {
    let path = folder.join(format!("web-{version}.tar.gz"));
    let mut archive = tar::Builder::new(GzEncoder::new(std::fs::File::create(&path).unwrap(), Compression::fast()));
    for (name, content) in files.iter().chain([&("version", version)]) {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        archive.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap();
    path
}

/// Runs the client; what it printed.
#[track_caller]
fn loki(home: &Path, address: &str, exit: Exit, arguments: &[&str]) -> String {
    let token = home.join("data/owner.token");
    let api = format!("http://{address}");
    let common = ["--api", &api, "--token-file", token.to_str().unwrap()];
    let output = run(home, &[&common[..], arguments].concat(), &[]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(exit as i32), "{arguments:?}: {out}{err}");
    out
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_package_is_deployed_to_this_machine_upgraded_and_a_broken_one_rolled_back() {
    let home = tempfile::tempdir().unwrap();
    let mut all = Running::start_with(home.path(), &["all", "--this-machine"], &[("LOKI__AGENT__REGISTER", "true")]);
    all.says("the owner's token in ./data/owner.token").await;
    all.says("this machine is registered").await;
    let (address, path) = (all.address.clone(), home.path().to_owned());
    let loki = |exit: Exit, arguments: &[&str]| loki(&path, &address, exit, arguments);
    let manifest = r#"{"hooks":{"stop":"echo stop $LOKI_VERSION >>$LOKI_SHARED_DIR/log","start":"echo start $LOKI_VERSION >>$LOKI_SHARED_DIR/log"},
        "health":{"check":{"type":"command","command":"test -e good"},"stays_ms":200,"within_ms":2000}}"#;
    std::fs::write(home.path().join("web.json"), manifest).unwrap();
    for (version, files) in [("1", &[("good", "")][..]), ("2", &[("good", "")]), ("3", &[])] {
        let file = archive(home.path(), version, files);
        loki(Exit::Ok, &["package", "push", "web", version, file.to_str().unwrap(), "--manifest", "web.json"]);
    }
    let start = |version: &'static str| {
        [
            "deploy",
            "start",
            "/machines",
            "--package",
            "web",
            "--version",
            version,
            "--pause",
            "0s",
            "--on-failure",
            "roll_back",
            "--wait",
            "2m",
        ]
    };
    let serves = || std::fs::read_to_string(home.path().join("data/deploys/web/current/version")).unwrap();
    let log = || lines(&home.path().join("data/deploys/web/shared/log"));

    let said = loki(Exit::Ok, &start("1"));
    assert!(said.contains("succeeded  1 of 1 server succeeded"), "{said}");
    assert_eq!((serves().as_str(), log()), ("1", vec!["start 1".to_owned()]));
    loki(Exit::Ok, &start("2"));
    assert_eq!((serves().as_str(), log().len()), ("2", 3));
    assert_eq!(log()[1..], ["stop 1", "start 2"]);

    let said = loki(Exit::Failed, &start("3"));
    assert!(said.contains("rolled_back"), "{said}");
    assert_eq!(serves(), "2");
    assert_eq!(log()[3..5], ["stop 2", "start 3"]);
    assert_eq!(log().last().unwrap(), "start 2", "{:?}", log());

    // a script, once; and what may not be done without a token
    loki(Exit::Ok, &["deploy", "start", "/machines", "--template", "script", "--script", "echo $LOKI_RUN >>ran", "--wait", "1m"]);
    let listed: Value = serde_json::from_str(&loki(Exit::Ok, &["deploy", "list", "-o", "json"])).unwrap();
    let states: Vec<_> = listed["items"].as_array().unwrap().iter().map(|item| item["run"]["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["succeeded", "rolled_back", "succeeded", "succeeded"]);
    let output = run(
        home.path(),
        &["--api", &format!("http://{address}"), "deploy", "start", "/machines", "--package", "web", "--version", "1"],
        &[],
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("forbidden"), "{output:?}");
    all.terminate();
    let (status, _, said) = all.ended().await;
    assert_eq!(status.code(), Some(0), "{said}");
}
