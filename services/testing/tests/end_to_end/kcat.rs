//! A producer that knows nothing of Loki.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Stdio};

/// Appends what it is given, a record a line, as the README shows it.
pub(crate) async fn produce(brokers: &str, topic: &str, options: &[&OsStr], lines: Vec<u8>) {
    let mut kcat = Command::new("kcat");
    kcat.args(["-P", "-b", brokers, "-t", topic]).args(options).stdin(Stdio::piped());
    let work = move || {
        let mut child = kcat.spawn().expect("kcat is installed by `services/testing/stack/install.sh`");
        child.stdin.take().unwrap().write_all(&lines).unwrap();
        assert!(child.wait().unwrap().success());
    };
    tokio::task::spawn_blocking(work).await.unwrap();
}
