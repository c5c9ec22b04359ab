//! What a node has from its ancestors. Pure.

use std::collections::BTreeMap;

use loki_domain::{Membership, Node, NodePath, Text};

use crate::port::{Inherited, NodeView};

/// A node with the fact that gave it its state.
pub(super) type Placed = (Node, u64);

/// The path of the last of these nodes; each is the parent of the next.
pub(super) fn path(chain: &[Placed]) -> NodePath {
    NodePath::new(chain.iter().map(|(node, _)| node.name.clone()).collect())
}

/// The view of `node` with its own membership rules, below these ancestors, the topmost first.
pub(super) fn view(ancestors: &[Placed], node: Placed, memberships: Vec<Membership>) -> NodeView {
    let mut chain = ancestors.to_vec();
    chain.push(node.clone());
    let mut contacts = None;
    let mut defaults = BTreeMap::new();
    for (i, (ancestor, _)) in chain.iter().enumerate() {
        let from_path = path(&chain[..=i]);
        if !ancestor.contacts.is_empty() {
            contacts = Some(Inherited { value: ancestor.contacts.clone(), from: ancestor.id, from_path: from_path.clone() });
        }
        for (key, value) in ancestor.defaults.iter() {
            let inherited: Inherited<Text> = Inherited { value: value.clone(), from: ancestor.id, from_path: from_path.clone() };
            defaults.insert(key.to_owned(), inherited);
        }
    }
    let (node, fact) = node;
    NodeView { node, path: path(&chain), contacts, defaults, memberships, fact }
}

#[cfg(test)]
mod tests {
    use loki_domain::{Labels, NodeId};

    use super::*;

    fn node(id: u8, name: &str, contacts: &[&str], defaults: &[(&str, &str)]) -> Placed {
        let defaults = defaults.iter().map(|(key, value)| ((*key).to_owned(), value.parse().unwrap()));
        let node = Node {
            id: NodeId::from_digest(&[id; 32]),
            parent: None,
            name: name.parse().unwrap(),
            labels: Labels::default(),
            contacts: contacts.iter().map(|contact| contact.parse().unwrap()).collect(),
            defaults: Labels::new(defaults).unwrap(),
        };
        (node, u64::from(id))
    }

    #[test]
    fn the_nearest_ancestor_wins() {
        let above = [
            node(1, "acme", &["ann"], &[("user", "root"), ("shell", "sh")]),
            node(2, "shop", &["bob", "eve"], &[]),
            node(3, "web", &[], &[("user", "www")]),
        ];
        let seen = view(&above, node(4, "blue", &[], &[("port", "80")]), Vec::new());
        assert_eq!(seen.path.to_string(), "/acme/shop/web/blue");
        assert_eq!(seen.fact, 4);
        let contacts = seen.contacts.unwrap();
        assert_eq!((contacts.value.len(), contacts.from, contacts.from_path.to_string()), (2, above[1].0.id, "/acme/shop".to_owned()));
        let from: Vec<_> = seen.defaults.iter().map(|(key, v)| (key.as_str(), v.value.as_str(), v.from_path.to_string())).collect();
        let expected = [("port", "80", "/acme/shop/web/blue"), ("shell", "sh", "/acme"), ("user", "www", "/acme/shop/web")];
        assert_eq!(from, expected.map(|(key, value, path)| (key, value, path.to_owned())));
    }

    #[test]
    fn nobody_above_names_a_contact() {
        assert_eq!(view(&[node(1, "acme", &[], &[])], node(2, "a", &[], &[]), Vec::new()).contacts, None);
    }
}
