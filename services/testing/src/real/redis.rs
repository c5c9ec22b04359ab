//! One Redis server with many databases, so that tests can have one each.

use std::fs;
use std::io::{Read, Write};
use std::process::Command;

use anyhow::{Context, Result};

use super::backend::{Backend, Durability, Place};
use super::folder::program;
use super::process::connect;

/// Redis 7. Address for clients: `redis://127.0.0.1:port`, databases 0 to 511.
#[derive(Debug, Clone, Copy)]
pub struct Redis;

impl Backend for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn prepare(&self, place: &Place) -> Result<()> {
        Ok(fs::create_dir(place.data())?)
    }

    fn command(&self, place: &Place) -> Result<Command> {
        let append_only = match place.durability {
            Durability::Process => "no",
            Durability::Machine => "yes",
        };
        let mut command = Command::new(program("redis-server")?);
        command
            .args(["--port", &place.ports[0].to_string(), "--bind", "127.0.0.1", "--databases", "512"])
            // Without `--save` a stop would write nothing and a copy of its folder would be empty.
            .args(["--save", "3600 1", "--appendonly", append_only, "--maxmemory-policy", "noeviction", "--dir"])
            .arg(place.data());
        Ok(command)
    }

    fn ask(&self, place: &Place) -> Result<String> {
        let mut stream = connect(&place.address())?;
        stream.write_all(b"INFO server\r\nQUIT\r\n")?;
        let mut answer = String::new();
        stream.take(65_536).read_to_string(&mut answer)?;
        let version = answer.lines().find_map(|line| line.strip_prefix("redis_version:"));
        version.map(|version| format!("version {}", version.trim())).with_context(|| format!("`INFO server` answered `{}`", answer.trim()))
    }

    fn variable(&self) -> &'static str {
        "LOKI_TEST_REDIS"
    }

    fn url(&self, place: &Place) -> String {
        format!("redis://{}", place.address())
    }
}
