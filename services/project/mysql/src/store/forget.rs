//! Asking for a rebuild from outside: a store without a position is one that has to be filled anew, and its projector does so by itself.

use crate::config::Config;
use crate::sql::Fault;
use crate::store::connect;
use crate::tables::{Family, HISTORY, STATE};

/// Why the position could not be taken away.
#[derive(Debug, thiserror::Error)]
#[error("the position could not be removed: {0}")]
pub struct ForgetError(String);

/// Which projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projected {
    State,
    History,
}

/// Removes a projection's position. A store that is empty already stays so.
pub async fn forget(config: &Config, projected: Projected) -> Result<(), ForgetError> {
    let family = match projected {
        Projected::State => &STATE,
        Projected::History => &HISTORY,
    };
    let place = config.place().map_err(|error| ForgetError(error.to_string()))?;
    let removed = async {
        let mut connection = connect::connect(&place, config).await?;
        remove(&mut connection, family).await
    };
    match removed.await {
        Ok(()) | Err(Fault::Emptied(_)) => Ok(()),
        Err(Fault::Away(text) | Fault::Unusable(text)) => Err(ForgetError(text)),
    }
}

async fn remove(connection: &mut crate::sql::Connection, family: &Family) -> Result<(), Fault> {
    connection.run(format!("DELETE FROM {}", family.position)).await.map(drop)
}
