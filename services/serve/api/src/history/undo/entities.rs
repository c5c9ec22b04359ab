//! The commands that put back nodes, servers, membership rules and domains. What is made again keeps its id.

use loki_domain::{Command, Domain, DomainId, Entity, Labels, Membership, Node, NodePath, NodeRef, Patch, Server, ServerRef, ServerState};

use super::cannot;
use super::changes::Change;
use crate::problem::Result;

/// The commands for one entity; none for a mount. `parent`: under which a removed node is made again.
pub(super) fn back(change: &Change, parent: Option<NodePath>) -> Result<Vec<Command>> {
    Ok(match (&change.before, &change.after) {
        (Some(Entity::Node(before)), Some(Entity::Node(after))) => node_back(before, after),
        (None, Some(Entity::Node(node))) => vec![Command::NodeRemove { node: NodeRef::Id(node.id) }],
        (Some(Entity::Node(node)), None) => vec![node_again(node, parent.unwrap_or_default())],
        (Some(Entity::Server(before)), Some(Entity::Server(after))) => server_back(before, after)?,
        (None, Some(Entity::Server(_))) => {
            // retiring is for ever, and takes with it what was mounted by hand since
            return Err(cannot(&format!("`{}` is registered, and that is not taken back: `server.retire` ends it", change.key)));
        }
        (Some(Entity::Membership(before)), Some(Entity::Membership(_))) => vec![rule_back(before)],
        (None, Some(Entity::Membership(rule))) => vec![Command::MembershipRemove { membership: rule.id }],
        (Some(Entity::Membership(rule)), None) => vec![rule_again(rule)],
        (Some(Entity::Domain(before)), Some(Entity::Domain(_))) => vec![domain_set(before, None)],
        (None, Some(Entity::Domain(domain))) => vec![Command::DomainRemove { site: domain.site.clone() }],
        (Some(Entity::Domain(domain)), None) => vec![domain_set(domain, Some(domain.id))],
        (Some(Entity::Mount(_)) | None, Some(Entity::Mount(_)) | None) => vec![],
        _ => return Err(cannot(&format!("`{}` cannot be put back", change.key))),
    })
}

fn node_again(node: &Node, parent: NodePath) -> Command {
    let mut names = parent.names().to_vec();
    names.push(node.name.clone());
    Command::NodeCreate {
        path: NodePath::new(names),
        parents: false,
        labels: node.labels.clone(),
        contacts: node.contacts.clone(),
        defaults: node.defaults.clone(),
        again: Some(node.id),
    }
}

fn node_back(before: &Node, after: &Node) -> Vec<Command> {
    let node = NodeRef::Id(before.id);
    let mut commands = Vec::new();
    if before.parent != after.parent {
        let to = before.parent.map_or(NodeRef::Path(NodePath::default()), NodeRef::Id);
        commands.push(Command::NodeMove { node: node.clone(), to });
    }
    if before.name != after.name {
        commands.push(Command::NodeRename { node: node.clone(), name: before.name.clone() });
    }
    let (labels, defaults) = (patch(&before.labels, &after.labels), patch(&before.defaults, &after.defaults));
    let contacts = (before.contacts != after.contacts).then(|| before.contacts.clone());
    if !labels.is_empty() || !defaults.is_empty() || contacts.is_some() {
        commands.push(Command::NodeSet { node, labels, contacts, defaults });
    }
    commands
}

fn server_back(before: &Server, after: &Server) -> Result<Vec<Command>> {
    if after.state == ServerState::Retired {
        return Err(cannot(&format!("`server/{}` is retired, and that is for ever", after.id)));
    }
    let server = ServerRef::Id(before.id);
    let mut commands = Vec::new();
    if before.state != after.state {
        commands.push(Command::ServerState { server: server.clone(), state: before.state });
    }
    let labels = patch(&before.labels, &after.labels);
    let update = Command::ServerUpdate {
        server,
        name: (before.name != after.name).then(|| before.name.clone()),
        serial: (before.serial != after.serial).then(|| before.serial.clone()),
        addresses: (before.addresses != after.addresses).then(|| before.addresses.clone()),
        idc: (before.idc != after.idc).then(|| before.idc.clone()),
        labels,
    };
    let same = Server { state: after.state, ..before.clone() } == *after;
    if !same {
        commands.push(update);
    }
    Ok(commands)
}

fn rule_back(rule: &Membership) -> Command {
    let (pattern, labels) = (rule.pattern.clone(), rule.labels.clone());
    Command::MembershipSet { membership: Some(rule.id), node: None, pattern, labels, again: None }
}

fn rule_again(rule: &Membership) -> Command {
    let (pattern, labels) = (rule.pattern.clone(), rule.labels.clone());
    Command::MembershipSet { membership: None, node: Some(NodeRef::Id(rule.node)), pattern, labels, again: Some(rule.id) }
}

fn domain_set(domain: &Domain, again: Option<DomainId>) -> Command {
    Command::DomainSet { site: domain.site.clone(), node: NodeRef::Id(domain.node), expect: domain.expect.clone(), again }
}

/// What turns `after` into `before`.
fn patch(before: &Labels, after: &Labels) -> Patch {
    let mut patch: Patch = after.iter().filter(|(key, _)| before.get(key).is_none()).map(|(key, _)| (key.to_owned(), None)).collect();
    patch.extend(
        before.iter().filter(|(key, value)| after.get(key) != Some(value)).map(|(key, value)| (key.to_owned(), Some(value.clone()))),
    );
    patch
}

#[cfg(test)]
mod tests {
    use loki_domain::NodeId;

    use super::*;

    fn node(name: &str, label: Option<&str>) -> Node {
        let labels = label.map(|value| ("role".to_owned(), value.parse().unwrap()));
        Node {
            id: NodeId::MIN,
            parent: None,
            name: name.parse().unwrap(),
            labels: Labels::new(labels).unwrap(),
            contacts: vec![],
            defaults: Labels::default(),
        }
    }

    fn change(before: Option<Node>, after: Option<Node>) -> Change {
        let (before, after) = (before.map(Entity::Node), after.map(Entity::Node));
        Change { key: before.as_ref().or(after.as_ref()).unwrap().key(), before, after }
    }

    #[test]
    fn a_rename_and_a_label_go_back_together() {
        let commands = back(&change(Some(node("a", Some("web"))), Some(node("b", None))), None).unwrap();
        assert_eq!(commands.iter().map(Command::type_name).collect::<Vec<_>>(), ["node.rename", "node.set"]);
    }

    #[test]
    fn a_removed_node_is_made_again_under_its_parent() {
        let commands = back(&change(Some(node("a", None)), None), Some("/acme".parse().unwrap())).unwrap();
        let [Command::NodeCreate { path, again, .. }] = &commands[..] else { panic!("{commands:?}") };
        assert_eq!((path.to_string().as_str(), *again), ("/acme/a", Some(NodeId::MIN)));
    }
}
