//! What is there, as the caller read it from the query API.

use std::collections::{BTreeMap, BTreeSet};

/// The state that an inventory is compared with. It may be restricted to what the inventory can touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Current {
    /// Path of every node (`/acme/shop`) with its own labels, not the inherited ones.
    pub nodes: BTreeMap<String, BTreeMap<String, String>>,
    /// Servers that are not retired, by name.
    pub servers: BTreeMap<String, CurrentServer>,
    /// Name of a server, path of a node that mounts it.
    pub mounts: BTreeSet<(String, String)>,
}

/// A registered server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CurrentServer {
    pub serial: Option<String>,
    pub addresses: Vec<String>,
    pub idc: Option<String>,
    pub labels: BTreeMap<String, String>,
}
