//! Ansible's YAML inventories, read as Ansible reads them.
//!
//! ```yaml
//! all:
//!   hosts:
//!     bastion.acme.example: {ansible_host: 10.0.0.9}
//!   children:
//!     shop:
//!       children:
//!         web:
//!           hosts:
//!             web[01:50].acme.example:
//!           vars: {tier: front}
//! ```
//!
//! Groups may also be keys of the file itself. Several documents of one file are read one after the other, as Ansible reads several
//! files.

use super::ansible_json;
use super::attributes::{Attributes, Owner};
use super::findings::Findings;
use super::group_tree;
use super::groups::{GroupId, Groups, LimitPassed};
use super::inventory::Inventory;
use super::names::quoted;
use super::value::Value;
use super::yaml_node::{Entry, YamlNode};

/// Reads a whole file; `None` when a problem was told.
pub(crate) fn read(text: &str, findings: &mut Findings) -> Option<Inventory> {
    let documents = match YamlNode::read(text, findings) {
        Ok(documents) => documents,
        Err(problem) => {
            findings.problem(problem.line, problem.message);
            return None;
        }
    };
    let mut reader = Reader { groups: Groups::new(), json: text.trim_start().starts_with('{') };
    let mut empty = true;
    for document in documents.into_iter().filter(|document| !document.is_null()) {
        empty = false;
        reader.document(document, findings).ok()?;
    }
    if empty {
        findings.problem(0, "file has no groups: write `all:` with `hosts:` and `children:` below it");
    }
    group_tree::build(reader.groups, findings)
}

struct Reader {
    groups: Groups,
    /// The text is JSON, which is YAML too.
    json: bool,
}

impl Reader {
    fn document(&mut self, document: YamlNode, findings: &mut Findings) -> Result<(), LimitPassed> {
        let YamlNode::Map(entries) = document else {
            findings.problem(0, "file must be a mapping of groups: write `all:` with `hosts:` and `children:` below it");
            return Ok(());
        };
        if let Some(plugin) = entries.iter().find(|entry| entry.key == "plugin") {
            let message = "file configures an inventory plugin: import what `ansible-inventory --list --yaml --export` prints";
            findings.problem(plugin.line, message);
            return Ok(());
        }
        if self.json && ansible_json::is_listed(&entries) {
            return ansible_json::read(&mut self.groups, entries, findings);
        }
        for entry in entries {
            self.group(entry, findings)?;
        }
        Ok(())
    }

    /// A group; `None` for what is no group.
    fn group(&mut self, entry: Entry, findings: &mut Findings) -> Result<Option<GroupId>, LimitPassed> {
        let Entry { key: name, line, value } = entry;
        let sections = match value {
            YamlNode::Map(sections) => sections,
            value if value.is_null() => Vec::new(),
            _ => {
                findings.warning(line, format!("{} is no group and is not imported: a group is a mapping", quoted(&name)));
                return Ok(None);
            }
        };
        let group = self.groups.group(&name, line, findings)?;
        for Entry { key, line, value } in sections {
            if !matches!(key.as_str(), "hosts" | "children" | "vars") {
                let message = format!("key {} of a group is not imported: only `hosts`, `children` and `vars` are known", quoted(&key));
                findings.warning(line, message);
                continue;
            }
            let Some(entries) = section(&key, line, value, findings) else { continue };
            for entry in entries {
                match key.as_str() {
                    "hosts" => self.hosts(group, entry, findings)?,
                    "children" => self.child(group, entry, findings)?,
                    _ => self.variable(group, entry, findings),
                }
            }
        }
        Ok(Some(group))
    }

    fn child(&mut self, parent: GroupId, entry: Entry, findings: &mut Findings) -> Result<(), LimitPassed> {
        let line = entry.line;
        match self.group(entry, findings)? {
            Some(child) => self.groups.add_child(parent, child, line, findings),
            None => Ok(()),
        }
    }

    fn hosts(&mut self, group: GroupId, entry: Entry, findings: &mut Findings) -> Result<(), LimitPassed> {
        let Entry { key: pattern, line, value } = entry;
        let mut attributes = Attributes::default();
        match value {
            YamlNode::Map(variables) => {
                for Entry { key, line, value } in variables {
                    attributes.set(Owner::Host, &key, &value.into_value(), line, findings);
                }
            }
            value if value.is_null() => {}
            _ => {
                let message = format!("host {} must have a mapping of variables, or nothing behind the `:`", quoted(&pattern));
                findings.problem(line, message);
                return Ok(());
            }
        }
        self.groups.add_hosts(group, &pattern, &attributes, line, findings)
    }

    fn variable(&mut self, group: GroupId, entry: Entry, findings: &mut Findings) {
        let Entry { key, line, value } = entry;
        let attributes = &mut self.groups.groups[group].attributes;
        attributes.set(Owner::Group, &key, &value.into_value(), line, findings);
    }
}

/// The entries of `hosts`, `children` or `vars`. A single host or child is allowed in place of a mapping.
fn section(key: &str, line: u32, value: YamlNode, findings: &mut Findings) -> Option<Vec<Entry>> {
    match value {
        YamlNode::Map(entries) => Some(entries),
        YamlNode::Scalar(Value::Null) => None,
        YamlNode::Scalar(Value::Text(name)) if key != "vars" => Some(vec![Entry { key: name, line, value: YamlNode::Scalar(Value::Null) }]),
        _ => {
            findings.problem(line, format!("`{key}` must be a mapping: write each name on a line of its own with `:` behind it"));
            None
        }
    }
}
