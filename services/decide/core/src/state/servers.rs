//! Servers by id, by name and by serial number.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use loki_domain::{Server, ServerId, ServerName, ServerState, Text};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Servers {
    by_id: BTreeMap<ServerId, Arc<Server>>,
    /// Name, retired or not, id: of the servers of one name the living one comes first.
    names: BTreeSet<(ServerName, bool, ServerId)>,
    /// Without the retired ones.
    serials: BTreeSet<(Text, ServerId)>,
}

impl Servers {
    pub(super) fn put(&mut self, id: ServerId, server: Option<Arc<Server>>) -> Option<Arc<Server>> {
        let after = server.clone();
        let before = match server {
            Some(server) => self.by_id.insert(id, server),
            None => self.by_id.remove(&id),
        };
        let name = |server: &Arc<Server>| (server.name.clone(), is_retired(server), id);
        swap(&mut self.names, before.as_ref().map(name), after.as_ref().map(name));
        let serial = |server: &Arc<Server>| server.serial.clone().filter(|_| !is_retired(server)).map(|serial| (serial, id));
        swap(&mut self.serials, before.as_ref().and_then(serial), after.as_ref().and_then(serial));
        before
    }

    pub fn get(&self, id: &ServerId) -> Option<&Server> {
        self.by_id.get(id).map(|server| &**server)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Server> {
        self.by_id.values().map(|server| &**server)
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// In id order, from this id on.
    pub fn from(&self, id: ServerId) -> impl Iterator<Item = &Server> {
        self.by_id.range((Bound::Included(id), Bound::Unbounded)).map(|(_, server)| &**server)
    }

    /// The server of this name that is not retired, else one that is.
    pub fn named(&self, name: &ServerName) -> Option<&Server> {
        let from = (name.clone(), false, ServerId::MIN);
        let (_, _, id) = self.names.range(from..).next().filter(|(found, ..)| found == name)?;
        self.get(id)
    }

    /// The server with this serial number that is not retired.
    pub fn with_serial(&self, serial: &Text) -> Option<ServerId> {
        let from = (serial.clone(), ServerId::MIN);
        self.serials.range(from..).next().filter(|(found, _)| found == serial).map(|(_, id)| *id)
    }
}

fn is_retired(server: &Server) -> bool {
    server.state == ServerState::Retired
}

fn swap<T: Ord>(index: &mut BTreeSet<T>, old: Option<T>, new: Option<T>) {
    if old == new {
        return;
    }
    if let Some(old) = old {
        index.remove(&old);
    }
    if let Some(new) = new {
        index.insert(new);
    }
}
