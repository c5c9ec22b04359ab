//! What cases are made of: entities, facts, a writer that counts offsets.

use std::collections::BTreeMap;

use loki_domain::{Entity, Key, Labels, LogId, Mount, Node, NodeId, NodeRef, Server, ServerId, ServerState, Source};
use loki_runner::{Applied, Batch, Projection, State, StoreError, Stored, Target};
use loki_wire::{Change, Fact};

use crate::contract::World;
use crate::port::TreeReader;

fn digest(number: u32) -> [u8; 32] {
    loki_wire::digest::sha256(&[&number.to_be_bytes()])
}

pub fn log(number: u32) -> LogId {
    LogId::from_digest(&digest(number))
}

fn node_id(number: u32) -> NodeId {
    NodeId::from_digest(&digest(number))
}

fn server_id(number: u32) -> ServerId {
    ServerId::from_digest(&digest(number))
}

pub fn node_key(number: u32) -> Key {
    Key::Node(node_id(number))
}

pub fn node_ref(path: &str) -> NodeRef {
    NodeRef::Path(path.parse().unwrap())
}

pub fn node(number: u32, parent: Option<u32>, name: &str) -> Change {
    Change::Set(Entity::Node(Node {
        id: node_id(number),
        parent: parent.map(node_id),
        name: name.parse().unwrap(),
        labels: Labels::default(),
        contacts: vec![],
        defaults: Labels::default(),
    }))
}

pub fn server(number: u32, name: &str) -> Change {
    Change::Set(Entity::Server(Server {
        id: server_id(number),
        name: name.parse().unwrap(),
        serial: None,
        addresses: vec![],
        idc: None,
        labels: Labels::default(),
        state: ServerState::Online,
    }))
}

pub fn mount(node: u32, server: u32) -> Change {
    let (node, server) = (node_id(node), server_id(server));
    Change::Set(Entity::Mount(Mount { node, server, offline: false, ratio: None, source: Source::Manual }))
}

/// The lines that a dump must have after these changes.
pub fn fold<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Vec<String> {
    let mut lines: BTreeMap<String, String> = BTreeMap::new();
    for change in changes {
        match change {
            Change::Log(_) => {}
            Change::Set(entity) => {
                let json = String::from_utf8(loki_wire::fact::v1::write_entity(entity)).unwrap();
                lines.insert(entity.key().to_string(), json);
            }
            Change::Removed(key) => {
                lines.remove(&key.to_string());
            }
        }
    }
    lines.into_iter().map(|(key, json)| format!("{key} {json}")).collect()
}

/// The answer to "which servers are on this node".
pub fn servers_body(reader: &dyn TreeReader, node: &str) -> String {
    let answer = reader.servers(node, true).unwrap().value.expect("the node exists");
    String::from_utf8(answer.body.to_vec()).unwrap()
}

/// A writer, the changes that it has written, and where it is.
pub struct Writer {
    pub projection: Box<dyn Projection<Item = Fact>>,
    pub log: LogId,
    pub position: u64,
    pub changes: Vec<Change>,
}

/// A store that is live, and its writer.
pub struct Given;

impl Given {
    /// Filled with these changes, a command each.
    pub async fn live(world: &dyn World, changes: Vec<Change>) -> Writer {
        let mut writer = Writer::new(world, 1);
        assert_eq!(writer.rebuild(changes).await.unwrap(), Applied::Done);
        writer
    }
}

impl Writer {
    pub fn new(world: &dyn World, of: u32) -> Self {
        Self { projection: world.projection(), log: log(of), position: 0, changes: Vec::new() }
    }

    /// Each change is a command of its own.
    pub fn facts(&self, changes: &[Change]) -> Vec<Fact> {
        let offsets = self.position..;
        changes.iter().zip(offsets).map(|(change, offset)| Fact { offset, command: offset, last: true, change: change.clone() }).collect()
    }

    /// All changes are one command.
    pub fn command(&self, changes: &[Change]) -> Vec<Fact> {
        let mut facts = self.facts(changes);
        let last = facts.len() - 1;
        for (index, fact) in facts.iter_mut().enumerate() {
            (fact.command, fact.last) = (self.position, index == last);
        }
        facts
    }

    /// Writes facts that begin at the writer's position; it moves on when that is done.
    pub async fn apply(&mut self, target: Target, facts: &[Fact]) -> Result<Applied, StoreError> {
        let to = self.position + facts.len() as u64;
        let state = if target == Target::Main { State::Live } else { State::Building };
        let batch = Batch { log: self.log, target, from: self.position, to, items: facts, state, ended_ms: None };
        let applied = self.projection.apply(batch).await?;
        if applied == Applied::Done {
            self.position = to;
            self.changes.extend(facts.iter().map(|fact| fact.change.clone()));
        }
        Ok(applied)
    }

    /// Writes changes, a command each, to the main generation.
    pub async fn write(&mut self, changes: &[Change]) -> Applied {
        let facts = self.facts(changes);
        self.apply(Target::Main, &facts).await.unwrap()
    }

    /// Fills a new generation from the start of the log with these changes.
    pub async fn rebuild(&mut self, changes: Vec<Change>) -> Result<Applied, StoreError> {
        (self.position, self.changes) = (0, Vec::new());
        self.projection.begin_rebuild(self.log, 0).await?;
        let facts = self.facts(&changes);
        if self.apply(Target::Shadow, &facts).await? == Applied::Refused {
            return Ok(Applied::Refused);
        }
        self.projection.finish_rebuild(self.log, self.position, 1_000).await
    }

    pub fn stored(&self) -> Stored {
        Stored { log: self.log, position: self.position, state: State::Live, ended_ms: 1_000 }
    }

    /// The store holds exactly what was written.
    pub async fn check(&mut self, world: &dyn World) {
        assert_eq!(self.projection.stored().await.unwrap(), Some(self.stored()));
        assert_eq!(world.dump().await, Some((self.stored(), fold(&self.changes))));
    }
}
