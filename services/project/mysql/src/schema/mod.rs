//! The store's tables, from one place: the migrations.
//!
//! `files` embeds them, `statements` says which statement shapes which table, `migrate` runs what has not been run. A table that was dropped is
//! made again, and a shadow table is made, by the same statements: they cannot differ from a migrated one.

mod files;
mod grants;
mod migrate;
mod statements;

use files::version;
pub use grants::Grants;
pub use migrate::migrate;
pub(crate) use migrate::{check_version, ensure};
pub(crate) use statements::shapes;
