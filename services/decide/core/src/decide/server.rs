//! Servers: register, update, set state, retire.

use loki_domain::{Code, Entity, Key, Labels, Patch, Rejection, Server, ServerId, ServerName, ServerRef, ServerState, Text};

use super::lookup::{self, counted, patched};
use super::{Decided, Decision, gone, now, ratio, reconcile};
use crate::State;
use crate::identity::NewIds;

pub(super) struct New<'c> {
    pub name: &'c ServerName,
    pub serial: &'c Option<Text>,
    pub addresses: &'c [Text],
    pub idc: &'c Option<Text>,
    pub labels: &'c Labels,
    pub state: ServerState,
}

/// Absent parts stay; `Some(None)` clears.
pub(super) struct Changes<'c> {
    pub name: &'c Option<ServerName>,
    pub serial: &'c Option<Option<Text>>,
    pub addresses: &'c Option<Vec<Text>>,
    pub idc: &'c Option<Option<Text>>,
    pub labels: &'c Patch,
}

pub(super) fn register(state: &State, new: New<'_>, mut ids: NewIds<'_>) -> Decided {
    check_state(new.state)?;
    let addresses = counted(new.addresses, "addresses")?;
    check_name(state, new.name, None)?;
    if let Some(serial) = new.serial {
        check_serial(state, serial, None)?;
    }
    let server = Server {
        id: ids.server(|id| state.servers().get(id).is_some()),
        name: new.name.clone(),
        serial: new.serial.clone(),
        addresses,
        idc: new.idc.clone(),
        labels: new.labels.clone(),
        state: new.state,
    };
    Ok(changed(state, server))
}

pub(super) fn update(state: &State, server: &ServerRef, changes: Changes<'_>) -> Decided {
    let old = lookup::server(state, server, "server")?;
    let mut new = Server { labels: patched(&old.labels, changes.labels, "labels")?, ..old.clone() };
    if let Some(name) = changes.name {
        check_name(state, name, Some(old.id))?;
        new.name = name.clone();
    }
    if let Some(serial) = changes.serial {
        if let Some(serial) = serial {
            check_serial(state, serial, Some(old.id))?;
        }
        new.serial = serial.clone();
    }
    if let Some(addresses) = changes.addresses {
        new.addresses = counted(addresses, "addresses")?;
    }
    if let Some(idc) = changes.idc {
        new.idc = idc.clone();
    }
    if new == *old {
        return Ok(Decision::nothing());
    }
    Ok(changed(state, new))
}

pub(super) fn set_state(state: &State, server: &ServerRef, condition: ServerState) -> Decided {
    check_state(condition)?;
    let old = lookup::server(state, server, "server")?;
    if old.state == condition {
        return Ok(Decision::nothing());
    }
    Ok(changed(state, Server { state: condition, ..old.clone() }))
}

pub(super) fn retire(state: &State, server: &ServerRef) -> Decided {
    let old = lookup::server(state, server, "server")?;
    let mut facts = vec![now(Entity::Server(Server { state: ServerState::Retired, ..old.clone() }))];
    for mount in state.mounts().of_server(old.id) {
        let before = state.mounts().load(&mount.node);
        let after = before.without(mount);
        if after != before {
            ratio::check(state, mount.node, after, "server")?;
        }
        facts.push(gone(Key::Mount(mount.node, mount.server)));
    }
    Ok(Decision::facts(facts))
}

/// The server's fact, and the mounts that membership rules add and take away.
fn changed(state: &State, server: Server) -> Decision {
    let mounts = reconcile::server(state, &server);
    let mut facts = Vec::with_capacity(1 + mounts.len());
    facts.push(now(Entity::Server(server)));
    facts.extend(mounts);
    Decision::facts(facts)
}

fn check_state(condition: ServerState) -> Result<(), Rejection> {
    if condition == ServerState::Retired {
        return Err(Rejection::new(Code::Invalid, "state", "a server is retired with `server.retire`, for ever"));
    }
    Ok(())
}

fn check_name(state: &State, name: &ServerName, own: Option<ServerId>) -> Result<(), Rejection> {
    match state.servers().named(name) {
        Some(other) if other.state != ServerState::Retired && Some(other.id) != own => {
            Err(taken("name", format!("there is a server `{name}` already"), other.id))
        }
        _ => Ok(()),
    }
}

fn check_serial(state: &State, serial: &Text, own: Option<ServerId>) -> Result<(), Rejection> {
    if serial.as_str().is_empty() {
        return Err(Rejection::new(Code::Invalid, "serial", "an empty serial number names nothing: leave it out"));
    }
    match state.servers().with_serial(serial).filter(|other| Some(*other) != own) {
        Some(other) => Err(taken("serial", format!("there is a server with the serial number `{serial}` already"), other)),
        None => Ok(()),
    }
}

fn taken(field: &str, message: String, server: ServerId) -> Rejection {
    Rejection::new(Code::AlreadyExists, field, message).in_the_way(Key::Server(server))
}
