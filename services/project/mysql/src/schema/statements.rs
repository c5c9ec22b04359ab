//! Taking the migrations apart: which statement shapes which table, and the same statement for a table of another name.
//!
//! Migrations keep to three forms, and a test holds them to it: `CREATE TABLE IF NOT EXISTS t (`, `ALTER TABLE t …` and, in SQLite, where an
//! index cannot be part of a table's statement, `CREATE INDEX IF NOT EXISTS t_by_… ON t (`. None names a table in another place.

use crate::database::Database;
use crate::sql::Dialect;

use super::files::files;

/// A statement that shapes a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    form: Form,
    pub(crate) table: String,
    before: String,
    after: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    CreateTable,
    AlterTable,
    CreateIndex,
}

const FORMS: [(Form, &str); 3] = [
    (Form::CreateTable, "CREATE TABLE IF NOT EXISTS "),
    (Form::AlterTable, "ALTER TABLE "),
    (Form::CreateIndex, "CREATE INDEX IF NOT EXISTS "),
];

impl Shape {
    /// Its statement for a table of this name.
    pub(crate) fn sql_for(&self, table: &str) -> String {
        format!("{}{table}{}", self.before, self.after)
    }

    /// An index of its own. Their names are unique in a whole SQLite database, so that a shadow table goes without.
    pub(crate) fn is_index(&self) -> bool {
        self.form == Form::CreateIndex
    }

    fn read(statement: &str) -> Option<Self> {
        let (form, head) = FORMS.into_iter().find(|(_, head)| statement.starts_with(head))?;
        let start = match form {
            Form::CreateTable | Form::AlterTable => head.len(),
            Form::CreateIndex => statement.find(" ON ")? + " ON ".len(),
        };
        let rest = &statement[start..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
        let (table, after) = rest.split_at(end);
        Some(Self { form, table: table.to_owned(), before: statement[..start].to_owned(), after: after.to_owned() })
    }
}

/// All statements that shape this table, in the order in which they are run.
pub(crate) fn shapes(database: Database, dialect: Dialect, table: &str) -> Vec<Shape> {
    let all = files(database, dialect).iter().flat_map(|file| statements(file.sql));
    all.filter_map(|statement| Shape::read(&statement)).filter(|shape| shape.table == table).collect()
}

/// The statements of a file, without comments.
pub(super) fn statements(sql: &str) -> Vec<String> {
    let lines: Vec<&str> = sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let text = lines.join("\n");
    text.split(';').map(str::trim).filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_has_a_known_form_and_table() {
        Database::ALL.into_iter().for_each(check_statements);
    }

    fn check_statements(database: Database) {
        let known: Vec<&str> = database.families().iter().flat_map(|family| family.table_names()).chain(["schema_version"]).collect();
        for dialect in [Dialect::MySql, Dialect::Sqlite] {
            for file in files(database, dialect) {
                for statement in statements(file.sql) {
                    let shape = Shape::read(&statement).unwrap_or_else(|| panic!("{}: {statement}", file.name));
                    assert!(known.contains(&shape.table.as_str()), "{}: {statement}", file.name);
                    assert_eq!(shape.sql_for(&shape.table), statement);
                    if shape.is_index() {
                        assert_eq!(dialect, Dialect::Sqlite, "a key belongs into its table's statement: {statement}");
                        assert!(shape.before.contains(&format!(" {}_by_", shape.table)), "{statement}");
                    }
                }
            }
            for table in &known {
                assert!(!shapes(database, dialect, table).is_empty(), "{table}");
            }
        }
    }

    #[test]
    fn a_statement_for_another_name() {
        let read = |statement: &str| Shape::read(statement).unwrap();
        assert_eq!(read("CREATE TABLE IF NOT EXISTS node (id INT)").sql_for("x"), "CREATE TABLE IF NOT EXISTS x (id INT)");
        assert_eq!(read("ALTER TABLE node ADD COLUMN node INT").sql_for("x"), "ALTER TABLE x ADD COLUMN node INT");
        let index = read("CREATE INDEX IF NOT EXISTS node_by_place ON node (parent)");
        assert_eq!((index.table.as_str(), index.is_index()), ("node", true));
        assert_eq!(Shape::read("DROP TABLE node"), None);
    }

    #[test]
    fn comments_are_no_statements() {
        assert_eq!(statements("-- a; b\nA (\n  -- c\n  1);\n\nB;\n"), ["A (\n  1)", "B"]);
    }
}
