//! Servers by id, by name and by serial number.

use std::collections::BTreeSet;
use std::sync::Arc;

use loki_domain::{Server, ServerId, ServerName, ServerState, Text};

use super::table::{Hashed, Table};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Servers {
    by_id: Table<ServerId, Arc<Server>>,
    /// Name, retired or not, id: of the servers of one name the living one comes first.
    names: BTreeSet<(ServerName, bool, ServerId)>,
    /// The first of each name.
    by_name: Hashed<ServerName, Arc<Server>>,
    /// Without the retired ones.
    serials: BTreeSet<(Text, ServerId)>,
}

impl Servers {
    pub(super) fn put(&mut self, id: ServerId, server: Option<Arc<Server>>) -> Option<Arc<Server>> {
        let after = server.clone();
        let before = self.by_id.put(id, server);
        let name = |server: &Arc<Server>| (server.name.clone(), is_retired(server), id);
        let (old, new) = (before.as_ref().map(name), after.as_ref().map(name));
        if old != new {
            self.rename(old, new);
        } else if let Some(server) = after.as_ref()
            && let Some(first) = self.by_name.get_mut(&server.name).filter(|first| first.id == id)
        {
            *first = server.clone();
        }
        let serial = |server: &Arc<Server>| server.serial.clone().filter(|_| !is_retired(server)).map(|serial| (serial, id));
        swap(&mut self.serials, before.as_ref().and_then(serial), after.as_ref().and_then(serial));
        before
    }

    fn rename(&mut self, old: Option<(ServerName, bool, ServerId)>, new: Option<(ServerName, bool, ServerId)>) {
        let names: [_; 2] = [&old, &new].map(|entry| entry.as_ref().map(|(name, ..)| name.clone()));
        swap(&mut self.names, old, new);
        for name in names.into_iter().flatten() {
            let first = (name, false, ServerId::MIN);
            let found = self.names.range(&first..).next().filter(|(found, ..)| *found == first.0);
            match found.and_then(|(_, _, id)| self.by_id.get(id)) {
                Some(server) => drop(self.by_name.insert(first.0, server.clone())),
                None => drop(self.by_name.remove(&first.0)),
            }
        }
    }

    pub fn get(&self, id: &ServerId) -> Option<&Server> {
        self.by_id.get(id).map(|server| &**server)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Server> {
        self.by_id.iter().map(|server| &**server)
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// In id order, from this id on.
    pub fn from(&self, id: ServerId) -> impl Iterator<Item = &Server> {
        self.by_id.range(id..).map(|(_, server)| &**server)
    }

    /// The server of this name that is not retired, else one that is.
    pub fn named(&self, name: &ServerName) -> Option<&Server> {
        self.by_name.get(name).map(|server| &**server)
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
