//! One ZooKeeper server, and ZooKeeper's own shell.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result};

use super::backend::{Backend, Durability, Place};
use super::java::java;
use super::process::connect;
use crate::child;

/// How long ZooKeeper's shell may take for a line. It waits for a server that is away as long as it likes.
const SHELL_WITHIN: Duration = Duration::from_secs(120);

/// ZooKeeper 3.9, standalone. Address for clients: the connect string.
#[derive(Debug, Clone, Copy)]
pub struct ZooKeeper;

impl Backend for ZooKeeper {
    fn name(&self) -> &'static str {
        "zookeeper"
    }

    fn prepare(&self, place: &Place) -> Result<()> {
        fs::create_dir(place.data())?;
        let force_sync = match place.durability {
            Durability::Process => "no",
            Durability::Machine => "yes",
        };
        // A tick of 500 ms allows sessions from 1 s, so that a test can see one expire.
        let settings = format!(
            "dataDir={data}\nclientPort={port}\nclientPortAddress=127.0.0.1\ntickTime=500\nmaxSessionTimeout=40000\nmaxClientCnxns=0\n\
             admin.enableServer=false\n4lw.commands.whitelist=ruok,srvr,stat,mntr,cons,wchs,dump,conf\nforceSync={force_sync}\n\
             preAllocSize=4096\nautopurge.purgeInterval=0\n",
            data = place.data().display(),
            port = place.ports[0],
        );
        Ok(fs::write(place.home.join("zoo.cfg"), settings)?)
    }

    fn command(&self, place: &Place) -> Result<Command> {
        // The server keeps all znodes in memory; in a benchmark there are many.
        let heap = match place.durability {
            Durability::Process => 256,
            Durability::Machine => 1_024,
        };
        let mut command = java("zookeeper", heap)?;
        command
            .args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "org.apache.zookeeper.server.ZooKeeperServerMain"])
            .arg(place.home.join("zoo.cfg"));
        Ok(command)
    }

    fn ask(&self, place: &Place) -> Result<String> {
        let mut stream = connect(&place.address())?;
        stream.write_all(b"srvr")?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer)?;
        let version = answer.strip_prefix("Zookeeper version: ").and_then(|rest| rest.split(['-', ',']).next());
        version.map(|version| format!("version {version}")).with_context(|| format!("`srvr` answered `{}`", answer.trim()))
    }

    fn variable(&self) -> &'static str {
        "LOKI_TEST_ZOOKEEPER"
    }
}

/// Runs one line of ZooKeeper's own shell, such as `deleteall /path`, to its end.
pub fn zookeeper_shell(address: &str, line: &[&str]) -> Result<Output> {
    let mut shell = java("zookeeper", 64)?;
    shell.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "org.apache.zookeeper.ZooKeeperMain", "-server", address]);
    shell.args(line);
    child::output(&mut shell, SHELL_WITHIN).context("ZooKeeper's shell")
}
