//! The migrations, compiled in. Their place in the list is their version.

use crate::sql::Dialect;

pub(super) struct File {
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
}

macro_rules! files {
    ($dialect:literal: $($name:literal),+ $(,)?) => {
        [$(File { name: $name, sql: include_str!(concat!("../../../../../migrations/loki/", $dialect, "/", $name, ".sql")) }),+]
    };
}

pub(super) const MYSQL: [File; 3] = files!["mysql": "0001_create_schema_version", "0002_create_state", "0003_create_history"];
const SQLITE: [File; MYSQL.len()] = files!["sqlite": "0001_create_schema_version", "0002_create_state", "0003_create_history"];

pub(super) fn files(dialect: Dialect) -> &'static [File] {
    const { assert!(MYSQL.len() == SQLITE.len()) };
    match dialect {
        Dialect::MySql => &MYSQL,
        Dialect::Sqlite => &SQLITE,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_embedded_in_order() {
        for (dialect, folder) in [(Dialect::MySql, "mysql"), (Dialect::Sqlite, "sqlite")] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../migrations/loki").join(folder);
            let on_disk: BTreeSet<String> = std::fs::read_dir(&folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| name.starts_with(|first: char| first.is_ascii_digit()))
                .collect();
            let embedded: BTreeSet<String> = files(dialect).iter().map(|file| format!("{}.sql", file.name)).collect();
            assert_eq!(on_disk, embedded);
            for (i, file) in files(dialect).iter().enumerate() {
                assert!(file.name.starts_with(&format!("{:04}_", i + 1)), "{}", file.name);
            }
        }
    }
}
