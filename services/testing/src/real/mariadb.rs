//! One MariaDB server on which root has no password, over TCP on 127.0.0.1.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::backend::{Backend, Durability, Place, run};
use super::folder::program;
use super::process::connect;

/// MariaDB 10.11. Address for clients: `mysql://root@127.0.0.1:port`; each test creates its own database.
#[derive(Debug, Clone, Copy)]
pub struct MariaDb;

impl Backend for MariaDb {
    fn name(&self) -> &'static str {
        "mariadb"
    }

    fn prepare(&self, place: &Place) -> Result<()> {
        std::fs::create_dir_all(temporary(place)).context("cannot make the folder for temporary tables")?;
        let mut install = Command::new(program("mariadb-install-db")?);
        // No test database means no anonymous user either, who would stand before users that tests create.
        install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]);
        install.args(["--innodb-log-file-size=32M"]).args([option("datadir", &place.data()), option("tmpdir", &temporary(place))]);
        install.args(as_root());
        run(&mut install)
    }

    fn command(&self, place: &Place) -> Result<Command> {
        let flush = match place.durability {
            Durability::Process => "2",
            Durability::Machine => "1",
        };
        let mut command = Command::new(program("mariadbd")?);
        command
            .arg("--no-defaults")
            .args([option("datadir", &place.data()), option("tmpdir", &temporary(place))])
            .args(["--bind-address=127.0.0.1", &format!("--port={}", place.ports[0])])
            // A relative path lies in the data folder: absolute ones are soon too long for a socket.
            .args(["--socket=mariadb.sock", "--pid-file=mariadb.pid", "--skip-name-resolve"])
            .args(["--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci"])
            .args(["--max-connections=500", "--max-connect-errors=1000000", "--max-allowed-packet=64M"])
            .args(["--innodb-log-file-size=32M", "--innodb-buffer-pool-size=256M", "--innodb-fast-shutdown=1"])
            .arg(format!("--innodb-flush-log-at-trx-commit={flush}"))
            .args(as_root());
        Ok(command)
    }

    fn ask(&self, place: &Place) -> Result<String> {
        log_in(connect(&place.address())?)
    }

    fn variable(&self) -> &'static str {
        "LOKI_TEST_MYSQL"
    }

    fn url(&self, place: &Place) -> String {
        format!("mysql://root@{}", place.address())
    }
}

fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(format!("--{name}="));
    option.push(path);
    option
}

/// A server that starts deletes all temporary tables that lie in its folder for them: another server's too, were it shared.
fn temporary(place: &Place) -> PathBuf {
    place.home.join("tmp")
}

/// MariaDB refuses to run as root unless told that this is meant.
fn as_root() -> Option<&'static str> {
    rustix::process::geteuid().is_root().then_some("--user=root")
}

/// Logs in as root without a password and leaves; the answer names the server's version.
fn log_in(mut stream: TcpStream) -> Result<String> {
    let greeting = read_packet(&mut stream)?;
    ensure!(greeting.first() == Some(&10), "the greeting is `{}`", String::from_utf8_lossy(&greeting));
    let version =
        greeting[1..].split(|byte| *byte == 0).next().map(String::from_utf8_lossy).context("the greeting names no version")?.into_owned();

    // Protocol 4.1, secure connection, plug-in authentication; largest packet; utf8mb4; user; empty password; method.
    let mut login = vec![0x01, 0x82, 0x08, 0x00, 0, 0, 0, 1, 45];
    login.extend([0; 23]);
    login.extend(b"root\0\0mysql_native_password\0");
    write_packet(&mut stream, 1, &login)?;
    let mut answer = read_packet(&mut stream)?;
    if answer.first() == Some(&0xfe) {
        // Another method is asked for: with an empty password its answer is empty, too.
        write_packet(&mut stream, 3, &[])?;
        answer = read_packet(&mut stream)?;
    }
    if answer.first() != Some(&0) {
        bail!("root was refused: `{}`", String::from_utf8_lossy(&answer));
    }
    write_packet(&mut stream, 0, &[1])?;
    // MariaDB puts a version before its own that old replicas understand.
    Ok(format!("version {}", version.strip_prefix("5.5.5-").unwrap_or(&version)))
}

fn read_packet(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).context("mariadb closed the connection")?;
    let mut packet = vec![0; usize::from(header[0]) | usize::from(header[1]) << 8];
    stream.read_exact(&mut packet).context("mariadb closed the connection")?;
    Ok(packet)
}

fn write_packet(stream: &mut TcpStream, sequence: u8, packet: &[u8]) -> Result<()> {
    let length = u8::try_from(packet.len()).context("the login fits one byte of length")?;
    stream.write_all(&[length, 0, 0, sequence])?;
    Ok(stream.write_all(packet)?)
}
