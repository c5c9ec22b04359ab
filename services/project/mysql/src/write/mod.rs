//! How facts and outcomes become rows. Pure.

mod history;
mod lines;
mod state;

pub(crate) use history::{history_changes, kind_text, outcome_row, read_kind};
pub(crate) use lines::{change_line, outcome_line, state_line};
pub use lines::{entity_line, outcome_lines};
pub(crate) use state::{domain_changes, entity_row, state_changes};

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
}

impl TableChanges {
    fn new(table: &'static Table) -> Self {
        Self { table, upserts: Vec::new(), deletes: Vec::new() }
    }
}
