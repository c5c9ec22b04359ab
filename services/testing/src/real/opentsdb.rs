//! One OpenTSDB daemon on an HBase of its own, its repair tool and its counters.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::backend::{Backend, Durability, Place, run};
use super::hbase::{HBase, hbase_java};
use super::java::java;
use super::process::connect;
use crate::child;

/// OpenTSDB 2.4. Address for clients: `http://127.0.0.1:port`. All that it stores lies in its HBase.
#[derive(Debug, Clone, Copy)]
pub struct OpenTsdb;

/// How long the repair tool may take.
const FSCK_WITHIN: Duration = Duration::from_secs(300);

const SETTINGS: &str = include_str!("../../stack/opentsdb/opentsdb.conf");
const LOGGING: &str = concat!("-Dlogback.configurationFile=", env!("CARGO_MANIFEST_DIR"), "/stack/opentsdb/logback.xml");
const CREATE_TABLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/stack/opentsdb/CreateTables.java");
const CONFIGURATION: &str = "opentsdb.conf";

impl Backend for OpenTsdb {
    fn name(&self) -> &'static str {
        "opentsdb"
    }

    fn needs(&self) -> Option<&'static dyn Backend> {
        Some(&HBase)
    }

    fn prepare(&self, place: &Place) -> Result<()> {
        let quorum = place.needed.as_deref().context("OpenTSDB needs an HBase")?;
        fs::create_dir(place.data())?;
        let behaviour = match place.durability {
            // A put that waits for the store waits for the next flush, by default a second. `/api/search/lookup` answers from a second
            // put for every point, which takes about half of what the daemon can take in.
            Durability::Process => "tsd.storage.flush_interval=50\ntsd.core.meta.enable_tsuid_tracking=true\n",
            Durability::Machine => "",
        };
        let own = format!(
            "{behaviour}tsd.network.bind=127.0.0.1\ntsd.network.port={port}\ntsd.http.staticroot={data}\ntsd.http.cachedir={data}\n\
             tsd.storage.hbase.zk_quorum={quorum}\n",
            port = place.ports[0],
            data = place.data().display(),
        );
        fs::write(place.home.join(CONFIGURATION), format!("{SETTINGS}{own}"))?;
        write_tools(&place.home)?;
        create_tables(quorum)
    }

    fn command(&self, place: &Place) -> Result<Command> {
        let heap = match place.durability {
            Durability::Process => 384,
            Durability::Machine => 1_024,
        };
        let mut command = java("opentsdb", heap)?;
        command.args([LOGGING, "net.opentsdb.tools.TSDMain", &configuration(&place.home)]);
        Ok(command)
    }

    /// Asks for the name of a metric, which it looks up in HBase.
    fn ask(&self, place: &Place) -> Result<String> {
        get(&place.address(), "/api/suggest?type=metrics&max=1")?;
        let version = get(&place.address(), "/api/version")?;
        // Its jars on Maven have no version but the commit that they were built from.
        let revision = version.split("\"short_revision\":\"").nth(1).and_then(|rest| rest.split('"').next());
        revision.map(|revision| format!("revision {revision}")).with_context(|| format!("`/api/version` answered `{version}`"))
    }

    fn variable(&self) -> &'static str {
        "LOKI_TEST_OPENTSDB"
    }

    fn url(&self, place: &Place) -> String {
        format!("http://{}", place.address())
    }
}

/// A small program on HBase's client, which Java compiles as it starts it.
fn create_tables(quorum: &str) -> Result<()> {
    let (_, port) = quorum.rsplit_once(':').context("HBase's address has no port")?;
    let mut create = hbase_java(128, port.parse()?)?;
    create.args(["-XX:TieredStopAtLevel=1", CREATE_TABLES]);
    run(&mut create)
}

/// The file `tsdb` in its folder runs the tools under the names that they have in OpenTSDB's own packages, for runbooks and people.
fn write_tools(home: &Path) -> Result<()> {
    let mut tool = java("opentsdb", 256)?;
    tool.args(["-XX:TieredStopAtLevel=1", LOGGING]);
    let words: Vec<String> = [tool.get_program()].into_iter().chain(tool.get_args()).map(|word| format!("'{}'", word.display())).collect();
    let script = format!(
        "#!/bin/sh\ncase $1 in\nfsck) tool=Fsck ;;\nimport) tool=TextImporter ;;\nquery) tool=CliQuery ;;\nscan) tool=DumpSeries ;;\n\
         uid) tool=UidManager ;;\n*) echo 'usage: tsdb fsck|import|query|scan|uid …' >&2; exit 2 ;;\nesac\nshift\n\
         exec {} net.opentsdb.tools.$tool '{}' \"$@\"\n",
        words.join(" "),
        configuration(home),
    );
    let file = home.join("tsdb");
    fs::write(&file, script)?;
    Ok(fs::set_permissions(file, fs::Permissions::from_mode(0o755))?)
}

/// Runs `tsdb fsck`, OpenTSDB's repair tool, on the store of the daemon that lives in `home`.
pub fn opentsdb_fsck(home: &Path, arguments: &[&str]) -> Result<Output> {
    let mut tool = Command::new(home.join("tsdb"));
    child::output(tool.arg("fsck").args(arguments), FSCK_WITHIN).context("OpenTSDB's repair tool")
}

/// What `/api/stats` says of a counter, such as `tsd.compaction.duplicates`, summed over its tags.
pub fn opentsdb_counter(url: &str, name: &str) -> Result<u64> {
    let stats = get(url.trim_start_matches("http://"), "/api/stats")?;
    let values: Vec<u64> = (stats.split("{\"metric\":\"").skip(1))
        .filter_map(|one| one.strip_prefix(name)?.strip_prefix('"'))
        .map(|one| {
            let value = one.split("\"value\":\"").nth(1).and_then(|rest| rest.split('"').next()?.parse().ok());
            value.with_context(|| format!("`/api/stats` says `{one}` of `{name}`"))
        })
        .collect::<Result<_>>()?;
    ensure!(!values.is_empty(), "`/api/stats` has no `{name}`");
    Ok(values.iter().sum())
}

fn configuration(home: &Path) -> String {
    format!("--config={}", home.join(CONFIGURATION).display())
}

/// The body of an answer with the status 200.
fn get(address: &str, path: &str) -> Result<String> {
    let mut stream = connect(address)?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.take(1 << 20).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("`{path}` was not answered"))?;
    let status = head.split_whitespace().nth(1);
    ensure!(status == Some("200"), "`{path}` answered `{}`: {body}", head.lines().next().unwrap_or_default());
    Ok(body.to_owned())
}
