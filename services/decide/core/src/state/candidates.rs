//! Which rules can match a server at all: most rules are ruled out without being looked at.
//!
//! Each rule lies under the most telling thing that it asks for: the literal beginning of its pattern, else one of its labels, else nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use loki_domain::{Membership, MembershipId, Server, Text};

use super::{put_in, take_from};

type Rules = BTreeSet<MembershipId>;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Candidates {
    by_prefix: BTreeMap<String, Rules>,
    by_label: BTreeMap<String, BTreeMap<Text, Rules>>,
    others: Rules,
}

enum Place<'r> {
    Prefix(&'r str),
    Label(&'r str, &'r Text),
    Other,
}

fn place(rule: &Membership) -> Place<'_> {
    let pattern = rule.pattern.as_ref().map_or("", |pattern| pattern.as_str());
    let prefix = pattern.split(['*', '?']).next().unwrap_or("");
    match (prefix, rule.labels.iter().next()) {
        ("", None) => Place::Other,
        ("", Some((key, value))) => Place::Label(key, value),
        (prefix, _) => Place::Prefix(prefix),
    }
}

impl Candidates {
    pub(super) fn put(&mut self, rule: &Membership) {
        match place(rule) {
            Place::Prefix(prefix) => put_in(&mut self.by_prefix, prefix.to_owned(), rule.id),
            Place::Label(key, value) => put_in(self.by_label.entry(key.to_owned()).or_default(), value.clone(), rule.id),
            Place::Other => drop(self.others.insert(rule.id)),
        }
    }

    pub(super) fn take(&mut self, rule: &Membership) {
        match place(rule) {
            Place::Prefix(prefix) => take_from(&mut self.by_prefix, prefix, &rule.id),
            Place::Label(key, value) => {
                if let Some(values) = self.by_label.get_mut(key) {
                    take_from(values, value, &rule.id);
                    if values.is_empty() {
                        self.by_label.remove(key);
                    }
                }
            }
            Place::Other => drop(self.others.remove(&rule.id)),
        }
    }

    /// The rules that may match, in id order.
    pub(super) fn of(&self, server: &Server) -> Vec<MembershipId> {
        let mut found: Vec<MembershipId> = self.others.iter().copied().collect();
        self.prefixes_of(server.name.as_str(), &mut found);
        if !self.by_label.is_empty() {
            for (key, value) in server.labels.iter() {
                found.extend(self.by_label.get(key).and_then(|values| values.get(value)).into_iter().flatten());
            }
        }
        found.sort_unstable();
        found
    }

    /// Looks up every beginning of `name` that is a key. Of the keys up to `rest`, the last one is either a beginning of it, or all that can
    /// be shorter beginnings are beginnings of what the two have in common.
    fn prefixes_of(&self, name: &str, found: &mut Vec<MembershipId>) {
        let mut rest = name.as_bytes();
        while let Ok(text) = std::str::from_utf8(rest)
            && let Some((prefix, rules)) = self.by_prefix.range::<str, _>((Bound::Unbounded, Bound::Included(text))).next_back()
        {
            let common = prefix.bytes().zip(rest).take_while(|(a, b)| a == *b).count();
            let shorter = if common == prefix.len() {
                found.extend(rules);
                common - 1
            } else {
                common
            };
            rest = &rest[..shorter];
        }
    }
}

#[cfg(test)]
mod tests {
    use loki_domain::{Labels, NodeId, ServerId, ServerState};

    use super::*;

    fn rule(number: u8, pattern: Option<&str>, labels: &[(&str, &str)]) -> Membership {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), value.parse().unwrap()));
        Membership {
            id: MembershipId::from_digest(&[number; 32]),
            node: NodeId::MIN,
            pattern: pattern.map(|pattern| pattern.parse().unwrap()),
            labels: Labels::new(labels).unwrap(),
            sweep: None,
        }
    }

    fn server(name: &str, labels: &[(&str, &str)]) -> Server {
        Server {
            id: ServerId::MIN,
            name: name.parse().unwrap(),
            serial: None,
            addresses: vec![],
            idc: None,
            labels: rule(0, None, labels).labels,
            state: ServerState::Online,
        }
    }

    #[test]
    fn every_matching_rule_is_a_candidate() {
        let rules = [
            rule(1, Some("w*"), &[]),
            rule(2, Some("web*"), &[]),
            rule(3, Some("web01"), &[]),
            rule(4, Some("wea*"), &[]),
            rule(5, Some("web0?"), &[("idc", "bj")]),
            rule(6, Some("*01"), &[]),
            rule(7, None, &[("idc", "bj")]),
            rule(8, Some("*"), &[("idc", "sh")]),
            rule(9, Some("db*"), &[]),
        ];
        let mut candidates = Candidates::default();
        rules.iter().for_each(|rule| candidates.put(rule));
        for server in [
            server("web01", &[("idc", "bj")]),
            server("web02", &[("idc", "sh"), ("a", "b")]),
            server("w", &[]),
            server("a01", &[]),
            server("wf", &[]),
        ] {
            let found = candidates.of(&server);
            for rule in &rules {
                assert!(!rule.matches(&server) || found.contains(&rule.id), "{rule:?} for {server:?}");
            }
        }
        assert_eq!(candidates.of(&server("db1", &[])).len(), 2, "only `db*` and `*01`");
        rules.iter().for_each(|rule| candidates.take(rule));
        assert_eq!(candidates, Candidates::default());
    }
}
