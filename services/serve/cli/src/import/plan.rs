//! Compares an inventory with what is there and gives the commands for the differences.
//!
//! Only what is missing or different becomes a command: labels and fields that the inventory does not tell stay as they are, and
//! nothing is removed, renamed, moved or unmounted.

mod current;
mod render;
mod step;

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub use current::{Current, CurrentServer};
pub use step::Step;

use super::findings::{Problem, Warning};
use super::inventory::{Inventory, Node, Server};
use super::names;

/// What an import would do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// In the order in which they must be emitted: nodes from the top, then each server followed by its mounts.
    pub steps: Vec<Step>,
    /// Parts of the inventory that have no place under `under`.
    pub warnings: Vec<Warning>,
    pub unchanged: Unchanged,
}

/// What is there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unchanged {
    pub nodes: usize,
    pub servers: usize,
    pub mounts: usize,
}

/// Plans an import below the node `under` (`/` for the top of the tree; it is made when it is missing).
///
/// A command's id comes from its type, its data and `salt`. The log answers an id that it has seen in the last 24 hours with the first
/// outcome, so two runs of one salt never do a thing twice, also when the second one looked before the first one was visible. To
/// import again what was removed by hand within that time, choose another salt (the position that `current` was read at is a good one
/// for that; the file's own hash is the one for a script that may be repeated).
///
/// # Errors
/// `under` is no path, or the inventory cannot be put below it.
pub fn plan(inventory: &Inventory, current: &Current, under: &str, salt: &str) -> Result<Plan, Vec<Problem>> {
    names::check_path(under).map_err(|error| vec![Problem { line: 0, message: format!("`--under`: {error}") }])?;
    let mut planner = Planner { current, under, salt, plan: Plan::default(), problems: Vec::new() };
    inventory.nodes.iter().for_each(|node| planner.node(node));
    inventory.servers.iter().for_each(|server| planner.server(server));
    if planner.problems.is_empty() { Ok(planner.plan) } else { Err(planner.problems) }
}

struct Planner<'p> {
    current: &'p Current,
    under: &'p str,
    salt: &'p str,
    plan: Plan,
    problems: Vec<Problem>,
}

impl Planner<'_> {
    fn step(&mut self, line: u32, command_type: &'static str, data: Value, summary: String) {
        self.plan.steps.push(Step::new(line, command_type, data, summary, self.salt));
    }

    /// A path of the inventory in the tree; told as a problem where it would be too deep.
    fn place(&mut self, path: &str, line: u32) -> Option<String> {
        let place = names::join(self.under, path);
        match names::check_path(&place) {
            Ok(()) => Some(place),
            Err(message) => {
                self.problems.push(Problem { line, message });
                None
            }
        }
    }

    fn node(&mut self, node: &Node) {
        let Some(path) = self.place(&node.path, node.line) else { return };
        if path == "/" {
            return self.top(node);
        }
        let Some(known) = self.current.nodes.get(&path) else {
            let data = json!({"path": path, "parents": true, "labels": node.labels});
            return self.step(node.line, "node.create", data, format!("+ node {path}{}", told(&node.labels)));
        };
        let changed = changed(known, &node.labels);
        if changed.is_empty() {
            self.plan.unchanged.nodes += 1;
            return;
        }
        let data = json!({"node": path, "labels": changed});
        self.step(node.line, "node.set", data, format!("~ node {path}{}", told_changes(known, &changed)));
    }

    /// The tree itself is no node: there is nothing to make, and nothing to label.
    fn top(&mut self, node: &Node) {
        if !node.labels.is_empty() {
            let message = "labels of `/` (variables of `all`) are not imported, it is no node: import with `--under /NAME` to keep them";
            self.plan.warnings.push(Warning { line: node.line, message: message.to_owned(), times: 1 });
        }
    }

    fn server(&mut self, server: &Server) {
        match self.current.servers.get(&server.name) {
            None => self.register(server),
            Some(known) => self.update(server, known),
        }
        for mount in &server.mounts {
            let Some(path) = self.place(&mount.path, mount.line) else { continue };
            if path == "/" {
                let message = format!("server `{}` cannot be mounted on `/`: import with `--under /NAME`", server.name);
                self.problems.push(Problem { line: mount.line, message });
            } else if self.current.mounts.contains(&(server.name.clone(), path.clone())) {
                self.plan.unchanged.mounts += 1;
            } else {
                let summary = format!("+ mount {} on {path}", server.name);
                self.step(mount.line, "server.mount", json!({"server": server.name, "node": path}), summary);
            }
        }
    }

    fn register(&mut self, server: &Server) {
        let Server { name, serial, addresses, idc, labels, line, .. } = server;
        let mut data = json!({"name": name, "addresses": addresses, "labels": labels, "state": "online"});
        let mut summary = format!("+ server {name}");
        for (field, value) in [("serial", serial), ("idc", idc)] {
            if let Some(value) = value {
                data[field] = value.clone().into();
                summary.push_str(&format!(" {field}={value}"));
            }
        }
        if !addresses.is_empty() {
            summary.push_str(&format!(" addresses={}", addresses.join(";")));
        }
        summary.push_str(&told(labels));
        self.step(*line, "server.register", data, summary);
    }

    fn update(&mut self, server: &Server, known: &CurrentServer) {
        let mut data = json!({"server": server.name});
        let mut summary = format!("~ server {}", server.name);
        for (field, known, wanted) in [("serial", &known.serial, &server.serial), ("idc", &known.idc, &server.idc)] {
            if let Some(wanted) = wanted.as_ref().filter(|wanted| known.as_ref() != Some(*wanted)) {
                data[field] = wanted.clone().into();
                summary.push_str(&format!(" {field}: {} → {wanted}", known.as_deref().unwrap_or("none")));
            }
        }
        if let Some(addresses) = more_addresses(&known.addresses, &server.addresses) {
            summary.push_str(&format!(" addresses: {} → {}", known.addresses.join(";"), addresses.join(";")));
            data["addresses"] = addresses.into();
        }
        let changed = changed(&known.labels, &server.labels);
        if !changed.is_empty() {
            summary.push_str(&told_changes(&known.labels, &changed));
            data["labels"] = json!(changed);
        }
        match data.as_object().map(serde_json::Map::len) {
            Some(1) => self.plan.unchanged.servers += 1,
            _ => self.step(server.line, "server.update", data, summary),
        }
    }
}

/// The labels that are missing or have another value.
fn changed(known: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let differs = |(key, value): &(&String, &String)| known.get(*key) != Some(*value);
    wanted.iter().filter(differs).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The command replaces all addresses, an import removes none: the inventory's come first, since the first is the one to use.
fn more_addresses(known: &[String], wanted: &[String]) -> Option<Vec<String>> {
    if wanted.iter().all(|address| known.contains(address)) {
        return None;
    }
    let others = known.iter().filter(|address| !wanted.contains(address));
    Some(wanted.iter().chain(others).cloned().collect())
}

fn told(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!(" {key}={value}")).collect()
}

fn told_changes(known: &BTreeMap<String, String>, changed: &BTreeMap<String, String>) -> String {
    let old = |key: &String| known.get(key).map_or("none", String::as_str);
    changed.iter().map(|(key, value)| format!(" {key}: {} → {value}", old(key))).collect()
}
