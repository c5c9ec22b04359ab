//! The tree: create, rename, move, remove, set.

use loki_domain::path::DEPTH_MAX;
use loki_domain::{Code, Entity, Key, Labels, Node, NodeId, NodeName, NodePath, NodeRef, Patch, Rejection, Text};

use super::lookup::{self, counted, patched};
use super::{Decided, Decision, gone, now};
use crate::State;
use crate::identity::NewIds;

pub(super) struct New<'c> {
    pub path: &'c NodePath,
    pub parents: bool,
    pub labels: &'c Labels,
    pub contacts: &'c [Text],
    pub defaults: &'c Labels,
    /// The id that the node had when it was removed.
    pub again: Option<NodeId>,
}

pub(super) fn create(state: &State, new: New<'_>, mut ids: NewIds<'_>) -> Decided {
    let names = new.path.names();
    let Some(last) = names.len().checked_sub(1) else {
        return Err(Rejection::new(Code::Invalid, "path", "`/` is the tree itself: name a node, such as `/acme`"));
    };
    if names.len() > DEPTH_MAX {
        return Err(too_deep("path"));
    }
    let contacts = counted(new.contacts, "contacts")?;

    let mut parent = None;
    let mut existing = 0;
    while let Some(child) = names.get(existing).and_then(|name| state.tree().child(parent, name)) {
        parent = Some(child);
        existing += 1;
    }
    if let (Some(node), true) = (parent, existing == names.len()) {
        return Err(taken(node, "path", format!("`{}` is already there", lookup::shown(new.path))));
    }
    if existing < last && !new.parents {
        let missing = lookup::shown(&NodePath::new(names[..=existing].to_vec()));
        return Err(Rejection::new(Code::NotFound, "path", format!("there is no node `{missing}`: create it first, or set `parents`")));
    }

    if let Some(node) = new.again.filter(|id| state.tree().get(id).is_some()) {
        return Err(taken(node, "again", format!("the node `{node}` is there: it is `{}`", lookup::path(state, node))));
    }

    let mut facts = Vec::with_capacity(names.len() - existing);
    for (index, name) in names.iter().enumerate().skip(existing) {
        let new_id = || ids.node(|id| state.tree().get(id).is_some() || new.again == Some(*id));
        let id = new.again.filter(|_| index == last).unwrap_or_else(new_id);
        let (labels, defaults) = (Labels::default(), Labels::default());
        facts.push(Node { id, parent, name: name.clone(), labels, contacts: Vec::new(), defaults });
        parent = Some(id);
    }
    if let Some(node) = facts.last_mut() {
        node.labels = new.labels.clone();
        node.contacts = contacts;
        node.defaults = new.defaults.clone();
    }
    Ok(Decision::facts(facts.into_iter().map(|node| now(Entity::Node(node))).collect()))
}

pub(super) fn rename(state: &State, node: &NodeRef, name: &NodeName) -> Decided {
    let node = lookup::node(state, node, "node")?;
    if node.name == *name {
        return Ok(Decision::nothing());
    }
    check_free(state, node.parent, name, "name")?;
    Ok(Decision::entity(Entity::Node(Node { name: name.clone(), ..node.clone() })))
}

pub(super) fn move_to(state: &State, node: &NodeRef, to: &NodeRef) -> Decided {
    let node = lookup::node(state, node, "node")?;
    let to = lookup::node_or_top(state, to, "to")?.map(|parent| parent.id);
    if node.parent == to {
        return Ok(Decision::nothing());
    }
    let mut depth = 0;
    for ancestor in to.into_iter().flat_map(|to| state.tree().upwards(to)) {
        depth += 1;
        if ancestor.id == node.id {
            let message = format!("`{}` cannot be moved to a place under itself", lookup::path(state, node.id));
            return Err(Rejection::new(Code::MoveIntoItself, "to", message).in_the_way(Key::Node(node.id)));
        }
    }
    if state.tree().is_higher_than(node.id, DEPTH_MAX.saturating_sub(depth)) {
        return Err(too_deep("to"));
    }
    check_free(state, to, &node.name, "to")?;
    Ok(Decision::entity(Entity::Node(Node { parent: to, ..node.clone() })))
}

pub(super) fn remove(state: &State, node: &NodeRef) -> Decided {
    let node = lookup::node(state, node, "node")?;
    let child = state.tree().children(Some(node.id)).next().map(|child| (Key::Node(child), "children"));
    let mount = || state.mounts().of_node(node.id).next().map(|mount| (Key::Mount(mount.node, mount.server), "mounted servers"));
    let rule = || state.memberships().of_node(node.id).next().map(|rule| (Key::Membership(rule.id), "membership rules"));
    let domain = || state.domains().of_node(node.id).next().map(|domain| (Key::Domain(domain.id), "domains"));
    let template = || state.templates().of_node(node.id).next().map(|template| (Key::Template(template.id), "templates"));
    let run = || state.runs().unfinished_of(node.id).next().map(|run| (Key::Run(run.id), "a run that has not ended"));
    let token = || state.tokens().iter().find(|token| token.node == Some(node.id)).map(|token| (Key::Token(token.id), "tokens"));
    if let Some((conflict, what)) = child.or_else(mount).or_else(rule).or_else(domain).or_else(template).or_else(run).or_else(token) {
        let message = format!("`{}` still has {what}: remove them first", lookup::path(state, node.id));
        return Err(Rejection::new(Code::NotEmpty, "node", message).in_the_way(conflict));
    }
    Ok(Decision::facts(vec![gone(Key::Node(node.id))]))
}

pub(super) fn set(state: &State, node: &NodeRef, labels: &Patch, contacts: Option<&[Text]>, defaults: &Patch) -> Decided {
    let node = lookup::node(state, node, "node")?;
    let new = Node {
        labels: patched(&node.labels, labels, "labels")?,
        contacts: contacts.map_or_else(|| Ok(node.contacts.clone()), |contacts| counted(contacts, "contacts"))?,
        defaults: patched(&node.defaults, defaults, "defaults")?,
        name: node.name.clone(),
        ..*node
    };
    if new == *node {
        return Ok(Decision::nothing());
    }
    Ok(Decision::entity(Entity::Node(new)))
}

fn check_free(state: &State, parent: Option<NodeId>, name: &NodeName, field: &str) -> Result<(), Rejection> {
    match state.tree().child(parent, name) {
        Some(sibling) => Err(taken(sibling, field, format!("`{}` is already there", lookup::path(state, sibling)))),
        None => Ok(()),
    }
}

fn taken(node: NodeId, field: &str, message: String) -> Rejection {
    Rejection::new(Code::AlreadyExists, field, message).in_the_way(Key::Node(node))
}

fn too_deep(field: &str) -> Rejection {
    Rejection::new(Code::Limit, field, format!("the tree is at most {DEPTH_MAX} nodes deep"))
}
