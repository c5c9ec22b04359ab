//! Commands: from an envelope to a domain value. Unknown types, versions and fields are refused.

pub mod v1;

use bytes::Bytes;
use loki_domain::Command;

use crate::digest::{Digest, sha256};
use crate::envelope::Envelope;
use crate::error::Error;

/// A command as intake accepts it.
#[derive(Debug, Clone)]
pub struct Intake {
    pub command: Command,
    /// Of type and data, whatever the spelling: equal requests have equal digests.
    pub digest: Digest,
}

impl Intake {
    /// Reads the envelope's data by its type and version.
    pub fn read(envelope: &Envelope) -> Result<Self, Error> {
        if let Some(name) = &envelope.dataschema
            && name.strip_prefix("command.").and_then(|rest| rest.strip_suffix(".v1")) != Some(envelope.kind.as_str())
        {
            return Err(Error::UnknownVersion(name.clone()));
        }
        v1::read(&envelope.kind, &envelope.data)
    }
}

/// The data of a command, to be put into an envelope of `Command::type_name`.
pub fn write(command: &Command) -> Bytes {
    Bytes::from(v1::write(command))
}

pub(crate) fn digest(kind: &str, canonical: &[u8]) -> Digest {
    sha256(&[kind.as_bytes(), b"\n", canonical])
}

/// Every command type, in the order of the documentation.
pub const TYPES: [&str; 33] = [
    "node.create",
    "node.rename",
    "node.move",
    "node.remove",
    "node.set",
    "server.register",
    "server.update",
    "server.state",
    "server.retire",
    "server.mount",
    "server.unmount",
    "server.weigh",
    "membership.set",
    "membership.remove",
    "membership.sweep",
    "domain.set",
    "domain.remove",
    "token.create",
    "token.remove",
    "package.register",
    "package.withdraw",
    "template.set",
    "template.remove",
    "run.start",
    "run.approve",
    "run.pause",
    "run.resume",
    "run.stop",
    "run.retry",
    "run.roll_back",
    "run.report",
    "run.step",
    "timer.fire",
];
