//! From a domain value to the JSON that `read` takes.

use loki_domain::{Command, Labels, NodeRef, Patch, Ratio, ServerRef, Site, Text};

use super::*;

/// The data of a command as `read` takes it.
pub(in crate::command) fn write(command: &Command) -> Vec<u8> {
    let json = match command {
        Command::NodeCreate { path, parents, labels, contacts, defaults, again } => serde_json::to_vec(&NodeCreate {
            path: path.to_string(),
            parents: *parents,
            labels: write_labels(labels),
            contacts: write_texts(contacts),
            defaults: write_labels(defaults),
            again: again.map(|id| id.to_string()),
        }),
        Command::NodeRename { node, name } => serde_json::to_vec(&NodeRename { node: write_node(node), name: name.to_string() }),
        Command::NodeMove { node, to } => serde_json::to_vec(&NodeMove { node: write_node(node), to: write_node(to) }),
        Command::NodeRemove { node } => serde_json::to_vec(&NodeRemove { node: write_node(node) }),
        Command::NodeSet { node, labels, contacts, defaults } => serde_json::to_vec(&NodeSet {
            node: write_node(node),
            labels: write_patch(labels),
            contacts: contacts.as_deref().map(write_texts),
            defaults: write_patch(defaults),
        }),
        Command::ServerRegister { name, serial, addresses, idc, labels, state } => serde_json::to_vec(&ServerRegister {
            name: name.to_string(),
            serial: serial.as_ref().map(Text::to_string),
            addresses: write_texts(addresses),
            idc: idc.as_ref().map(Text::to_string),
            labels: write_labels(labels),
            state: state.to_string(),
        }),
        Command::ServerUpdate { server, name, serial, addresses, idc, labels } => serde_json::to_vec(&ServerUpdate {
            server: write_server(server),
            name: name.as_ref().map(ToString::to_string),
            serial: serial.as_ref().map(|serial| serial.as_ref().map(Text::to_string)),
            addresses: addresses.as_deref().map(write_texts),
            idc: idc.as_ref().map(|idc| idc.as_ref().map(Text::to_string)),
            labels: write_patch(labels),
        }),
        Command::ServerState { server, state } => {
            serde_json::to_vec(&ServerState { server: write_server(server), state: state.to_string() })
        }
        Command::ServerRetire { server } => serde_json::to_vec(&ServerRetire { server: write_server(server) }),
        Command::ServerMount { server, node, offline, ratio } => serde_json::to_vec(&ServerMount {
            server: write_server(server),
            node: write_node(node),
            offline: *offline,
            ratio: ratio.map(Ratio::ppm),
        }),
        Command::ServerUnmount { server, node } => {
            serde_json::to_vec(&ServerUnmount { server: write_server(server), node: write_node(node) })
        }
        Command::ServerWeigh { node, mounts } => serde_json::to_vec(&ServerWeigh {
            node: write_node(node),
            mounts: mounts
                .iter()
                .map(|weigh| MountWeigh {
                    server: write_server(&weigh.server),
                    offline: weigh.offline,
                    ratio: weigh.ratio.map(|ratio| ratio.map(Ratio::ppm)),
                    membership: weigh.membership.map(|id| id.to_string()),
                })
                .collect(),
        }),
        Command::MembershipSet { membership, node, pattern, labels, again } => serde_json::to_vec(&MembershipSet {
            membership: membership.map(|id| id.to_string()),
            node: node.as_ref().map(write_node),
            pattern: pattern.as_ref().map(ToString::to_string),
            labels: write_labels(labels),
            again: again.map(|id| id.to_string()),
        }),
        Command::MembershipRemove { membership } => serde_json::to_vec(&MembershipRemove { membership: membership.to_string() }),
        Command::MembershipSweep { membership } => serde_json::to_vec(&MembershipSweep { membership: membership.to_string() }),
        Command::DomainSet { site: Site { name, path, scheme, vendor }, node, expect, again } => serde_json::to_vec(&DomainSet {
            name: name.to_string(),
            path: path.to_string(),
            scheme: scheme.to_string(),
            vendor: vendor.to_string(),
            node: write_node(node),
            expect: Expect {
                status: expect.statuses.iter().map(|status| status.to_string()).collect(),
                body: expect.body.as_ref().map(Text::to_string),
                within_ms: expect.within.ms(),
            },
            again: again.map(|id| id.to_string()),
        }),
        Command::DomainRemove { site: Site { name, path, scheme, vendor } } => serde_json::to_vec(&DomainRemove {
            name: name.to_string(),
            path: path.to_string(),
            scheme: scheme.to_string(),
            vendor: vendor.to_string(),
        }),
        other => deploy::write(other).unwrap_or_else(|| Ok(Vec::new())),
    };
    // strings, numbers and maps with string keys always serialise
    json.unwrap_or_default()
}

pub(super) fn write_node(node: &NodeRef) -> String {
    match node {
        NodeRef::Id(id) => id.to_string(),
        NodeRef::Path(path) => path.to_string(),
    }
}

fn write_server(server: &ServerRef) -> String {
    match server {
        ServerRef::Id(id) => format!("id:{id}"),
        ServerRef::Name(name) => name.to_string(),
    }
}

fn write_texts(texts: &[Text]) -> Vec<String> {
    texts.iter().map(Text::to_string).collect()
}

fn write_labels(labels: &Labels) -> Texts {
    labels.iter().map(|(key, value)| (key.to_owned(), value.to_string())).collect()
}

fn write_patch(patch: &Patch) -> Changes {
    patch.iter().map(|(key, value)| (key.clone(), value.as_ref().map(Text::to_string))).collect()
}
