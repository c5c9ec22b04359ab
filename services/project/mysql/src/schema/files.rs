//! The migrations, compiled in. Their place in the list is their version.

use crate::database::Database;
use crate::sql::Dialect;

pub(super) struct File {
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
}

macro_rules! files {
    ($database:literal, $dialect:literal: $($name:literal),+ $(,)?) => {
        [$(File { name: $name, sql: include_str!(concat!("../../../../../migrations/", $database, "/", $dialect, "/", $name, ".sql")) }),+]
    };
}

/// One list of names for both dialects.
macro_rules! database {
    ($dialect:expr, $database:literal: $($name:literal),+ $(,)?) => {{
        static MYSQL: &[File] = &files![$database, "mysql": $($name),+];
        static SQLITE: &[File] = &files![$database, "sqlite": $($name),+];
        match $dialect {
            Dialect::MySql => MYSQL,
            Dialect::Sqlite => SQLITE,
        }
    }};
}

pub(super) fn files(database: Database, dialect: Dialect) -> &'static [File] {
    match database {
        Database::Loki => {
            database![dialect, "loki": "0001_create_schema_version", "0002_create_state", "0003_create_history", "0004_create_runs", "0005_create_task_log"]
        }
        Database::CdnSystem => database![dialect, "cdn_system": "0001_create_schema_version", "0002_create_domains"],
    }
}

/// The schema that this program reads and writes.
pub(crate) fn version(database: Database) -> i64 {
    files(database, Dialect::MySql).len() as i64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_embedded_in_order() {
        let all =
            Database::ALL.into_iter().flat_map(|database| [(database, Dialect::MySql, "mysql"), (database, Dialect::Sqlite, "sqlite")]);
        for (database, dialect, folder) in all {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../migrations").join(database.folder()).join(folder);
            let on_disk: BTreeSet<String> = std::fs::read_dir(&folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| name.starts_with(|first: char| first.is_ascii_digit()))
                .collect();
            let embedded: BTreeSet<String> = files(database, dialect).iter().map(|file| format!("{}.sql", file.name)).collect();
            assert_eq!(on_disk, embedded);
            for (i, file) in files(database, dialect).iter().enumerate() {
                assert!(file.name.starts_with(&format!("{:04}_", i + 1)), "{}", file.name);
            }
        }
    }
}
