//! Ansible's INI inventories, read as Ansible reads them.
//!
//! ```ini
//! # hosts in no group
//! bastion.acme.example ansible_host=10.0.0.9
//!
//! [web]                                   ; a comment on a line of its own may begin with `;` as well
//! web[01:50].acme.example rack=r7 note="two words"
//!
//! [web:vars]
//! tier = front
//!
//! [shop:children]
//! web
//! ```

use std::collections::BTreeMap;

use super::attributes::{Attributes, Owner};
use super::findings::Findings;
use super::group_tree;
use super::groups::{GroupId, Groups, LimitPassed, UNGROUPED};
use super::inventory::Inventory;
use super::names::quoted;
use super::value::Value;
use super::{python_literal, shell_words};

/// Reads a whole file; `None` when a problem was told.
pub(crate) fn read(text: &str, findings: &mut Findings) -> Option<Inventory> {
    let mut reader = Reader { groups: Groups::new(), section: Section::Hosts(UNGROUPED), declared: BTreeMap::new() };
    for (index, line) in text.lines().enumerate() {
        let number = u32::try_from(index).map_or(u32::MAX, |index| index.saturating_add(1));
        reader.line(line.trim(), number, findings).ok()?;
    }
    reader.tell_undeclared(findings);
    group_tree::build(reader.groups, findings)
}

/// What the lines under a header say.
#[derive(Debug, Clone, Copy)]
enum Section {
    Hosts(GroupId),
    Children(GroupId),
    Vars(GroupId),
    /// The header was a problem; its lines are skipped.
    Unknown,
}

struct Reader {
    groups: Groups,
    section: Section,
    /// Groups that are mentioned, and whether a section declares them. A group needs `[name]` or `[name:children]`.
    declared: BTreeMap<GroupId, Mention>,
}

struct Mention {
    line: u32,
    kind: &'static str,
    declared: bool,
}

impl Reader {
    fn line(&mut self, line: &str, number: u32, findings: &mut Findings) -> Result<(), LimitPassed> {
        if line.is_empty() || line.starts_with(['#', ';']) {
            return Ok(());
        }
        if let Some((name, kind)) = header(line) {
            return self.open(name, kind, number, findings);
        }
        if line.starts_with('[') && line.ends_with(']') {
            findings.problem(number, "section must be `[group]`, `[group:children]` or `[group:vars]`, without spaces");
            self.section = Section::Unknown;
            return Ok(());
        }
        match self.section {
            Section::Hosts(group) => self.host(group, line, number, findings),
            Section::Children(group) => self.child(group, line, number, findings),
            Section::Vars(group) => {
                self.variable(group, line, number, findings);
                Ok(())
            }
            Section::Unknown => Ok(()),
        }
    }

    fn open(&mut self, name: &str, kind: &str, line: u32, findings: &mut Findings) -> Result<(), LimitPassed> {
        let section = match kind {
            "hosts" => Section::Hosts,
            "children" => Section::Children,
            "vars" => Section::Vars,
            kind => {
                let message = format!("section of group {} has the unknown type {}", quoted(name), quoted(kind));
                findings.problem(line, format!("{message}: write `[group]`, `[group:children]` or `[group:vars]`"));
                self.section = Section::Unknown;
                return Ok(());
            }
        };
        let group = self.groups.group(name, line, findings)?;
        self.section = section(group);
        self.mention(group, line, "its variables", kind != "vars");
        Ok(())
    }

    fn mention(&mut self, group: GroupId, line: u32, kind: &'static str, declared: bool) {
        let mention = self.declared.entry(group).or_insert(Mention { line, kind, declared });
        mention.declared |= declared;
    }

    fn host(&mut self, group: GroupId, line: &str, number: u32, findings: &mut Findings) -> Result<(), LimitPassed> {
        let words = match shell_words::split(line) {
            Ok(words) => words,
            Err(error) => {
                findings.problem(number, format!("host line cannot be read: {error}"));
                return Ok(());
            }
        };
        let Some((pattern, assignments)) = words.split_first() else { return Ok(()) };
        if let Some((key, _)) = pattern.split_once('=') {
            let message = format!("expected a host, found a value for {}: variables of a group stand under `[group:vars]`", quoted(key));
            findings.problem(number, message);
            return Ok(());
        }
        let mut attributes = Attributes::default();
        for assignment in assignments {
            match assignment.split_once('=') {
                Some((key, value)) => attributes.set(Owner::Host, key, &value_of(value), number, findings),
                // The word itself may be the second half of an unquoted secret.
                None => findings.problem(number, "host line must be a host and `key=value` words: quote values that have spaces"),
            }
        }
        self.groups.add_hosts(group, pattern, &attributes, number, findings)
    }

    fn child(&mut self, parent: GroupId, line: &str, number: u32, findings: &mut Findings) -> Result<(), LimitPassed> {
        let name = line.split_once('#').map_or(line, |(name, _)| name).trim_end();
        if name.is_empty() || name.contains([':', ']']) || name.contains(char::is_whitespace) {
            // No more than the first word: what follows may be a host's variables, under the wrong header.
            let word = name.split(|c: char| c.is_whitespace() || c == '=').next().unwrap_or_default();
            findings.problem(number, format!("expected the name of one child group and nothing else, found {} and more", quoted(word)));
            return Ok(());
        }
        let child = self.groups.group(name, number, findings)?;
        self.mention(child, number, "it as a child", false);
        self.groups.add_child(parent, child, number, findings)
    }

    fn variable(&mut self, group: GroupId, line: &str, number: u32, findings: &mut Findings) {
        match line.split_once('=') {
            Some((key, value)) => {
                let attributes = &mut self.groups.groups[group].attributes;
                attributes.set(Owner::Group, key.trim(), &value_of(value.trim()), number, findings);
            }
            None => findings.problem(number, "expected `key=value` under a `:vars` section"),
        }
    }

    fn tell_undeclared(&self, findings: &mut Findings) {
        for (&group, mention) in &self.declared {
            if !mention.declared && group > UNGROUPED {
                let name = &self.groups.groups[group].name;
                let message = format!("group {} is not declared, but a section names {}", quoted(name), mention.kind);
                findings.problem(mention.line, format!("{message}: add a section `[{name}]`"));
            }
        }
    }
}

/// `[name]` or `[name:kind]`, a comment behind it allowed.
fn header(line: &str) -> Option<(&str, &str)> {
    let (inner, behind) = line.strip_prefix('[')?.split_once(']')?;
    let behind = behind.trim_start();
    if !(behind.is_empty() || behind.starts_with('#')) {
        return None;
    }
    let (name, kind) = inner.split_once(':').unwrap_or((inner, "hosts"));
    let is_word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_');
    let is_name = !name.is_empty() && !name.contains(char::is_whitespace);
    (is_name && is_word(kind)).then_some((name, kind))
}

fn value_of(text: &str) -> Value {
    python_literal::parse(text).unwrap_or_else(|| Value::Text(text.to_owned()))
}
