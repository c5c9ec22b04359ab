//! A row of an answer, read by column number.

use std::str::FromStr;

use sqlx::Row as _;
use sqlx::mysql::MySqlRow;
use sqlx::sqlite::SqliteRow;

use super::Fault;

pub(crate) enum Row {
    MySql(MySqlRow),
    Sqlite(SqliteRow),
}

impl Row {
    pub(crate) fn text(&self, column: usize) -> Result<String, Fault> {
        self.text_or_null(column)?.ok_or_else(|| null(column))
    }

    pub(crate) fn text_or_null(&self, column: usize) -> Result<Option<String>, Fault> {
        match self {
            Self::MySql(row) => row.try_get(column),
            Self::Sqlite(row) => row.try_get(column),
        }
        .map_err(unreadable)
    }

    pub(crate) fn int(&self, column: usize) -> Result<i64, Fault> {
        self.int_or_null(column)?.ok_or_else(|| null(column))
    }

    pub(crate) fn int_or_null(&self, column: usize) -> Result<Option<i64>, Fault> {
        match self {
            Self::MySql(row) => row.try_get(column),
            Self::Sqlite(row) => row.try_get(column),
        }
        .map_err(unreadable)
    }

    pub(crate) fn offset(&self, column: usize) -> Result<u64, Fault> {
        self.int(column).map(|offset| offset as u64)
    }

    pub(crate) fn offset_or_null(&self, column: usize) -> Result<Option<u64>, Fault> {
        Ok(self.int_or_null(column)?.map(|offset| offset as u64))
    }

    /// A text that is a value of the domain.
    pub(crate) fn parsed<T: FromStr<Err: std::fmt::Display>>(&self, column: usize) -> Result<T, Fault> {
        let text = self.text(column)?;
        text.parse().map_err(|error| Fault::Unusable(format!("column {column} holds `{}`: {error}", text.escape_default())))
    }
}

fn null(column: usize) -> Fault {
    Fault::Unusable(format!("column {column} is null"))
}

fn unreadable(error: sqlx::Error) -> Fault {
    Fault::Unusable(format!("a row cannot be read: {error}"))
}
