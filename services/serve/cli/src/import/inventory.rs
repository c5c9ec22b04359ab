//! What every format is read into: nodes and servers, each with the line that it comes from.
//!
//! Paths begin at the root of the import (`/` is the node that the plan's `under` names). Entries are sorted, nodes by path and
//! servers by name: the order in which a file tells them, or its format, does not change the plan.

use std::collections::BTreeMap;

/// An inventory file's contents. Secrets and connection details are not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Sorted by path, so that parents come before children. Ancestors that the file does not describe may be absent.
    pub nodes: Vec<Node>,
    /// Sorted by name.
    pub servers: Vec<Server>,
}

/// A node of the tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// `/` or `/name/name`.
    pub path: String,
    pub labels: BTreeMap<String, String>,
    pub line: u32,
}

/// A server and the nodes that mount it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Server {
    /// In lower case.
    pub name: String,
    pub serial: Option<String>,
    /// In the file's order, each once.
    pub addresses: Vec<String>,
    pub idc: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// Sorted by path, each once.
    pub mounts: Vec<Mount>,
    pub line: u32,
}

/// A node that mounts a server, and the line that says so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mount {
    pub path: String,
    pub line: u32,
}

impl Inventory {
    /// Brings entries into the order promised above.
    pub(crate) fn sort(&mut self) {
        self.nodes.sort_by(|a, b| a.path.cmp(&b.path));
        self.servers.sort_by(|a, b| a.name.cmp(&b.name));
        for server in &mut self.servers {
            server.mounts.sort();
            server.mounts.dedup_by(|later, first| later.path == first.path);
        }
    }

    /// How many mounts the servers have together.
    #[must_use]
    pub fn mount_count(&self) -> usize {
        self.servers.iter().map(|server| server.mounts.len()).sum()
    }

    /// The same inventory without line numbers: equal for two files that say the same.
    #[must_use]
    pub fn without_lines(mut self) -> Self {
        self.nodes.iter_mut().for_each(|node| node.line = 0);
        for server in &mut self.servers {
            server.line = 0;
            server.mounts.iter_mut().for_each(|mount| mount.line = 0);
        }
        self
    }
}
