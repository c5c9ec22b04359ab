//! Filling a new generation beside the one that readers see, and putting it in its place.
//!
//! A generation is a projection's tables *and* its position; readers and the loop believe the position alone. What follows from that, for a
//! crash at any point and for another member that does the same at the same time (which happens when this one was declared dead too early):
//!
//! - **begin** drops the shadow's position first and writes its row last. In between no batch finds a position there, so that nothing can be
//!   written into half a shadow, and a swap finds no table, or no row.
//! - A member that goes on filling a shadow which another one has begun anew is refused by its position, or, when that happens to be the same,
//!   adds what belongs there: tables and position are a function of the log alone.
//! - **finish** marks the shadow live where its position is the one expected, then renames all tables in one statement. MySQL commits before
//!   each DDL statement, so another member can come between the two: whatever it leaves there, tables and position belong together, and the
//!   loop, which reads the position after the swap, sees where the store is. A crash in between leaves readers with the old generation.
//! - `RENAME TABLE` holds all tables before it touches one; a reader is before it or after it. Where a crash can cut it in two (servers without
//!   atomic DDL), its order leaves no position: the old one goes first, the new one comes last, and a store without position is empty.
//! - A crash after the swap leaves `…_old` tables. The next begin or finish drops them.
//!
//! SQLite does each of the two in one transaction. Its shadow tables get their indexes at the swap, because the names of indexes are unique in a
//! database and cannot be changed; sorting once is also faster.

use loki_domain::LogId;
use loki_runner::{State, Stored};

use super::position;
use crate::schema::{ensure, shapes};
use crate::sql::{Connection, Dialect, Fault, Value, insert};
use crate::tables::{Family, old, shadow};

const POSITION_COLUMNS: [&str; 6] = ["id", "log", "position", "state", "ended_ms", "built_ms"];

/// Makes what is missing, and an empty shadow at `from`.
pub(super) async fn begin(connection: &mut Connection, family: &'static Family, log: LogId, from: u64) -> Result<(), Fault> {
    ensure(connection, family).await?;
    match connection.dialect() {
        Dialect::MySql => make_shadow(connection, family, log, from).await,
        Dialect::Sqlite => {
            connection.begin_writing().await?;
            make_shadow(connection, family, log, from).await?;
            connection.commit().await
        }
    }
}

async fn make_shadow(connection: &mut Connection, family: &Family, log: LogId, from: u64) -> Result<(), Fault> {
    let names: Vec<&str> = [family.position].into_iter().chain(family.tables.iter().map(|table| table.name)).collect();
    for table in &names {
        connection.run(format!("DROP TABLE IF EXISTS {}", shadow(table))).await?;
    }
    drop_old(connection, family).await?;
    let dialect = connection.dialect();
    for table in names.iter().rev() {
        for shape in shapes(family.database, dialect, table).iter().filter(|shape| !shape.is_index()) {
            connection.run(shape.sql_for(&shadow(table))).await?;
        }
    }
    let values = vec![
        Value::Int(1),
        Value::text(log.to_string()),
        Value::offset(from),
        Value::text(State::Building.as_str()),
        Value::Int(0),
        Value::Int(0),
    ];
    connection.execute(insert(&shadow(family.position), &POSITION_COLUMNS, 1), values).await.map(drop)
}

/// Puts the shadow in the main generation's place if its position is `at`; `false` when it is not.
pub(super) async fn finish(
    connection: &mut Connection,
    family: &'static Family,
    log: LogId,
    at: u64,
    ended_ms: i64,
) -> Result<bool, Fault> {
    let wanted = Stored { log, position: at, state: State::Live, ended_ms };
    match connection.dialect() {
        Dialect::MySql => {
            if !mark_live(connection, family, &wanted).await? {
                return Ok(false);
            }
            // a main table that was dropped meanwhile has no name to give up
            ensure(connection, family).await?;
            drop_old(connection, family).await?;
            connection.run(swap(family)).await?;
            let swapped = position::read(connection, family).await?.is_some_and(|placed| placed.stored == wanted);
            drop_old(connection, family).await?;
            Ok(swapped)
        }
        Dialect::Sqlite => {
            connection.begin_writing().await?;
            if !mark_live(connection, family, &wanted).await? {
                connection.roll_back().await?;
                return Ok(false);
            }
            replace(connection, family).await?;
            connection.commit().await?;
            Ok(true)
        }
    }
}

async fn mark_live(connection: &mut Connection, family: &Family, wanted: &Stored) -> Result<bool, Fault> {
    let sql =
        format!("UPDATE {} SET state = ?, ended_ms = ?, built_ms = ? WHERE id = 1 AND position = ? AND log = ?", shadow(family.position));
    let values = vec![
        Value::text(wanted.state.as_str()),
        Value::Int(wanted.ended_ms),
        Value::Int(wanted.ended_ms),
        Value::offset(wanted.position),
        Value::text(wanted.log.to_string()),
    ];
    Ok(connection.execute(sql, values).await? == 1)
}

/// One statement for all tables.
fn swap(family: &Family) -> String {
    let position = family.position;
    let mut renames = vec![format!("{position} TO {}", old(position))];
    for table in family.tables.iter().map(|table| table.name) {
        renames.push(format!("{table} TO {}", old(table)));
        renames.push(format!("{} TO {table}", shadow(table)));
    }
    renames.push(format!("{} TO {position}", shadow(position)));
    format!("RENAME TABLE {}", renames.join(", "))
}

async fn replace(connection: &mut Connection, family: &Family) -> Result<(), Fault> {
    for table in family.table_names() {
        connection.run(format!("DROP TABLE IF EXISTS {table}")).await?;
        connection.run(format!("ALTER TABLE {} RENAME TO {table}", shadow(table))).await?;
        for index in shapes(family.database, Dialect::Sqlite, table).iter().filter(|shape| shape.is_index()) {
            connection.run(index.sql_for(table)).await?;
        }
    }
    Ok(())
}

async fn drop_old(connection: &mut Connection, family: &Family) -> Result<(), Fault> {
    for table in family.table_names() {
        connection.run(format!("DROP TABLE IF EXISTS {}", old(table))).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::HISTORY;

    #[test]
    fn the_position_goes_first_and_comes_last() {
        assert_eq!(
            swap(&HISTORY),
            "RENAME TABLE history_position TO history_position_old, \
             outcome TO outcome_old, outcome_shadow TO outcome, \
             entity_change TO entity_change_old, entity_change_shadow TO entity_change, \
             history_position_shadow TO history_position"
        );
    }
}
