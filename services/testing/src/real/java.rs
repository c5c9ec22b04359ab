//! How a server on the JVM is started from the jars that `install.sh` fetched.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::folder::{program, stack_dir};

/// `java` with the jars of `server` (a folder of `target/stack`), a bounded heap and a log on standard error.
pub(super) fn java(server: &str, heap_mib: u32) -> Result<Command> {
    start(heap_mib, jars(server)?.into())
}

/// The same for a server that looks for its configuration among its classes.
pub(super) fn java_configured(server: &str, heap_mib: u32, configuration: &Path) -> Result<Command> {
    let mut path = OsString::from(configuration);
    path.push(":");
    path.push(jars(server)?);
    start(heap_mib, path)
}

fn start(heap_mib: u32, class_path: OsString) -> Result<Command> {
    let mut command = Command::new(java_program()?);
    command
        .arg(format!("-Xmx{heap_mib}m"))
        // The collector that starts quickest and costs least on few cores.
        .args(["-XX:+UseSerialGC", "-XX:-UsePerfData", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true"])
        .args(["-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS"])
        .args(["-Dorg.slf4j.simpleLogger.showShortLogName=true", "-cp"])
        .arg(class_path);
    Ok(command)
}

fn jars(server: &str) -> Result<PathBuf> {
    let lib = stack_dir().join(server).join("lib");
    ensure!(lib.is_dir(), "the jars of {server} are not in {}: run `services/testing/stack/install.sh`", lib.display());
    Ok(lib.join("*"))
}

fn java_program() -> Result<PathBuf> {
    match std::env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java")) {
        Some(java) if java.is_file() => Ok(java),
        _ => program("java"),
    }
}
