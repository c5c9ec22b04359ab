//! The statements that the two stores spell differently.

use std::fmt::Write;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// MySQL 8 and MariaDB.
    MySql,
    Sqlite,
}

/// Inserts `rows` rows, or replaces those with the same first column.
pub(crate) fn upsert(dialect: Dialect, table: &str, columns: &[&str], rows: usize) -> String {
    let mut sql = insert(table, columns, rows);
    let (head, before, after) = match dialect {
        Dialect::MySql => (" ON DUPLICATE KEY UPDATE ".to_owned(), "VALUES(", ")"),
        Dialect::Sqlite => (format!(" ON CONFLICT ({}) DO UPDATE SET ", columns[0]), "excluded.", ""),
    };
    sql.push_str(&head);
    for (i, column) in columns[1..].iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        // writing to a string does not fail
        let _ = write!(sql, "{comma}{column} = {before}{column}{after}");
    }
    sql
}

pub(crate) fn insert(table: &str, columns: &[&str], rows: usize) -> String {
    let row = format!("({})", marks(columns.len()));
    let mut sql = format!("INSERT INTO {table} ({}) VALUES ", columns.join(", "));
    sql.reserve(rows * (row.len() + 1));
    for i in 0..rows {
        if i > 0 {
            sql.push(',');
        }
        sql.push_str(&row);
    }
    sql
}

/// Deletes the rows with one of `rows` values in `column`.
pub(crate) fn delete(table: &str, column: &str, rows: usize) -> String {
    format!("DELETE FROM {table} WHERE {column} IN ({})", marks(rows))
}

fn marks(count: usize) -> String {
    vec!["?"; count].join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upsert_in_both_dialects() {
        assert_eq!(
            upsert(Dialect::MySql, "node", &["id", "name", "json"], 2),
            "INSERT INTO node (id, name, json) VALUES (?,?,?),(?,?,?) ON DUPLICATE KEY UPDATE name = VALUES(name), json = VALUES(json)"
        );
        assert_eq!(
            upsert(Dialect::Sqlite, "node", &["id", "name"], 1),
            "INSERT INTO node (id, name) VALUES (?,?) ON CONFLICT (id) DO UPDATE SET name = excluded.name"
        );
        assert_eq!(delete("node", "id", 3), "DELETE FROM node WHERE id IN (?,?,?)");
    }
}
