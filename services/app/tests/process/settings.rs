//! `loki config`, and settings that are refused.

use std::os::unix::ffi::OsStrExt;

use crate::loki::{command, refusal, run};

fn config(folder: &std::path::Path, arguments: &[&str], settings: &[(&str, &str)]) -> String {
    let output = run(folder, arguments, settings);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_is_printed_reads_back_as_the_same() {
    let home = tempfile::tempdir().unwrap();
    let printed = config(
        home.path(),
        &["config"],
        &[("LOKI__KAFKA__OPTIONS", "{ \"socket.timeout.ms\" = \"2000\", \"client.rack\" = \"r1\" }"), ("LOKI__DRAIN", "7s")],
    );
    for part in [
        "drain = \"7s\"",
        "\"client.rack\" = \"r1\"\n\"socket.timeout.ms\" = \"2000\"",
        "listen = \"127.0.0.1:8470\"",
        "data_dir = \"./data\"",
    ] {
        assert!(printed.contains(part), "{part} in {printed}");
    }
    let file = home.path().join("printed.toml");
    std::fs::write(&file, &printed).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(config(home.path(), &["--config", file, "config"], &[]), printed);
    assert_eq!(config(home.path(), &["config"], &[("LOKI_CONFIG", file)]), printed);
}

#[test]
fn flags_win_over_environment_and_file() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("loki.toml");
    std::fs::write(&file, "drain = \"1s\"\ntopic_prefix = \"file-\"\n[api]\nwait_max = \"1s\"\n").unwrap();
    let environment = [("LOKI__TOPIC_PREFIX", "environment-"), ("LOKI__API__WAIT_MAX", "2s")];
    let arguments = ["config", "--config", file.to_str().unwrap(), "--set", "api.wait_max=3s", "--set", "api.token=hidden"];
    let printed = config(home.path(), &arguments, &environment);
    for part in ["drain = \"1s\"", "topic_prefix = \"environment-\"", "wait_max = \"3s\"", "token = \"***\""] {
        assert!(printed.contains(part), "{part} in {printed}");
    }
    assert!(!printed.contains("hidden"));
}

#[test]
fn an_environment_that_is_no_text_is_no_reason_to_fall() {
    let home = tempfile::tempdir().unwrap();
    let bytes = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    let output = command(home.path(), &["config"], &[]).env("OTHER", bytes).env(bytes, "x").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn all_mistakes_are_told_at_once() {
    let home = tempfile::tempdir().unwrap();
    let output = run(home.path(), &["all", "--set", "no.such=1", "--set", "drain=soon"], &[("LOKI__API__SPEED", "3")]);
    refusal(&output, 2);
    let said = String::from_utf8_lossy(&output.stderr);
    for part in ["no.such", "`drain`", "api.speed"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!home.path().join("data").exists(), "nothing was begun");
    let missing = run(home.path(), &["--config", "missing.toml", "config"], &[]);
    refusal(&missing, 2);
    assert!(String::from_utf8_lossy(&missing.stderr).contains("missing.toml"));
}
