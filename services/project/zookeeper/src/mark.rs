//! How far a generation is, as `/loki/revision` and the position's znode say it.

use loki_domain::LogId;
use loki_runner::{State, Stored};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A generation and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) generation: u64,
    pub(crate) stored: Stored,
}

#[derive(Serialize, Deserialize)]
struct Revision {
    generation: u64,
    log: String,
    position: u64,
    state: String,
    ended_ms: i64,
}

#[derive(Serialize)]
struct Position {
    state: &'static str,
    ended_ms: i64,
    generation: u64,
}

impl Mark {
    /// The data of `/loki/revision`.
    pub(crate) fn revision(&self) -> Vec<u8> {
        let Stored { log, position, state, ended_ms } = self.stored;
        let revision = Revision { generation: self.generation, log: log.to_string(), position, state: state.to_string(), ended_ms };
        // numbers and texts always serialise
        serde_json::to_vec(&revision).unwrap_or_default()
    }

    /// The data of the position's znode.
    pub(crate) fn position(&self) -> Vec<u8> {
        let Stored { state, ended_ms, .. } = self.stored;
        serde_json::to_vec(&Position { state: state.as_str(), ended_ms, generation: self.generation }).unwrap_or_default()
    }

    /// Reads the data of `/loki/revision`.
    pub(crate) fn read(path: &str, data: &[u8]) -> Result<Self, Error> {
        let unreadable = |message: String| Error::Unreadable { path: path.to_owned(), message };
        let revision: Revision = serde_json::from_slice(data).map_err(|error| unreadable(error.to_string()))?;
        let log: LogId = revision.log.parse().map_err(|invalid: loki_domain::Invalid| unreadable(invalid.to_string()))?;
        let state: State = revision.state.parse().map_err(unreadable)?;
        let stored = Stored { log, position: revision.position, state, ended_ms: revision.ended_ms };
        Ok(Self { generation: revision.generation, stored })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_reads_back_as_written() {
        let stored = Stored { log: LogId::from_digest(&[4; 32]), position: 9, state: State::Building, ended_ms: 12 };
        let mark = Mark { generation: 3, stored };
        assert_eq!(Mark::read("/loki/revision", &mark.revision()).unwrap(), mark);
        assert!(Mark::read("/loki/revision", b"{}").is_err());
        assert_eq!(mark.position(), br#"{"state":"building","ended_ms":12,"generation":3}"#);
    }
}
