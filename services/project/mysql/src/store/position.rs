//! The position's row.

use loki_runner::{State, Stored};

use crate::schema::check_version;
use crate::sql::{Connection, Fault, Row};
use crate::tables::Family;

/// The state of a live generation for which a rebuild was asked. Nothing is written to it any more, but that it is wrong.
pub(crate) const ASKED: &str = "asked";

/// A position as it is read, with the time of the rebuild that it goes back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) stored: Stored,
    pub(crate) built_ms: i64,
    /// It is live until the rebuild that was asked for replaces it.
    pub(crate) asked: bool,
}

/// Reads the position of the generation that readers see, `None` when there is none or a table of it is missing. Refuses a schema of another
/// version.
pub(crate) async fn read(connection: &mut Connection, family: &Family) -> Result<Option<Placed>, Fault> {
    let row = match connection.first(query(family), vec![]).await {
        Ok(row) => row,
        Err(Fault::Emptied(_)) => None,
        Err(fault) => return Err(fault),
    };
    row.map(|row| placed(family, &row)).transpose()
}

/// Names every table of the projection: when one is missing, the store fails to prepare it.
fn query(family: &Family) -> String {
    let tables: String = family.tables.iter().map(|table| format!(" AND NOT EXISTS (SELECT 1 FROM {} WHERE 1 = 0)", table.name)).collect();
    format!(
        "SELECT log, position, state, ended_ms, built_ms, (SELECT MAX(version) FROM schema_version) FROM {} WHERE id = 1{tables}",
        family.position
    )
}

fn placed(family: &Family, row: &Row) -> Result<Placed, Fault> {
    check_version(family.database, row.int_or_null(5)?)?;
    let asked = row.text(2)? == ASKED;
    let state = if asked { State::Live } else { row.parsed(2)? };
    let stored = Stored { log: row.parsed(0)?, position: row.offset(1)?, state, ended_ms: row.int(3)? };
    Ok(Placed { stored, built_ms: row.int(4)?, asked })
}
