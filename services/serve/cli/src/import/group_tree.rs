//! Turns the graph of groups into nodes and servers.
//!
//! - A group is a node under each of its parents; a group without a parent is under `all`, which is the root of the import. `all` as
//!   a parent beside others does not count: every group is in it anyway.
//! - A host is mounted on the nodes of the groups that name it; in none of them, on `ungrouped`.
//! - A group's variables are labels of its nodes, where the tree hands them down. Only `idc` is a field of the server: it is taken
//!   with Ansible's precedence (all < parent < child < host).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::attributes::bound_labels;
use super::findings::Findings;
use super::groups::{ALL, Group, GroupId, Groups, Host, LimitPassed, UNGROUPED, bounded};
use super::inventory::{Inventory, Mount, Node, Server};
use super::limits;
use super::names::{self, quoted};

/// The inventory; `None` when a problem was told.
pub(crate) fn build(mut groups: Groups, findings: &mut Findings) -> Option<Inventory> {
    groups.groups.iter_mut().for_each(|group| bound_labels(&mut group.attributes.labels, &group.name, group.line, findings));
    groups.hosts.iter_mut().for_each(|host| bound_labels(&mut host.attributes.labels, &host.name, host.line, findings));
    let parents = parents(&groups);
    let order = match parents_first(&groups, &parents) {
        Ok(order) => order,
        Err(Cycle { line, names }) => {
            let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
            findings.problem(line, format!("groups contain each other: {}: remove one of the children", names.join(" → ")));
            return None;
        }
    };
    if !findings.is_clean() {
        return None;
    }
    let depths = depths(&parents, &order);
    let inventory = Tree { groups, parents, order, depths }.inventory(findings).ok()?;
    findings.is_clean().then_some(inventory)
}

struct Cycle {
    line: u32,
    names: Vec<String>,
}

/// The parents of each group that give it a place.
fn parents(groups: &Groups) -> Vec<Vec<GroupId>> {
    let mut parents = vec![Vec::new(); groups.groups.len()];
    for (parent, group) in groups.groups.iter().enumerate() {
        for &child in group.children.keys() {
            parents[child].push(parent);
        }
    }
    for (child, parents) in parents.iter_mut().enumerate() {
        if parents.iter().any(|&parent| parent != ALL) {
            parents.retain(|&parent| parent != ALL || child == ALL);
        } else if child != ALL {
            *parents = vec![ALL];
        }
    }
    parents
}

/// All groups, each after its parents.
fn parents_first(groups: &Groups, parents: &[Vec<GroupId>]) -> Result<Vec<GroupId>, Cycle> {
    let mut waits_for: Vec<usize> = parents.iter().map(Vec::len).collect();
    let mut children = vec![Vec::new(); parents.len()];
    for (child, parents) in parents.iter().enumerate() {
        parents.iter().for_each(|&parent| children[parent].push(child));
    }
    let mut order: Vec<GroupId> = (0..parents.len()).filter(|&group| waits_for[group] == 0).collect();
    let mut next = 0;
    while let Some(&group) = order.get(next) {
        next += 1;
        for &child in &children[group] {
            waits_for[child] -= 1;
            if waits_for[child] == 0 {
                order.push(child);
            }
        }
    }
    if order.len() == parents.len() { Ok(order) } else { Err(cycle(groups, parents, &waits_for)) }
}

/// Every group that still waits has a parent that waits: going from parent to parent comes round.
fn cycle(groups: &Groups, parents: &[Vec<GroupId>], waits_for: &[usize]) -> Cycle {
    let waiting = |group: &GroupId| waits_for[*group] > 0;
    let mut seen: Vec<GroupId> = Vec::new();
    let mut positions: HashMap<GroupId, usize> = HashMap::new();
    let mut group = (0..parents.len()).find(waiting).unwrap_or(ALL);
    while !positions.contains_key(&group) {
        positions.insert(group, seen.len());
        seen.push(group);
        group = parents[group].iter().copied().find(waiting).unwrap_or(group);
    }
    let mut round = seen.split_off(positions[&group]);
    // Children first so far; the reader expects parents first, from where the file closes the round.
    round.reverse();
    let line_of = |at: usize| groups.groups[round[at]].children.get(&round[(at + 1) % round.len()]).copied().unwrap_or(0);
    let closing = (0..round.len()).max_by_key(|&at| line_of(at)).unwrap_or(0);
    let line = line_of(closing);
    let first = (closing + 1) % round.len().max(1);
    round.rotate_left(first);
    let first = round.first().copied();
    let names = round.iter().copied().chain(first).map(|group| groups.groups[group].name.clone()).collect();
    Cycle { line, names }
}

/// The longest way from `all`; Ansible's precedence goes by it.
fn depths(parents: &[Vec<GroupId>], order: &[GroupId]) -> Vec<usize> {
    let mut depths = vec![0; parents.len()];
    for &group in order {
        depths[group] = parents[group].iter().map(|&parent| depths[parent] + 1).max().unwrap_or(0);
    }
    depths
}

struct Tree {
    groups: Groups,
    parents: Vec<Vec<GroupId>>,
    order: Vec<GroupId>,
    depths: Vec<usize>,
}

impl Tree {
    fn inventory(mut self, findings: &mut Findings) -> Result<Inventory, LimitPassed> {
        let memberships = self.memberships();
        self.groups.groups[UNGROUPED].line = self.first_ungrouped_line(&memberships);
        let paths = self.paths(&memberships, findings)?;
        let mut inventory = Inventory { nodes: self.nodes(&paths), servers: Vec::with_capacity(self.groups.hosts.len()) };
        let (mut mounts, mut bytes) = (0, 0);
        let mut idcs: HashMap<Vec<GroupId>, Option<String>> = HashMap::new();
        for (host, groups) in self.groups.hosts.iter().zip(&memberships) {
            let server = self.server(host, groups, &paths, &mut idcs);
            bounded("mounts", mounts, server.mounts.len(), limits::MOUNTS, host.line, findings)?;
            mounts += server.mounts.len();
            let more: usize = server.mounts.iter().map(|mount| mount.path.len()).sum();
            bounded("bytes of mounted paths", bytes, more, limits::TEXT_BYTES, host.line, findings)?;
            bytes += more;
            inventory.servers.push(server);
        }
        inventory.sort();
        Ok(inventory)
    }

    /// The groups that each host counts as directly in, and since which line.
    fn memberships(&self) -> Vec<BTreeMap<GroupId, u32>> {
        let mut memberships = vec![BTreeMap::new(); self.groups.hosts.len()];
        for (id, group) in self.groups.groups.iter().enumerate() {
            for (&host, &line) in &group.hosts {
                memberships[host].insert(id, line);
            }
        }
        for (groups, host) in memberships.iter_mut().zip(&self.groups.hosts) {
            if groups.keys().any(|&group| group > UNGROUPED) {
                groups.retain(|&group, _| group > UNGROUPED);
            } else {
                *groups = BTreeMap::from([(UNGROUPED, host.line)]);
            }
        }
        memberships
    }

    /// Where `ungrouped` comes into the file: its section, or the first host that is in no group.
    fn first_ungrouped_line(&self, memberships: &[BTreeMap<GroupId, u32>]) -> u32 {
        match self.groups.groups[UNGROUPED].line {
            0 => memberships.iter().filter_map(|groups| groups.get(&UNGROUPED)).copied().min().unwrap_or(0),
            line => line,
        }
    }

    /// Where each group is: all its paths.
    fn paths(&self, memberships: &[BTreeMap<GroupId, u32>], findings: &mut Findings) -> Result<Vec<Vec<String>>, LimitPassed> {
        let mut paths: Vec<Vec<String>> = vec![Vec::new(); self.parents.len()];
        paths[ALL].push("/".to_owned());
        let empty_ungrouped =
            self.groups.groups[UNGROUPED].children.is_empty() && !memberships.iter().any(|groups| groups.contains_key(&UNGROUPED));
        let (mut nodes, mut bytes) = (0, 0);
        for &group in &self.order {
            if group == ALL || (group == UNGROUPED && empty_ungrouped) {
                continue;
            }
            let Self { groups, parents, .. } = self;
            let Group { name, line, attributes, .. } = &groups.groups[group];
            let line = *line;
            let places: usize = parents[group].iter().map(|&parent| paths[parent].len()).sum();
            bounded("nodes", nodes, places, limits::NODES, line, findings)?;
            nodes += places;
            let more = attributes.bytes().saturating_mul(places);
            bounded("bytes of labels", bytes, more, limits::TEXT_BYTES, line, findings)?;
            bytes += more;
            let below = |parent: &str| names::join(parent, &format!("/{name}"));
            let mine: Vec<String> = parents[group].iter().flat_map(|&parent| &paths[parent]).map(|parent| below(parent)).collect();
            if let Some(error) = mine.iter().find_map(|path| names::check_path(path).err()) {
                findings.problem(line, error);
                return Err(LimitPassed);
            }
            let more = mine.iter().map(String::len).sum();
            bounded("bytes of paths", bytes, more, limits::TEXT_BYTES, line, findings)?;
            bytes += more;
            paths[group] = mine;
        }
        Ok(paths)
    }

    /// A node for each place of each group; for `all` only if it has labels, since the root need not be made.
    fn nodes(&self, paths: &[Vec<String>]) -> Vec<Node> {
        let groups = self.groups.groups.iter().enumerate();
        let described = groups.filter(|(id, group)| *id != ALL || !group.attributes.labels.is_empty());
        described
            .flat_map(|(id, group)| {
                let node = |path: &String| Node { path: path.clone(), labels: group.attributes.labels.clone(), line: group.line };
                paths[id].iter().map(node)
            })
            .collect()
    }

    fn server(
        &self,
        host: &Host,
        groups: &BTreeMap<GroupId, u32>,
        paths: &[Vec<String>],
        idcs: &mut HashMap<Vec<GroupId>, Option<String>>,
    ) -> Server {
        let attributes = host.attributes.clone();
        let idc = attributes.idc.or_else(|| {
            let direct: Vec<GroupId> = groups.keys().copied().collect();
            idcs.entry(direct).or_insert_with_key(|direct| self.idc(direct)).clone()
        });
        let own_name = host.name.parse::<std::net::IpAddr>().is_ok().then(|| host.name.clone());
        let mut addresses: Vec<String> = attributes.connect_to.or(own_name).into_iter().collect();
        addresses.extend(attributes.addresses.into_iter().filter(|address| addresses.first() != Some(address)).collect::<Vec<_>>());
        let mounts = groups.iter().flat_map(|(&group, &line)| paths[group].iter().map(move |path| Mount { path: path.clone(), line }));
        Server {
            name: host.name.clone(),
            serial: attributes.serial,
            addresses,
            idc,
            labels: attributes.labels,
            mounts: mounts.collect(),
            line: host.line,
        }
    }

    /// The `idc` of the group that wins: the deepest, then the one of higher priority, then the last by name.
    fn idc(&self, direct: &[GroupId]) -> Option<String> {
        let mut known: BTreeSet<GroupId> = direct.iter().copied().collect();
        let mut open: Vec<GroupId> = direct.to_vec();
        while let Some(group) = open.pop() {
            open.extend(self.parents[group].iter().filter(|&&parent| known.insert(parent)));
        }
        let telling = known.into_iter().filter(|&group| self.groups.groups[group].attributes.idc.is_some());
        let winner = telling.max_by_key(|&group| {
            let Group { name, attributes, .. } = &self.groups.groups[group];
            (self.depths[group], attributes.priority.unwrap_or(1), name.as_str())
        })?;
        self.groups.groups[winner].attributes.idc.clone()
    }
}
