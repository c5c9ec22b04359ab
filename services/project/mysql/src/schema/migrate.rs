//! Running the migrations, and making dropped tables again.
//!
//! MySQL commits each DDL statement by itself. A crash between statements is repaired by running the file again, for which every statement must
//! be one that may be repeated; its row in `schema_version` comes last. A lock by name keeps two processes from doing it at once.

use super::files::files;
use super::statements::{shapes, statements};
use super::version as wanted_version;
use crate::config::Config;
use crate::database::Database;
use crate::error::MigrateError;
use crate::sql::{Connection, Dialect, Fault, Value};
use crate::store::connect::connect_or_create;
use crate::tables::{Family, old, shadow};

/// Brings the schema to this program's version, making the database (or file) when it is missing. Returns the names of the migrations that
/// were run; none when there was nothing to do. What the tables hold stays, unless no version is found beside them: then nobody knows their shape,
/// and Loki's tables are dropped and made anew, for the projectors to fill. A database with tables of the same names that are not Loki's is
/// refused.
pub async fn migrate(config: &Config) -> Result<Vec<&'static str>, MigrateError> {
    let mut connection = connect_or_create(&config.place()?, config).await?;
    let applied = locked(&mut connection, config.database, None).await?;
    Ok(applied)
}

/// Makes what is missing of a projection's tables in a store of this program's version. A store without any version has been emptied: all is
/// made anew.
pub(crate) async fn ensure(connection: &mut Connection, family: &'static Family) -> Result<(), Fault> {
    if let found @ Some(_) = version(connection, family.database).await? {
        check_version(family.database, found)?;
    }
    locked(connection, family.database, Some(family)).await.map(drop)
}

/// Refuses a schema of another version.
pub(crate) fn check_version(database: Database, found: Option<i64>) -> Result<(), Fault> {
    let wanted = wanted_version(database);
    match found {
        Some(found) if found == wanted => Ok(()),
        Some(found) if found > wanted => {
            Err(Fault::Unusable(format!("its schema has version {found}, this program knows {wanted}: run the newer program")))
        }
        found => Err(Fault::Unusable(format!(
            "its schema has version {}, this program needs {wanted}: run `loki migrate`",
            found.unwrap_or_default()
        ))),
    }
}

async fn locked(connection: &mut Connection, database: Database, missing_of: Option<&'static Family>) -> Result<Vec<&'static str>, Fault> {
    match connection.dialect() {
        Dialect::Sqlite => {
            connection.begin_writing().await?;
            let applied = bring_up(connection, database, missing_of).await?;
            connection.commit().await?;
            Ok(applied)
        }
        Dialect::MySql => {
            // the lock ends with the connection, too
            let sql = "SELECT GET_LOCK(CONCAT('loki.', MD5(DATABASE())), @@lock_wait_timeout)";
            let row = connection.first(sql, vec![]).await?;
            if row.map(|row| row.int_or_null(0)).transpose()?.flatten() != Some(1) {
                return Err(Fault::Away("another process is changing the schema".to_owned()));
            }
            let applied = bring_up(connection, database, missing_of).await?;
            connection.query("SELECT RELEASE_LOCK(CONCAT('loki.', MD5(DATABASE())))", vec![]).await?;
            Ok(applied)
        }
    }
}

async fn bring_up(
    connection: &mut Connection,
    database: Database,
    missing_of: Option<&'static Family>,
) -> Result<Vec<&'static str>, Fault> {
    let found = version(connection, database).await?;
    if found.is_none() {
        // Whatever of Loki's lies here is of an unknown version. Everything in it can be filled again.
        refuse_tables_of_others(connection, database).await?;
        drop_everything(connection, database).await?;
    }
    if let Some(found) = found.filter(|found| *found > wanted_version(database)) {
        return check_version(database, Some(found)).map(|()| vec![]);
    }
    let dialect = connection.dialect();
    let mut applied = Vec::new();
    for (i, file) in files(database, dialect).iter().enumerate().skip(usize::try_from(found.unwrap_or(0)).unwrap_or(0)) {
        for statement in statements(file.sql) {
            connection.run(statement).await?;
        }
        let values = vec![Value::Int(i as i64 + 1), Value::text(file.name)];
        connection.execute("INSERT INTO schema_version (version, name) VALUES (?, ?)", values).await?;
        applied.push(file.name);
    }
    if let Some(family) = missing_of {
        make_missing(connection, family).await?;
    }
    Ok(applied)
}

/// Makes the tables of a projection that are missing. The position goes first: beside an empty table it would tell readers that nothing is there.
async fn make_missing(connection: &mut Connection, family: &'static Family) -> Result<(), Fault> {
    let mut missing = Vec::new();
    for table in family.table_names() {
        if !exists(connection, table).await? {
            missing.push(table);
        }
    }
    if !missing.is_empty() && !missing.contains(&family.position) {
        connection.run(format!("DELETE FROM {}", family.position)).await?;
    }
    let dialect = connection.dialect();
    for table in missing {
        for shape in shapes(family.database, dialect, table) {
            connection.run(shape.sql_for(table)).await?;
        }
    }
    Ok(())
}

/// The schema's version; `None` when there is none. The names of the migrations tell the databases apart: one that holds another's is refused,
/// since its projections would take each other's tables.
async fn version(connection: &mut Connection, database: Database) -> Result<Option<i64>, Fault> {
    let rows = match connection.query("SELECT version, name FROM schema_version ORDER BY version", vec![]).await {
        Ok(rows) => rows,
        Err(Fault::Emptied(_)) => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let mut last = None;
    for row in rows {
        let (version, name) = (row.int(0)?, row.text(1)?);
        let known = usize::try_from(version - 1).ok().and_then(|at| files(database, connection.dialect()).get(at));
        if let Some(known) = known.filter(|known| known.name != name) {
            return Err(Fault::Unusable(format!(
                "it holds another schema, with `{name}` where this has `{}`: give `{}` a database of its own",
                known.name,
                database.section()
            )));
        }
        last = Some(version);
    }
    Ok(last)
}

async fn exists(connection: &mut Connection, table: &str) -> Result<bool, Fault> {
    match connection.first(format!("SELECT 1 FROM {table} WHERE 1 = 0"), vec![]).await {
        Ok(_) => Ok(true),
        Err(Fault::Emptied(_)) => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Names such as `server` are everybody's. Loki never has one of its tables without a table of positions: those come with the others, and each
/// rebuild makes them anew.
async fn refuse_tables_of_others(connection: &mut Connection, database: Database) -> Result<(), Fault> {
    let families = database.families();
    for name in families.iter().flat_map(|family| generations(family.position)) {
        if exists(connection, &name).await? {
            return Ok(());
        }
    }
    for name in families.iter().flat_map(|family| family.table_names()).flat_map(generations) {
        if exists(connection, &name).await? {
            let database = match connection.dialect() {
                Dialect::MySql => "SELECT DATABASE()",
                Dialect::Sqlite => "SELECT file FROM pragma_database_list WHERE name = 'main'",
            };
            let row = connection.first(database, vec![]).await?;
            let database = row.map(|row| row.text_or_null(0)).transpose()?.flatten().unwrap_or_default();
            return Err(Fault::Unusable(format!(
                "the database `{database}` holds a table `{name}` that is not Loki's: use an empty database"
            )));
        }
    }
    Ok(())
}

/// A table's name, and those that it has while a rebuild is under way.
fn generations(table: &str) -> [String; 3] {
    [table.to_owned(), shadow(table), old(table)]
}

async fn drop_everything(connection: &mut Connection, database: Database) -> Result<(), Fault> {
    for table in database.families().iter().flat_map(|family| family.table_names()) {
        for name in generations(table) {
            connection.run(format!("DROP TABLE IF EXISTS {name}")).await?;
        }
    }
    Ok(())
}
