//! How much an inventory may hold: a file comes from outside, and a dozen bytes of it can ask for millions of hosts.

/// Largest file that is read.
pub const FILE_BYTES: usize = 64 * 1024 * 1024;

/// Most servers in one inventory.
pub const SERVERS: usize = 100_000;

/// Most nodes in one inventory; a group with several parents counts once for each place it gets.
pub const NODES: usize = 100_000;

/// Most mounts in one inventory.
pub const MOUNTS: usize = 1_000_000;

/// Most names that all host ranges of a file expand to, repeated ones counted.
pub(crate) const EXPANDED_NAMES: usize = 2_000_000;

/// Most groups of an Ansible inventory.
pub(crate) const GROUPS: usize = 100_000;

/// Most lines that say "this group is a child of that one".
pub(crate) const GROUP_EDGES: usize = 1_000_000;

/// Bytes of labels, or of mounted paths, after a line's variables were given to each of its hosts and a group to each of its places.
pub(crate) const TEXT_BYTES: usize = 256 * 1024 * 1024;

/// Nesting of a variable's value: lists in lists, mappings in mappings.
pub(crate) const VALUE_DEPTH: usize = 32;

/// Longest value that is read as a literal of Python; a longer one is text, and too long for a label anyway.
pub(crate) const LITERAL_BYTES: usize = 64 * 1024;

/// Problems and warnings that are told one by one; the rest is counted.
pub(crate) const FINDINGS: usize = 200;
