//! One HBase that is master, region server and their own ZooKeeper in one process, with its files on the local disk.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::backend::{Backend, Durability, Place};
use super::java::java_configured;
use super::process::connect;

/// HBase 2.6, standalone. Address for clients: the quorum of its own ZooKeeper.
#[derive(Debug, Clone, Copy)]
pub struct HBase;

/// What HBase opens by reflection on Java 9 and later.
const OPENS: [&str; 7] =
    ["java.lang", "java.nio", "sun.nio.ch", "java.util", "java.util.concurrent", "java.lang.reflect", "jdk.internal.misc"];

/// `hbase-site.xml` and `log4j.properties`, for the server and its clients.
const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/stack/hbase");

impl Backend for HBase {
    fn name(&self) -> &'static str {
        "hbase"
    }

    /// ZooKeeper, the region server, the master.
    fn ports(&self) -> usize {
        3
    }

    fn prepare(&self, place: &Place) -> Result<()> {
        Ok(fs::create_dir(place.data())?)
    }

    /// On the local disk Hadoop forces nothing to the disk, whatever HBase asks of it: the durability of the place changes its size only.
    fn command(&self, place: &Place) -> Result<Command> {
        let heap = match place.durability {
            Durability::Process => 512,
            Durability::Machine => 1_024,
        };
        let [zookeeper, regionserver, master] = place.ports[..] else { bail!("HBase needs three ports") };
        let mut command = hbase_java(heap, zookeeper)?;
        command
            .arg(format!("-Dloki.data={}", place.data().display()))
            .args([format!("-Dloki.port.regionserver={regionserver}"), format!("-Dloki.port.master={master}")])
            .args(OPENS.iter().flat_map(|package| ["--add-opens".to_owned(), format!("java.base/{package}=ALL-UNNAMED")]))
            .args(["--add-exports", "java.base/jdk.internal.misc=ALL-UNNAMED", "-Dzookeeper.forceSync=no"]);
        if place.durability == Durability::Process {
            // The first compiler alone starts a second earlier; the other one makes faster code of what runs for long.
            command.arg("-XX:TieredStopAtLevel=1");
        }
        command.args(["org.apache.hadoop.hbase.master.HMaster", "start"]);
        Ok(command)
    }

    /// Asks the master for the names of the tables, which it answers as soon as it is initialised.
    fn ask(&self, place: &Place) -> Result<String> {
        let mut stream = connect(&format!("127.0.0.1:{}", place.ports[2]))?;
        // Version 0, no authentication.
        stream.write_all(b"HBas\x00\x50")?;
        let header = [field(1, &field(1, b"loki")), field(2, b"MasterService")].concat();
        stream.write_all(&sized(&header)?)?;
        // Call 1, with a parameter.
        let call = [&[0x08, 1][..], &field(3, b"GetTableNames"), &[0x20, 1]].concat();
        stream.write_all(&sized(&[delimited(&call), delimited(&[])].concat())?)?;
        let mut size = [0; 4];
        stream.read_exact(&mut size).context("hbase closed the connection")?;
        let size = u32::from_be_bytes(size);
        ensure!((1..65_536).contains(&size), "an answer of {size} bytes");
        let mut answer = vec![0; usize::try_from(size)?];
        stream.read_exact(&mut answer).context("hbase closed the connection")?;
        // The header of a call that succeeded is its number and nothing else.
        ensure!(answer.starts_with(&[2, 0x08, 1]), "the master refused: {}", printable(&answer));
        Ok("the master is initialised".to_owned())
    }

    fn variable(&self) -> &'static str {
        "LOKI_TEST_HBASE"
    }
}

/// `java` with HBase's jars, which finds the one whose ZooKeeper listens there.
pub(super) fn hbase_java(heap_mib: u32, zookeeper: u16) -> Result<Command> {
    let mut command = java_configured("hbase", heap_mib, Path::new(CONFIGURATION))?;
    command.arg(format!("-Dloki.port.zookeeper={zookeeper}"));
    Ok(command)
}

/// A field of a protobuf message whose value is bytes.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2][..], &delimited(value)].concat()
}

/// Short bytes behind their length.
fn delimited(bytes: &[u8]) -> Vec<u8> {
    debug_assert!(bytes.len() < 128, "one byte of length");
    [&[bytes.len() as u8][..], bytes].concat()
}

fn sized(bytes: &[u8]) -> Result<Vec<u8>> {
    Ok([&u32::try_from(bytes.len())?.to_be_bytes()[..], bytes].concat())
}

fn printable(bytes: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(bytes).chars().filter(|letter| !letter.is_control()).collect();
    text.chars().take(200).collect()
}
