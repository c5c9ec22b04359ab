//! Facts as the decider would write them.

use std::collections::BTreeMap;

use bytes::Bytes;
use loki_domain::{Entity, Key, Labels, LogId, Node, NodeId};
use loki_log::{NewRecord, Record};
use loki_wire::{Change, fact};

pub fn log_id(byte: u8) -> LogId {
    LogId::from_digest(&[byte; 32])
}

/// The first record of a log.
pub fn opening(id: LogId) -> NewRecord {
    new_record(fact::write(&Change::Log(id), 0, 0, true, None))
}

/// A node's state. `n` is its identity.
pub fn node(n: u32, name: &str) -> Change {
    let node = Node {
        id: node_id(n),
        parent: None,
        name: name.parse().expect("a valid name"),
        labels: Labels::default(),
        contacts: Vec::new(),
        defaults: Labels::default(),
    };
    Change::Set(Entity::Node(node))
}

pub fn removal(n: u32) -> Change {
    Change::Removed(Key::Node(node_id(n)))
}

fn node_id(n: u32) -> NodeId {
    let mut digest = [0; 32];
    digest[..4].copy_from_slice(&n.to_be_bytes());
    NodeId::from_digest(&digest)
}

/// The facts of the command at `command`; with `flagged` the last one says that it is.
pub fn command(command: u64, changes: &[Change], flagged: bool) -> Vec<NewRecord> {
    let last = changes.len().saturating_sub(1);
    changes
        .iter()
        .enumerate()
        .map(|(index, change)| new_record(fact::write(change, command, index, flagged && index == last, None)))
        .collect()
}

fn new_record(encoded: fact::Encoded) -> NewRecord {
    NewRecord { key: Some(encoded.key), value: encoded.value, headers: encoded.headers, timestamp_ms: None }
}

/// What a store must hold: each key's newest value.
pub fn fold<'a>(records: impl IntoIterator<Item = &'a Record>) -> BTreeMap<String, String> {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let mut rows = BTreeMap::new();
    for record in records {
        let key = record.key.as_ref().map(text).unwrap_or_default();
        match &record.value {
            Some(value) => rows.insert(key, text(value)),
            None => rows.remove(&key),
        };
    }
    rows
}
