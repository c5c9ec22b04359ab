//! From a command's JSON to a domain value: whatever is not allowed is refused, and the field named.

use loki_domain::{
    Command, Expectation, Labels, NodeRef, Patch, Ratio, ServerRef, ServerState as State, Site, Statuses, Text, Weigh, Within,
};
use serde::{Deserialize, Serialize};

use super::*;
use crate::command::Intake;
use crate::error::{At, Error};
use crate::json::read_json;

/// Reads data of one type.
pub(super) fn typed<'a, T: Deserialize<'a> + Serialize>(
    kind: &str,
    data: &'a [u8],
    convert: impl FnOnce(T) -> Result<Command, Error>,
) -> Result<Intake, Error> {
    let value: T = read_json(data)?;
    let canonical = serde_json::to_vec(&value).map_err(|error| Error::Json(error.to_string()))?;
    Ok(Intake { digest: crate::command::digest(kind, &canonical), command: convert(value)? })
}

/// Reads data by its type's name.
pub(in crate::command) fn read(kind: &str, data: &[u8]) -> Result<Intake, Error> {
    match kind {
        "node.create" => typed(kind, data, |v: NodeCreate| {
            Ok(Command::NodeCreate {
                path: v.path.parse().at("path")?,
                parents: v.parents,
                labels: labels("labels", v.labels)?,
                contacts: texts("contacts", v.contacts)?,
                defaults: labels("defaults", v.defaults)?,
                again: v.again.map(|id| id.parse().at("again")).transpose()?,
            })
        }),
        "node.rename" => {
            typed(kind, data, |v: NodeRename| Ok(Command::NodeRename { node: node("node", &v.node)?, name: v.name.parse().at("name")? }))
        }
        "node.move" => typed(kind, data, |v: NodeMove| Ok(Command::NodeMove { node: node("node", &v.node)?, to: node("to", &v.to)? })),
        "node.remove" => typed(kind, data, |v: NodeRemove| Ok(Command::NodeRemove { node: node("node", &v.node)? })),
        "node.set" => typed(kind, data, |v: NodeSet| {
            Ok(Command::NodeSet {
                node: node("node", &v.node)?,
                labels: patch("labels", v.labels)?,
                contacts: v.contacts.map(|contacts| texts("contacts", contacts)).transpose()?,
                defaults: patch("defaults", v.defaults)?,
            })
        }),
        "server.register" => typed(kind, data, |v: ServerRegister| {
            Ok(Command::ServerRegister {
                name: v.name.parse().at("name")?,
                serial: option("serial", v.serial)?,
                addresses: texts("addresses", v.addresses)?,
                idc: option("idc", v.idc)?,
                labels: labels("labels", v.labels)?,
                state: state("state", &v.state)?,
            })
        }),
        "server.update" => typed(kind, data, |v: ServerUpdate| {
            Ok(Command::ServerUpdate {
                server: server("server", &v.server)?,
                name: v.name.map(|name| name.parse().at("name")).transpose()?,
                serial: v.serial.map(|serial| option("serial", serial)).transpose()?,
                addresses: v.addresses.map(|addresses| texts("addresses", addresses)).transpose()?,
                idc: v.idc.map(|idc| option("idc", idc)).transpose()?,
                labels: patch("labels", v.labels)?,
            })
        }),
        "server.state" => typed(kind, data, |v: ServerState| {
            Ok(Command::ServerState { server: server("server", &v.server)?, state: state("state", &v.state)? })
        }),
        "server.retire" => typed(kind, data, |v: ServerRetire| Ok(Command::ServerRetire { server: server("server", &v.server)? })),
        "server.mount" => typed(kind, data, |v: ServerMount| {
            Ok(Command::ServerMount {
                server: server("server", &v.server)?,
                node: node("node", &v.node)?,
                offline: v.offline,
                ratio: v.ratio.map(|ppm| Ratio::new(ppm).at("ratio")).transpose()?,
            })
        }),
        "server.unmount" => typed(kind, data, |v: ServerUnmount| {
            Ok(Command::ServerUnmount { server: server("server", &v.server)?, node: node("node", &v.node)? })
        }),
        "server.weigh" => typed(kind, data, |v: ServerWeigh| {
            if !(1..=MOUNTS_MAX).contains(&v.mounts.len()) {
                let message = format!("1 to {MOUNTS_MAX} mounts, these are {}", v.mounts.len());
                return Err(Error::Value { field: "mounts".to_owned(), message });
            }
            let mounts = v.mounts.into_iter().enumerate().map(|(i, mount)| {
                Ok(Weigh {
                    server: server(&format!("mounts[{i}].server"), &mount.server)?,
                    offline: mount.offline,
                    ratio: mount
                        .ratio
                        .map(|ratio| ratio.map(|ppm| Ratio::new(ppm).at(format!("mounts[{i}].ratio"))).transpose())
                        .transpose()?,
                    membership: mount.membership.map(|id| id.parse().at(format!("mounts[{i}].membership"))).transpose()?,
                })
            });
            Ok(Command::ServerWeigh { node: node("node", &v.node)?, mounts: mounts.collect::<Result<_, Error>>()? })
        }),
        "membership.set" => typed(kind, data, |v: MembershipSet| {
            Ok(Command::MembershipSet {
                membership: v.membership.map(|id| id.parse().at("membership")).transpose()?,
                node: v.node.map(|text| node("node", &text)).transpose()?,
                pattern: v.pattern.map(|pattern| pattern.parse().at("pattern")).transpose()?,
                labels: labels("labels", v.labels)?,
                again: v.again.map(|id| id.parse().at("again")).transpose()?,
            })
        }),
        "membership.remove" => {
            typed(kind, data, |v: MembershipRemove| Ok(Command::MembershipRemove { membership: v.membership.parse().at("membership")? }))
        }
        "membership.sweep" => {
            typed(kind, data, |v: MembershipSweep| Ok(Command::MembershipSweep { membership: v.membership.parse().at("membership")? }))
        }
        "domain.set" => typed(kind, data, |v: DomainSet| {
            Ok(Command::DomainSet {
                site: site(&v.name, &v.path, &v.scheme, &v.vendor)?,
                node: node("node", &v.node)?,
                expect: expectation(v.expect)?,
                again: v.again.map(|id| id.parse().at("again")).transpose()?,
            })
        }),
        "domain.remove" => {
            typed(kind, data, |v: DomainRemove| Ok(Command::DomainRemove { site: site(&v.name, &v.path, &v.scheme, &v.vendor)? }))
        }
        _ => deploy::read(kind, data),
    }
}

pub(super) fn node(field: &str, text: &str) -> Result<NodeRef, Error> {
    if text.starts_with('/') { text.parse().map(NodeRef::Path).at(field) } else { text.parse().map(NodeRef::Id).at(field) }
}

/// A name, or `id:` and an id: a name could look like an id.
fn server(field: &str, text: &str) -> Result<ServerRef, Error> {
    match text.strip_prefix("id:") {
        Some(id) => id.parse().map(ServerRef::Id).at(field),
        None => text.parse().map(ServerRef::Name).at(field),
    }
}

/// A state that can be asked for: retiring is a command of its own.
fn state(field: &str, text: &str) -> Result<State, Error> {
    match text.parse().at(field)? {
        State::Retired => Err(Error::Value { field: field.to_owned(), message: "use `server.retire` to retire a server".to_owned() }),
        state => Ok(state),
    }
}

fn site(name: &str, path: &str, scheme: &str, vendor: &str) -> Result<Site, Error> {
    Ok(Site {
        name: name.parse().at("name")?,
        path: path.parse().at("path")?,
        scheme: scheme.parse().at("scheme")?,
        vendor: vendor.parse().at("vendor")?,
    })
}

fn expectation(v: Expect) -> Result<Expectation, Error> {
    let statuses = v.status.iter().enumerate().map(|(i, text)| text.parse().at(format!("expect.status[{i}]")));
    Ok(Expectation {
        statuses: Statuses::new(statuses.collect::<Result<_, _>>()?).at("expect.status")?,
        body: option("expect.body", v.body)?,
        within: Within::new(v.within_ms).at("expect.within_ms")?,
    })
}

pub(super) fn option(field: &str, text: Option<String>) -> Result<Option<Text>, Error> {
    text.map(|text| text.parse().at(field)).transpose()
}

fn texts(field: &str, texts: Vec<String>) -> Result<Vec<Text>, Error> {
    if texts.len() > loki_domain::labels::COUNT_MAX {
        let message = format!("at most {} entries, these are {}", loki_domain::labels::COUNT_MAX, texts.len());
        return Err(Error::Value { field: field.to_owned(), message });
    }
    texts.into_iter().enumerate().map(|(i, text)| text.parse().at(format!("{field}[{i}]"))).collect()
}

fn labels(field: &str, texts: Texts) -> Result<Labels, Error> {
    let entries = texts.into_iter().map(|(key, value)| {
        let value = value.parse().at(format!("{field}.{key}"))?;
        Ok((key, value))
    });
    Labels::new(entries.collect::<Result<Vec<_>, Error>>()?).at(field)
}

fn patch(field: &str, changes: Changes) -> Result<Patch, Error> {
    changes
        .into_iter()
        .map(|(key, value)| {
            loki_domain::labels::check_key(&key).at(field)?;
            let value = value.map(|value| value.parse().at(format!("{field}.{key}"))).transpose()?;
            Ok((key, value))
        })
        .collect()
}
