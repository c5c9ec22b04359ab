//! How facts and outcomes become rows. Pure.

mod history;
mod lines;
mod state;
mod task_logs;

pub(crate) use history::{history_changes, kind_text, outcome_row, read_kind};
pub(crate) use lines::{change_line, outcome_line, state_line, task_log_line};
pub use lines::{chunk_key, chunk_line, entity_line, outcome_lines};
pub(crate) use state::{domain_changes, entity_row, state_changes};
pub use task_logs::Retained;
pub(crate) use task_logs::{chunk_row, task_log_changes};

use crate::sql::Value;
use crate::tables::Table;

/// What a batch does to one table. No key is in it twice, so that the order within it does not matter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TableChanges {
    pub(crate) table: &'static Table,
    /// Whole rows, in the order of their keys.
    pub(crate) upserts: Vec<Vec<Value>>,
    /// Keys.
    pub(crate) deletes: Vec<Value>,
    /// What goes, once the rows are there.
    pub(crate) bounds: Option<Bounds>,
}

/// How much of a table stays: nothing that is older, and of each of these servers the newest rows that fit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Milliseconds since 1970.
    pub(crate) from_ms: i64,
    pub(crate) servers: Vec<String>,
    /// Of the column `size`, together.
    pub(crate) size_max: i64,
}

impl TableChanges {
    fn new(table: &'static Table) -> Self {
        Self { table, upserts: Vec::new(), deletes: Vec::new(), bounds: None }
    }
}
