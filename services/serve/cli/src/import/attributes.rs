//! Variables of a host or a group become labels and the few fields that a server has of its own.
//!
//! A line's variables are judged once, however many hosts its range gives.

use std::collections::BTreeMap;

use loki_domain::labels::COUNT_MAX;

use super::findings::Findings;
use super::names::{self, quoted};
use super::secrets;
use super::value::Value;

/// What the variables say that is imported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) idc: Option<String>,
    pub(crate) serial: Option<String>,
    /// `ansible_host`.
    pub(crate) connect_to: Option<String>,
    pub(crate) addresses: Vec<String>,
    /// `ansible_group_priority`: among groups of one depth the higher one's variables win.
    pub(crate) priority: Option<i64>,
}

/// Whose variables they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Host,
    Group,
}

impl Attributes {
    /// Takes a variable in, or tells why not.
    pub(crate) fn set(&mut self, owner: Owner, key: &str, value: &Value, line: u32, findings: &mut Findings) {
        // What it replaces must not come back when it is left out.
        self.labels.remove(key);
        let is_address = matches!(key, "ansible_host" | "ansible_ssh_host");
        if !is_address || owner == Owner::Group {
            if owner == Owner::Group && key == "ansible_group_priority" {
                return self.set_priority(value, line, findings);
            }
            if let Some(withheld) = secrets::withheld(key, value) {
                return findings.warning(line, format!("variable {} {} and is not imported", quoted(key), withheld.reason()));
            }
        }
        if value.is_template() {
            let reason = "is a template, which only Ansible can evaluate, and is not imported";
            return findings.warning(line, format!("variable {} {reason}", quoted(key)));
        }
        if owner == Owner::Host {
            match key {
                _ if is_address => return self.set_connect_to(value, line, findings),
                "addresses" => return self.set_addresses(value, line, findings),
                // `serial` is a reserved name in Ansible, which warns about it.
                "serial" | "serial_number" => return self.serial = one_line(key, value, line, findings),
                "idc" => return self.idc = one_line("idc", value, line, findings),
                _ => {}
            }
        } else if key == "idc" {
            self.idc = one_line("idc", value, line, findings);
        }
        self.set_label(key, value.render(), line, findings);
    }

    pub(crate) fn set_label(&mut self, key: &str, value: String, line: u32, findings: &mut Findings) {
        match names::check_label_key(key).and_then(|()| names::check_label_value(key, &value)) {
            Ok(()) => drop(self.labels.insert(key.to_owned(), value)),
            Err(error) => findings.label(line, error),
        }
    }

    /// A later mention of the same host or group: what it says wins, the rest stays.
    pub(crate) fn overlay(&mut self, later: &Self) {
        self.labels.extend(later.labels.iter().map(|(key, value)| (key.clone(), value.clone())));
        for (mine, later) in [(&mut self.idc, &later.idc), (&mut self.serial, &later.serial), (&mut self.connect_to, &later.connect_to)] {
            if later.is_some() {
                mine.clone_from(later);
            }
        }
        if !later.addresses.is_empty() {
            self.addresses.clone_from(&later.addresses);
        }
        self.priority = later.priority.or(self.priority);
    }

    /// Bytes of text, for the bound on what a line's variables grow to.
    pub(crate) fn bytes(&self) -> usize {
        let labels: usize = self.labels.iter().map(|(key, value)| key.len() + value.len()).sum();
        labels + self.addresses.iter().map(String::len).sum::<usize>()
    }

    fn set_priority(&mut self, value: &Value, line: u32, findings: &mut Findings) {
        match value.render().parse() {
            Ok(priority) => self.priority = Some(priority),
            Err(_) => findings.problem(line, "`ansible_group_priority` must be a whole number"),
        }
    }

    fn set_connect_to(&mut self, value: &Value, line: u32, findings: &mut Findings) {
        let address = value.render();
        match names::check_address(&address) {
            Ok(()) => self.connect_to = Some(address),
            Err(error) => findings.problem(line, format!("`ansible_host`: {error}")),
        }
    }

    fn set_addresses(&mut self, value: &Value, line: u32, findings: &mut Findings) {
        let text = match value {
            Value::List(items) => items.iter().map(Value::render).collect::<Vec<_>>().join(" "),
            value => value.render(),
        };
        match addresses(&text) {
            Ok(addresses) => self.addresses = addresses,
            Err(error) => findings.problem(line, format!("`addresses`: {error}")),
        }
    }
}

/// Several mentions together may have more labels than an entity keeps.
pub(crate) fn bound_labels(labels: &mut BTreeMap<String, String>, name: &str, line: u32, findings: &mut Findings) {
    let Some(first) = labels.keys().nth(COUNT_MAX).cloned() else { return };
    let message = format!("{} has {} labels, at most {COUNT_MAX} are kept and {} is over", quoted(name), labels.len(), quoted(&first));
    findings.label(line, message);
    drop(labels.split_off(&first));
}

/// Addresses separated by `;` or space, each once.
pub(crate) fn addresses(text: &str) -> Result<Vec<String>, String> {
    let mut found: Vec<String> = Vec::new();
    for address in text.split([';', ' ']).filter(|address| !address.is_empty()) {
        names::check_address(address)?;
        if found.len() == COUNT_MAX {
            return Err(format!("a server has at most {COUNT_MAX} addresses: leave some out"));
        }
        if !found.iter().any(|known| known == address) {
            found.push(address.to_owned());
        }
    }
    Ok(found)
}

fn one_line(field: &str, value: &Value, line: u32, findings: &mut Findings) -> Option<String> {
    let text = value.render();
    if text.is_empty() {
        return None;
    }
    match names::check_text(&text) {
        Ok(()) => Some(text),
        Err(error) => {
            findings.problem(line, format!("`{field}`: {error}"));
            None
        }
    }
}
