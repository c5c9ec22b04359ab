//! Asking for a rebuild from outside, and looking how far it is. The request lies in the position's row: a projector that finds it fills a new
//! generation by itself; readers keep the one that they have until the swap, which replaces the row, unless it is found to be wrong.

use loki_domain::Kind;

use crate::config::Config;
use crate::sql::{Connection, Fault};
use crate::store::connect;
use crate::store::position::ASKED;
use crate::tables::{CDN_SYSTEM, CDN_SYSTEM_KINDS, Family, HISTORY, STATE, STATE_KINDS, TASK_LOGS, shadow};

/// Why the store could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("the store could not be asked: {0}")]
pub struct AskError(String);

/// Which projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projected {
    State,
    History,
    TaskLogs,
    Domains,
}

impl Projected {
    fn family(self) -> &'static Family {
        match self {
            Self::State => &STATE,
            Self::History => &HISTORY,
            Self::TaskLogs => &TASK_LOGS,
            Self::Domains => &CDN_SYSTEM,
        }
    }

    /// The kinds of entities whose current state it holds.
    pub fn kinds(self) -> &'static [Kind] {
        match self {
            Self::State => &STATE_KINDS,
            Self::History | Self::TaskLogs => &[],
            Self::Domains => &CDN_SYSTEM_KINDS,
        }
    }
}

/// Asks for a projection to be filled anew. A store that is empty already stays so.
pub async fn forget(config: &Config, projected: Projected) -> Result<(), AskError> {
    let asked = async {
        let mut connection = connect::connect(&config.place().map_err(|error| Fault::Unusable(error.to_string()))?, config).await?;
        ask(&mut connection, projected.family()).await
    };
    or_emptied(asked.await).map(drop)
}

/// The position of the generation that is being filled; `None` when there is none.
pub async fn rebuilding(config: &Config, projected: Projected) -> Result<Option<u64>, AskError> {
    let read = async {
        let mut connection = connect::connect(&config.place().map_err(|error| Fault::Unusable(error.to_string()))?, config).await?;
        let sql = format!("SELECT position FROM {} WHERE id = 1", shadow(projected.family().position));
        connection.first(sql, vec![]).await?.map(|row| row.offset(0)).transpose()
    };
    or_emptied(read.await).map(Option::flatten)
}

async fn ask(connection: &mut Connection, family: &Family) -> Result<(), Fault> {
    let position = family.position;
    connection.begin_writing().await?;
    connection.run(format!("UPDATE {position} SET state = '{ASKED}' WHERE state = 'live'")).await?;
    // nobody reads a generation that is being filled
    connection.run(format!("DELETE FROM {position} WHERE state <> '{ASKED}'")).await?;
    connection.commit().await
}

fn or_emptied<T>(done: Result<T, Fault>) -> Result<Option<T>, AskError> {
    match done {
        Ok(value) => Ok(Some(value)),
        Err(Fault::Emptied(_)) => Ok(None),
        Err(Fault::Away(text) | Fault::Unusable(text)) => Err(AskError(text)),
        Err(Fault::Crowded) => Err(AskError(Fault::Crowded.to_string())),
    }
}
