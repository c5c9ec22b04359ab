//! Facts as rows of the current state, or of that part of it which a projection keeps.

use loki_domain::{Entity, Key, Kind};
use loki_wire::fact::v1::write_entity;
use loki_wire::{Change, Fact};

use super::TableChanges;
use crate::sql::Value;
use crate::tables::{
    BATCH, CDN_SYSTEM_KINDS, DOMAIN, MEMBERSHIP, MOUNT, NODE, PACKAGE, RUN, SERVER, STATE_KINDS, TASK, TEMPLATE, TOKEN, Table,
};

/// What these facts change in the current state.
pub(crate) fn state_changes(facts: &[Fact]) -> Vec<TableChanges> {
    changes(facts, &STATE_KINDS)
}

/// What these facts change in domains and the nodes above them.
pub(crate) fn domain_changes(facts: &[Fact]) -> Vec<TableChanges> {
    changes(facts, &CDN_SYSTEM_KINDS)
}

/// Of several facts about one entity only the last one counts, and none about entities of other kinds.
fn changes(facts: &[Fact], kinds: &[Kind]) -> Vec<TableChanges> {
    let mut last: Vec<(Key, &Fact)> = facts.iter().filter_map(|fact| Some((fact.change.key()?, fact))).collect();
    last.sort_by_key(|(key, fact)| (*key, std::cmp::Reverse(fact.offset)));
    last.dedup_by_key(|(key, _)| *key);

    let mut changes: Vec<TableChanges> = kinds.iter().filter_map(|kind| entity_table(*kind)).map(TableChanges::new).collect();
    for (key, fact) in last {
        let table = entity_table(key.kind());
        let Some(changes) = changes.iter_mut().find(|changes| Some(changes.table) == table) else { continue };
        match &fact.change {
            Change::Set(entity) => changes.upserts.extend(entity_row(entity, fact.offset)),
            Change::Removed(key) => changes.deletes.push(Value::text(key.id())),
            Change::Log(_) => {}
        }
    }
    changes
}

/// `None` for what no table keeps: timers are for the clock and the decider alone.
pub(crate) fn entity_table(kind: Kind) -> Option<&'static Table> {
    Some(match kind {
        Kind::Node => &NODE,
        Kind::Server => &SERVER,
        Kind::Mount => &MOUNT,
        Kind::Membership => &MEMBERSHIP,
        Kind::Domain => &DOMAIN,
        Kind::Token => &TOKEN,
        Kind::Package => &PACKAGE,
        Kind::Template => &TEMPLATE,
        Kind::Run => &RUN,
        Kind::Batch => &BATCH,
        Kind::Task => &TASK,
        Kind::Timer => return None,
    })
}

/// An entity's row, in the order of its table's columns.
pub(crate) fn entity_row(entity: &Entity, fact: u64) -> Option<Vec<Value>> {
    let id = Value::text(entity.key().id());
    let fact = Value::offset(fact);
    let json = json(entity);
    Some(match entity {
        Entity::Node(node) => {
            let parent = node.parent.map(|id| id.to_string()).unwrap_or_default();
            vec![id, Value::text(parent), Value::text(node.name.as_str()), fact, json]
        }
        Entity::Server(server) => {
            let idc = Value::text_or_null(server.idc.as_ref().map(|idc| idc.as_str()));
            vec![id, Value::text(server.name.as_str()), Value::text(server.state.as_str()), idc, fact, json]
        }
        Entity::Mount(mount) => vec![id, Value::text(mount.node.to_string()), Value::text(mount.server.to_string()), fact, json],
        Entity::Membership(membership) => vec![id, Value::text(membership.node.to_string()), fact, json],
        Entity::Domain(domain) => {
            vec![id, Value::text(domain.site.name.as_str()), Value::text(domain.node.to_string()), fact, json]
        }
        Entity::Token(token) => {
            let node = token.node.map(|id| id.to_string()).unwrap_or_default();
            vec![id, Value::text(token.name.as_str()), Value::text(node), fact, json]
        }
        Entity::Package(package) => vec![id, Value::text(package.name.as_str()), Value::text(package.version.as_str()), fact, json],
        Entity::Template(template) => vec![id, Value::text(template.node.to_string()), Value::text(template.name.as_str()), fact, json],
        Entity::Run(run) => {
            vec![id, Value::text(run.node.to_string()), Value::text(run.state.as_str()), Value::Int(run.begun_ms), fact, json]
        }
        Entity::Batch(batch) => vec![id, Value::text(batch.run.to_string()), Value::Int(i64::from(batch.number)), fact, json],
        Entity::Task(task) => {
            vec![id, Value::text(task.run.to_string()), Value::text(task.server.to_string()), Value::text(task.state.as_str()), fact, json]
        }
        Entity::Timer(_) => return None,
    })
}

fn json(entity: &Entity) -> Value {
    let json = write_entity(entity);
    // JSON is written as UTF-8
    Value::Text(String::from_utf8(json).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

#[cfg(test)]
mod tests {
    use loki_domain::{Labels, Mount, Node, NodeId, Ratio, Server, ServerId, ServerState, Source};

    use super::*;

    fn node(id: u8, parent: Option<u8>, name: &str) -> Entity {
        Entity::Node(Node {
            id: NodeId::from_digest(&[id; 32]),
            parent: parent.map(|id| NodeId::from_digest(&[id; 32])),
            name: name.parse().unwrap(),
            labels: Labels::default(),
            contacts: vec![],
            defaults: Labels::default(),
        })
    }

    fn set(offset: u64, entity: Entity) -> Fact {
        Fact { offset, command: 1, last: true, change: Change::Set(entity) }
    }

    #[test]
    fn rows_have_their_tables_columns() {
        let server = Server {
            id: ServerId::MIN,
            name: "web01".parse().unwrap(),
            serial: None,
            addresses: vec![],
            idc: Some("sh".parse().unwrap()),
            labels: Labels::default(),
            state: ServerState::Online,
        };
        let mount =
            Mount { node: NodeId::MIN, server: ServerId::MIN, offline: false, ratio: Some(Ratio::new(5).unwrap()), source: Source::Manual };
        let row = entity_row(&Entity::Server(server), 7).unwrap();
        assert_eq!(row[1..5], [Value::text("web01"), Value::text("online"), Value::text("sh"), Value::Int(7)]);
        for entity in [node(1, None, "a"), Entity::Mount(mount)] {
            let table = entity_table(entity.key().kind()).unwrap();
            let row = entity_row(&entity, 7).unwrap();
            assert_eq!(row.len(), table.columns.len());
            assert_eq!(row[0], Value::text(entity.key().id()));
            assert_eq!(row[table.columns.len() - 2], Value::Int(7));
        }
        assert_eq!(entity_row(&node(1, None, "a"), 7).unwrap()[1], Value::text(""));
    }

    #[test]
    fn only_the_last_change_of_a_key_counts() {
        let (a, b) = (node(1, None, "a"), node(2, None, "b"));
        let removed = |offset, entity: &Entity| Fact { offset, command: 1, last: true, change: Change::Removed(entity.key()) };
        let log = Fact { offset: 0, command: 0, last: true, change: Change::Log(loki_domain::LogId::MIN) };
        let facts = [log, set(1, a.clone()), set(2, b.clone()), removed(3, &a), set(4, node(2, Some(1), "c"))];
        let changes = state_changes(&facts);
        let nodes = changes.iter().find(|changes| *changes.table == NODE).unwrap();
        assert_eq!(nodes.upserts, [entity_row(&node(2, Some(1), "c"), 4).unwrap()]);
        assert_eq!(nodes.deletes, [Value::text(a.key().id())]);
        // removed and made again within a batch
        let changes = state_changes(&[set(1, a.clone()), removed(2, &a), set(3, a.clone())]);
        assert_eq!((changes[0].upserts.len(), changes[0].deletes.len()), (1, 0));
        assert!(changes[1..].iter().all(|changes| changes.upserts.is_empty() && changes.deletes.is_empty()));
    }
}
