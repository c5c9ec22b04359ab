//! Groups and hosts of an Ansible inventory as its file tells them, in whichever syntax: a graph, not yet a tree.
//!
//! `all` and `ungrouped` always exist. [`group_tree`](super::group_tree) turns the graph into nodes and servers.

use std::collections::{BTreeMap, HashMap};

use super::attributes::Attributes;
use super::findings::Findings;
use super::host_pattern::HostPattern;
use super::limits;
use super::names::{self, quoted};

/// Index of a group.
pub(crate) type GroupId = usize;
/// Index of a host.
pub(crate) type HostId = usize;

pub(crate) const ALL: GroupId = 0;
pub(crate) const UNGROUPED: GroupId = 1;

#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// Where it is mentioned first; 0 for the two that always exist.
    pub(crate) line: u32,
    /// Child groups, each with the line that first says so.
    pub(crate) children: BTreeMap<GroupId, u32>,
    /// Hosts directly in it, each with the line that first says so.
    pub(crate) hosts: BTreeMap<HostId, u32>,
    pub(crate) attributes: Attributes,
}

#[derive(Debug)]
pub(crate) struct Host {
    /// In lower case.
    pub(crate) name: String,
    /// As the file spells it.
    spelling: String,
    pub(crate) line: u32,
    pub(crate) attributes: Attributes,
}

#[derive(Debug)]
pub(crate) struct Groups {
    pub(crate) groups: Vec<Group>,
    pub(crate) hosts: Vec<Host>,
    group_ids: HashMap<String, GroupId>,
    host_ids: HashMap<String, HostId>,
    edges: usize,
    memberships: usize,
    expanded_names: usize,
    label_bytes: usize,
}

/// A limit was passed: the problem is told, reading on is pointless.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LimitPassed;

impl Groups {
    pub(crate) fn new() -> Self {
        let mut groups = Self {
            groups: Vec::new(),
            hosts: Vec::new(),
            group_ids: HashMap::new(),
            host_ids: HashMap::new(),
            edges: 0,
            memberships: 0,
            expanded_names: 0,
            label_bytes: 0,
        };
        for (id, name) in [(ALL, "all"), (UNGROUPED, "ungrouped")] {
            groups.group_ids.insert(name.to_owned(), id);
            groups.groups.push(Group { name: name.to_owned(), ..Group::default() });
        }
        groups
    }

    pub(crate) fn find(&self, name: &str) -> Option<GroupId> {
        self.group_ids.get(name).copied()
    }

    /// The group of that name, made when it is new.
    pub(crate) fn group(&mut self, name: &str, line: u32, findings: &mut Findings) -> Result<GroupId, LimitPassed> {
        if let Some(id) = self.find(name) {
            let first = &mut self.groups[id].line;
            *first = if *first == 0 { line } else { *first };
            return Ok(id);
        }
        bounded("groups", self.groups.len(), 1, limits::GROUPS, line, findings)?;
        if let Err(error) = names::check_node(name) {
            findings.problem(line, format!("group becomes a node of the tree: {error}"));
        }
        let id = self.groups.len();
        self.group_ids.insert(name.to_owned(), id);
        self.groups.push(Group { name: name.to_owned(), line, ..Group::default() });
        Ok(id)
    }

    pub(crate) fn add_child(&mut self, parent: GroupId, child: GroupId, line: u32, findings: &mut Findings) -> Result<(), LimitPassed> {
        if self.groups[parent].children.contains_key(&child) {
            return Ok(());
        }
        bounded("child groups", self.edges, 1, limits::GROUP_EDGES, line, findings)?;
        self.edges += 1;
        self.groups[parent].children.insert(child, line);
        Ok(())
    }

    /// Adds every host of a pattern to a group, with what the line says about them.
    pub(crate) fn add_hosts(
        &mut self,
        group: GroupId,
        pattern: &str,
        attributes: &Attributes,
        line: u32,
        findings: &mut Findings,
    ) -> Result<(), LimitPassed> {
        let pattern = match HostPattern::parse(pattern) {
            Ok(pattern) => pattern,
            Err(error) => {
                findings.problem(line, error);
                return Ok(());
            }
        };
        if pattern.has_port {
            findings.warning(line, "the port behind a host says how Ansible works on the host and is not imported");
        }
        let count = usize::try_from(pattern.count()).unwrap_or(usize::MAX);
        bounded("hosts in one range", 0, count, limits::SERVERS, line, findings)?;
        bounded("hosts in ranges", self.expanded_names, count, limits::EXPANDED_NAMES, line, findings)?;
        bounded("mounts", self.memberships, count, limits::MOUNTS, line, findings)?;
        let bytes = attributes.bytes().saturating_mul(count);
        bounded("bytes of labels", self.label_bytes, bytes, limits::TEXT_BYTES, line, findings)?;
        self.expanded_names += count;
        self.memberships += count;
        self.label_bytes += bytes;
        for spelling in pattern.expand() {
            if let Some(host) = self.host(spelling, line, findings)? {
                self.hosts[host].attributes.overlay(attributes);
                self.groups[group].hosts.entry(host).or_insert(line);
            }
        }
        Ok(())
    }

    fn host(&mut self, spelling: String, line: u32, findings: &mut Findings) -> Result<Option<HostId>, LimitPassed> {
        let name = match names::server(&spelling) {
            Ok(name) => name,
            Err(error) => {
                findings.problem(line, error);
                return Ok(None);
            }
        };
        if let Some(&id) = self.host_ids.get(&name) {
            let host = &self.hosts[id];
            if host.spelling != spelling {
                let (ours, theirs) = (quoted(&spelling), quoted(&host.spelling));
                let first = host.line;
                findings.problem(line, format!("host {ours} and host {theirs} of line {first} differ in case only: spell them alike"));
            }
            return Ok(Some(id));
        }
        bounded("hosts", self.hosts.len(), 1, limits::SERVERS, line, findings)?;
        let id = self.hosts.len();
        self.host_ids.insert(name.clone(), id);
        self.hosts.push(Host { name, spelling, line, attributes: Attributes::default() });
        Ok(Some(id))
    }
}

/// Tells a problem when `more` would pass the limit.
pub(crate) fn bounded(what: &str, have: usize, more: usize, limit: usize, line: u32, findings: &mut Findings) -> Result<(), LimitPassed> {
    if have.saturating_add(more) <= limit {
        return Ok(());
    }
    findings.problem(line, format!("inventory has more than {limit} {what}: split the file"));
    Err(LimitPassed)
}
