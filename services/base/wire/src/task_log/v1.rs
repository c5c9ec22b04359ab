//! Version 1 of a chunk.

use loki_domain::{RunId, ServerId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Chunk;
use crate::error::{At, Error};
use crate::json::read_json;
use crate::shape;

pub const NAME: &str = "task-log.chunk.v1";

/// A part of what the hooks or the script of an attempt have printed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Written {
    #[schemars(with = "shape::Id")]
    pub run: String,
    #[schemars(with = "shape::Id")]
    pub server: String,
    #[schemars(range(min = 1))]
    pub attempt: u32,
    /// The step that printed it.
    #[schemars(regex(pattern = "^[a-z_-]{1,32}$"))]
    pub step: String,
    /// How many bytes of the attempt's log, which is the output of its steps one after the other, come before it.
    #[schemars(range(max = 999_999_999_999_999_u64))]
    pub offset: u64,
    /// How many original bytes it stands for; 0 only for the last chunk.
    #[schemars(range(max = 32_768))]
    pub bytes: u32,
    /// These as UTF-8: what is none was replaced by U+FFFD.
    #[schemars(extend("x-loki-personal" = true))]
    pub text: String,
    /// Nothing comes after it in this attempt.
    pub last: bool,
}

pub(super) fn write(chunk: &Chunk) -> Vec<u8> {
    let log = Written {
        run: chunk.run.to_string(),
        server: chunk.server.to_string(),
        attempt: chunk.attempt,
        step: chunk.step.clone(),
        offset: chunk.offset,
        bytes: chunk.bytes,
        text: chunk.text.clone(),
        last: chunk.is_last,
    };
    serde_json::to_vec(&log).unwrap_or_default()
}

pub(super) fn read(value: &[u8]) -> Result<Chunk, Error> {
    let log: Written = read_json(value)?;
    let chunk = Chunk {
        run: log.run.parse().at("run")?,
        server: log.server.parse().at("server")?,
        attempt: log.attempt,
        step: log.step,
        offset: log.offset,
        bytes: log.bytes,
        text: log.text,
        is_last: log.last,
    };
    chunk.check()?;
    Ok(chunk)
}

/// A chunk as a host's agent sends it: whose it is, is in the path.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    attempt: u32,
    step: String,
    offset: u64,
    bytes: u32,
    text: String,
    last: bool,
}

pub(super) fn read_sent(run: RunId, server: ServerId, body: &[u8]) -> Result<Chunk, Error> {
    let Sent { attempt, step, offset, bytes, text, last } = read_json(body)?;
    let chunk = Chunk { run, server, attempt, step, offset, bytes, text, is_last: last };
    chunk.check()?;
    Ok(chunk)
}
