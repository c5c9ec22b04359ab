//! Reading inventories: an Ansible inventory (INI or YAML) or a CSV file becomes the commands that bring it into the tree.
//!
//! Everything here is pure but [`read_file`], which opens the file. The steps:
//!
//! 1. [`read`] gives an [`Inventory`] (nodes, servers, mounts, each with its line) and [`Warning`]s about what was left out, or
//!    all [`Problem`]s of the file at once.
//! 2. The caller asks the query API what is there: [`Current`].
//! 3. [`plan()`] compares and gives the ordered commands for the differences ([`Plan`]); nothing is ever removed. A second run
//!    against a state that holds everything plans nothing, and one that races with the first repeats the same command ids.
//! 4. [`Plan::render`] shows it (`--plan`); otherwise the caller emits [`Plan::steps`] in order and tells rejections by
//!    [`Step::line`].
//!
//! Secrets and connection details of the file are not in the inventory, hence never in a command (module `secrets`).

mod ansible_ini;
mod ansible_json;
mod ansible_yaml;
mod attributes;
mod csv;
mod findings;
mod format;
mod group_tree;
mod groups;
mod help;
mod host_pattern;
pub mod inventory;
pub mod limits;
mod names;
pub mod plan;
mod python_literal;
mod read;
mod secrets;
mod shell_words;
mod value;
mod yaml_node;

pub use findings::{Problem, Warning};
pub use format::Format;
pub use help::{CSV_HELP, FORMAT_HELP, LONG_HELP};
pub use inventory::Inventory;
pub use plan::{Current, CurrentServer, Plan, Step, plan};
pub use read::{Options, read, read_file};
