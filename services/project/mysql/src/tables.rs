//! The tables of the projections. The first column of each is its primary key. Their shape is in the migrations.

use loki_domain::Kind;

use crate::database::Database;

/// A table that a projection fills.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [&'static str],
}

/// The tables of one projection: rebuilt, swapped and dropped together with their position.
#[derive(Debug)]
pub(crate) struct Family {
    /// The projection's name.
    pub(crate) name: &'static str,
    pub(crate) database: Database,
    pub(crate) tables: &'static [&'static Table],
    /// Its table with one row.
    pub(crate) position: &'static str,
}

impl Family {
    /// All of them, the position last.
    pub(crate) fn table_names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.tables.iter().map(|table| table.name).chain([self.position])
    }
}

pub(crate) static NODE: Table = Table { name: "node", columns: &["id", "parent", "name", "fact", "json"] };
pub(crate) static SERVER: Table = Table { name: "server", columns: &["id", "name", "state", "idc", "fact", "json"] };
pub(crate) static MOUNT: Table = Table { name: "mount", columns: &["id", "node", "server", "fact", "json"] };
pub(crate) static MEMBERSHIP: Table = Table { name: "membership", columns: &["id", "node", "fact", "json"] };

pub(crate) static TOKEN: Table = Table { name: "token", columns: &["id", "name", "node", "fact", "json"] };
pub(crate) static PACKAGE: Table = Table { name: "package", columns: &["id", "name", "version", "fact", "json"] };
pub(crate) static TEMPLATE: Table = Table { name: "template", columns: &["id", "node", "name", "fact", "json"] };
pub(crate) static RUN: Table = Table { name: "run", columns: &["id", "node", "state", "begun_ms", "fact", "json"] };
pub(crate) static BATCH: Table = Table { name: "batch", columns: &["id", "run", "number", "fact", "json"] };
pub(crate) static TASK: Table = Table { name: "task", columns: &["id", "run", "server", "state", "fact", "json"] };

pub(crate) static TASK_LOG: Table =
    Table { name: "task_log", columns: &["position", "run", "server", "attempt", "begins", "size", "at_ms", "json"] };

pub(crate) static DOMAIN: Table = Table { name: "domain", columns: &["id", "name", "node", "fact", "json"] };

pub(crate) static OUTCOME: Table = Table {
    name: "outcome",
    columns: &[
        "command",
        "position",
        "id",
        "actor",
        "type",
        "at_ms",
        "outcome",
        "code",
        "field",
        "message",
        "conflict",
        "duplicate_of",
        "after_fact",
        "changes",
        "touched",
        "json",
    ],
};
pub(crate) static ENTITY_CHANGE: Table = Table { name: "entity_change", columns: &["fact", "command", "kind", "entity", "at_ms", "json"] };

/// The current state.
pub(crate) static STATE: Family = Family {
    name: "mysql",
    database: Database::Loki,
    tables: &[&NODE, &SERVER, &MOUNT, &MEMBERSHIP, &TOKEN, &PACKAGE, &TEMPLATE, &RUN, &BATCH, &TASK],
    position: "state_position",
};
/// What was.
pub(crate) static HISTORY: Family =
    Family { name: "history", database: Database::Loki, tables: &[&OUTCOME, &ENTITY_CHANGE], position: "history_position" };
/// What hooks and scripts have printed.
pub(crate) static TASK_LOGS: Family =
    Family { name: "task_logs", database: Database::Loki, tables: &[&TASK_LOG], position: "task_log_position" };
/// Domains, and the nodes above them.
pub(crate) static CDN_SYSTEM: Family =
    Family { name: "cdn_system", database: Database::CdnSystem, tables: &[&NODE, &DOMAIN], position: "domain_position" };

pub(crate) static LOKI_FAMILIES: [&Family; 3] = [&STATE, &HISTORY, &TASK_LOGS];
pub(crate) static CDN_SYSTEM_FAMILIES: [&Family; 1] = [&CDN_SYSTEM];

/// The kinds of entities of each projection of facts.
pub(crate) const STATE_KINDS: [Kind; 10] = [
    Kind::Node,
    Kind::Server,
    Kind::Mount,
    Kind::Membership,
    Kind::Token,
    Kind::Package,
    Kind::Template,
    Kind::Run,
    Kind::Batch,
    Kind::Task,
];
pub(crate) const CDN_SYSTEM_KINDS: [Kind; 2] = [Kind::Node, Kind::Domain];

/// The table of this name while a rebuild fills it.
pub(crate) fn shadow(table: &str) -> String {
    format!("{table}_shadow")
}

/// What a table is called between its replacement and its end.
pub(crate) fn old(table: &str) -> String {
    format!("{table}_old")
}
