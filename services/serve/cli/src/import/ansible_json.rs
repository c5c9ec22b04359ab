//! Ansible's JSON inventories: what `ansible-inventory --list` and inventory scripts print.
//!
//! ```json
//! {"_meta": {"hostvars": {"web1": {"rack": "r1"}}},
//!  "shop": {"children": ["web"]}, "web": {"hosts": ["web1"], "vars": {"tier": "front"}}, "old": ["web2"]}
//! ```
//!
//! Names stand in lists here, so that all entries of one have its line; what is said of a host is told once, apart from the groups.

use std::collections::BTreeMap;

use super::attributes::{Attributes, Owner};
use super::findings::Findings;
use super::groups::{GroupId, Groups, LimitPassed};
use super::names::quoted;
use super::value::Value;
use super::yaml_node::{Entry, YamlNode};

/// Whether a JSON object is in this form; otherwise it is a YAML inventory that is written as JSON.
pub(super) fn is_listed(entries: &[Entry]) -> bool {
    entries.iter().any(|Entry { key, value, .. }| match value {
        YamlNode::List(_) => true,
        YamlNode::Map(sections) => key == "_meta" || sections.iter().any(|section| matches!(section.value, YamlNode::List(_))),
        YamlNode::Scalar(_) => false,
    })
}

/// Reads a whole object.
pub(super) fn read(groups: &mut Groups, entries: Vec<Entry>, findings: &mut Findings) -> Result<(), LimitPassed> {
    let (meta, entries): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.key == "_meta");
    let mut variables = hostvars(meta, findings);
    let (told, mut grouped) = (!variables.is_empty(), false);
    // where a group is told, and not where another one names it
    for Entry { key: name, line, .. } in &entries {
        groups.group(name, *line, findings)?;
    }
    for Entry { key: name, line, value } in entries {
        let group = groups.group(&name, line, findings)?;
        let sections = match value {
            YamlNode::Map(sections) => sections,
            YamlNode::List(hosts) => vec![Entry { key: "hosts".to_owned(), line, value: YamlNode::List(hosts) }],
            YamlNode::Scalar(_) => {
                findings.problem(line, format!("group {} must be a mapping, or a list of hosts", quoted(&name)));
                continue;
            }
        };
        for Entry { key, line, value } in sections {
            match (key.as_str(), value) {
                ("hosts", value) => {
                    for host in names(&key, line, value, findings) {
                        let attributes = variables.remove(&host).map(|(_, attributes)| attributes).unwrap_or_default();
                        groups.add_hosts(group, &host, &attributes, line, findings)?;
                    }
                }
                ("children", value) => children(groups, group, names(&key, line, value, findings), line, findings)?,
                ("vars", YamlNode::Map(entries)) => {
                    grouped |= !entries.is_empty();
                    let attributes = &mut groups.groups[group].attributes;
                    set(attributes, Owner::Group, entries, findings);
                }
                ("vars", _) => findings.problem(line, "`vars` must be a mapping of variables"),
                _ => {
                    let message = format!("key {} of a group is not imported: only `hosts`, `children` and `vars` are known", quoted(&key));
                    findings.warning(line, message);
                }
            }
        }
    }
    for (host, (line, _)) in variables {
        findings.warning(line, format!("host {} of `_meta` is in no group and is not imported", quoted(&host)));
    }
    if told && !grouped {
        let message = "no group has variables: `ansible-inventory --list` moves them onto the hosts unless it is run with `--export`";
        findings.warning(0, message);
    }
    Ok(())
}

/// `_meta.hostvars`: what is said of each host, and where.
fn hostvars(meta: Vec<Entry>, findings: &mut Findings) -> BTreeMap<String, (u32, Attributes)> {
    let mut hosts = BTreeMap::new();
    let sections = meta.into_iter().filter_map(|entry| if let YamlNode::Map(sections) = entry.value { Some(sections) } else { None });
    for Entry { line, value, .. } in sections.flatten().filter(|section| section.key == "hostvars") {
        let YamlNode::Map(entries) = value else {
            findings.problem(line, "`hostvars` must be a mapping of hosts");
            continue;
        };
        for Entry { key: host, line, value } in entries {
            let YamlNode::Map(entries) = value else {
                findings.problem(line, format!("host {} must have a mapping of variables", quoted(&host)));
                continue;
            };
            let mut attributes = Attributes::default();
            set(&mut attributes, Owner::Host, entries, findings);
            hosts.insert(host, (line, attributes));
        }
    }
    hosts
}

fn set(attributes: &mut Attributes, owner: Owner, entries: Vec<Entry>, findings: &mut Findings) {
    for Entry { key, line, value } in entries {
        attributes.set(owner, &key, &unmarked(value.into_value()), line, findings);
    }
}

fn children(groups: &mut Groups, parent: GroupId, names: Vec<String>, line: u32, findings: &mut Findings) -> Result<(), LimitPassed> {
    for name in names {
        let child = groups.group(&name, line, findings)?;
        groups.add_child(parent, child, line, findings)?;
    }
    Ok(())
}

fn names(key: &str, line: u32, value: YamlNode, findings: &mut Findings) -> Vec<String> {
    let name = |item| if let YamlNode::Scalar(Value::Text(name)) = item { Some(name) } else { None };
    let names = if let YamlNode::List(items) = value { items.into_iter().map(name).collect() } else { None };
    names.unwrap_or_else(|| {
        findings.problem(line, format!("`{key}` must be a list of names"));
        Vec::new()
    })
}

/// JSON has no tags: Ansible marks what YAML tags by a mapping of one key.
fn unmarked(value: Value) -> Value {
    match value {
        Value::Map(mut entries) if entries.len() == 1 && entries[0].0.starts_with("__ansible_") => {
            let (mark, inner) = entries.remove(0);
            if mark == "__ansible_vault" { Value::Vault } else { unmarked(inner) }
        }
        Value::Map(entries) => Value::Map(entries.into_iter().map(|(key, value)| (key, unmarked(value))).collect()),
        Value::List(items) => Value::List(items.into_iter().map(unmarked).collect()),
        value => value,
    }
}
