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
    /// How many entities it holds. Fewer or more were made so by somebody else: `deleteall` takes its time and begins with them.
    pub(crate) entities: u64,
}

#[derive(Serialize, Deserialize)]
struct Revision {
    generation: u64,
    log: String,
    position: u64,
    state: String,
    ended_ms: i64,
    entities: u64,
}

#[derive(Serialize, Deserialize)]
struct Position {
    state: String,
    ended_ms: i64,
    generation: u64,
    entities: u64,
}

impl Mark {
    /// The data of `/loki/revision`.
    pub(crate) fn revision(&self) -> Vec<u8> {
        let Stored { log, position, state, ended_ms } = self.stored;
        let (generation, entities) = (self.generation, self.entities);
        let revision = Revision { generation, log: log.to_string(), position, state: state.to_string(), ended_ms, entities };
        // numbers and texts always serialise
        serde_json::to_vec(&revision).unwrap_or_default()
    }

    /// The data of the position's znode.
    pub(crate) fn position(&self) -> Vec<u8> {
        let Stored { state, ended_ms, .. } = self.stored;
        let (generation, entities) = (self.generation, self.entities);
        serde_json::to_vec(&Position { state: state.to_string(), ended_ms, generation, entities }).unwrap_or_default()
    }

    /// Reads the data of `/loki/revision`.
    pub(crate) fn read(path: &str, data: &[u8]) -> Result<Self, Error> {
        let unreadable = |message: String| Error::Unreadable { path: path.to_owned(), message };
        let revision: Revision = serde_json::from_slice(data).map_err(|error| unreadable(error.to_string()))?;
        let log: LogId = revision.log.parse().map_err(|invalid: loki_domain::Invalid| unreadable(invalid.to_string()))?;
        let state: State = revision.state.parse().map_err(unreadable)?;
        let stored = Stored { log, position: revision.position, state, ended_ms: revision.ended_ms };
        Ok(Self { generation: revision.generation, stored, entities: revision.entities })
    }

    /// Reads the data of the position's znode of a log and a position.
    pub(crate) fn read_position(path: &str, data: &[u8], log: LogId, position: u64) -> Result<Self, Error> {
        let unreadable = |message: String| Error::Unreadable { path: path.to_owned(), message };
        let it: Position = serde_json::from_slice(data).map_err(|error| unreadable(error.to_string()))?;
        let state: State = it.state.parse().map_err(unreadable)?;
        let stored = Stored { log, position, state, ended_ms: it.ended_ms };
        Ok(Self { generation: it.generation, stored, entities: it.entities })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_reads_back_as_written() {
        let stored = Stored { log: LogId::from_digest(&[4; 32]), position: 9, state: State::Building, ended_ms: 12 };
        let mark = Mark { generation: 3, stored, entities: 8 };
        assert_eq!(Mark::read("/loki/revision", &mark.revision()).unwrap(), mark);
        assert!(Mark::read("/loki/revision", b"{}").is_err());
        assert_eq!(mark.position(), br#"{"state":"building","ended_ms":12,"generation":3,"entities":8}"#);
        assert_eq!(Mark::read_position("/p", &mark.position(), stored.log, 9).unwrap(), mark);
        assert!(Mark::read_position("/p", b"", stored.log, 9).is_err());
    }
}
