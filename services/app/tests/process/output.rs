//! A reader that went away, and a disk that is full: no command falls over them.

use std::fs::File;
use std::io::pipe;
use std::process::Stdio;

use crate::loki::{Running, command, refusal};

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [&["config"] as &[_], &["completions", "bash"], &["--version"], &["help"], &["config", "--help"]] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let output =
            command(home.path(), arguments, &[]).stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn a_full_disk_is_told_in_one_line() {
    let home = tempfile::tempdir().unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = command(home.path(), &["config"], &[]).stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert!(refusal(&output, 1).contains("cannot write to standard output"));
    assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
}

#[test]
fn the_exit_code_is_kept_when_nobody_can_be_told() {
    let home = tempfile::tempdir().unwrap();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    for (arguments, code) in [(["decider", "--set", "backends=embedded"], 1), (["config", "--set", "drain=soon"], 2)] {
        let status = command(home.path(), &arguments, &[]).stdout(full()).stderr(full()).status().unwrap();
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn shells_are_told_every_command() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = command(home.path(), &["completions", shell], &[]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        for word in ["decider", "migrate", "rebuild", "ca-file"] {
            assert!(output.status.success() && script.contains(word), "{shell} is not told of `{word}`");
        }
    }
}

/// The disk of the logs is full, or the terminal is gone: it serves, and ends as it should.
#[tokio::test]
async fn services_outlive_their_log() {
    let home = tempfile::tempdir().unwrap();
    let mut loki = Running::start_into(home.path(), &["all"], &[], std::path::Path::new("/dev/full"));
    loki.ready().await;
    loki.terminate();
    let (status, _, _) = loki.ended().await;
    assert!(status.success(), "{status}");
}
