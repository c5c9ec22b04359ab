//! Opening the store for writing.

use crate::config::{Config, Place};
use crate::sql::{Connection, Fault};
use crate::{mysql, sqlite};

/// Connects. A MySQL database that does not exist is `Fault::Emptied`; an SQLite file is made.
pub(crate) async fn connect(place: &Place, config: &Config) -> Result<Connection, Fault> {
    match place {
        Place::MySql(options) => mysql::connect(options, config).await,
        Place::Sqlite(path) => sqlite::connect(path, config).await,
    }
}

/// Connects, and makes the database first when it does not exist.
pub(crate) async fn connect_or_create(place: &Place, config: &Config) -> Result<Connection, Fault> {
    match (connect(place, config).await, place) {
        (Err(Fault::Emptied(_)), Place::MySql(options)) => {
            mysql::create_database(options, config).await?;
            connect(place, config).await
        }
        (connected, _) => connected,
    }
}
