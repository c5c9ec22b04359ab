//! What the cases start from: entities, a story of commands with their facts and outcomes, and stores filled with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use loki_domain::{
    Domain, DomainId, Entity, Expectation, Key, Kind, Labels, LogId, Membership, MembershipId, Mount, Node, NodeId, Ratio, Rejection,
    Scheme, Server, ServerId, ServerState, Site, Source, Text,
};
use loki_runner::projection::{Item, PlacedOutcome};
use loki_runner::{Applied, Batch, Projection, State, Target};
use loki_wire::fact::v1::write_entity;
use loki_wire::outcome::First;
use loki_wire::{Change, Fact, Outcome, Verdict, WrittenFact};
use serde_json::value::RawValue;

use super::World;
use crate::port::DomainReader;
use crate::port::Dump;
use crate::store::Store;
use crate::{
    Config, Database, DomainProjection, HistoryProjection, Readers, StateProjection, TaskLogProjection, domain_reader, entity_line,
};

pub(super) fn log(number: u8) -> LogId {
    LogId::from_digest(&[number; 32])
}

pub(super) fn node_id(number: u8) -> NodeId {
    NodeId::from_digest(&[number; 32])
}

pub(super) fn server_id(number: u8) -> ServerId {
    ServerId::from_digest(&[number; 32])
}

pub(super) fn membership_id(number: u8) -> MembershipId {
    MembershipId::from_digest(&[number; 32])
}

pub(super) fn text(text: &str) -> Text {
    text.parse().expect("a text")
}

pub(super) fn labels(entries: &[(&str, &str)]) -> Labels {
    Labels::new(entries.iter().map(|(key, value)| ((*key).to_owned(), text(value)))).expect("labels")
}

/// A node; 0 is the parent of those at the top.
pub(super) fn node(number: u8, parent: u8, name: &str) -> Node {
    Node {
        id: node_id(number),
        parent: (parent != 0).then(|| node_id(parent)),
        name: name.parse().expect("a name"),
        labels: Labels::default(),
        contacts: vec![],
        defaults: Labels::default(),
    }
}

pub(super) fn server(number: u8, name: &str, state: ServerState) -> Server {
    Server {
        id: server_id(number),
        name: name.parse().expect("a name"),
        serial: None,
        addresses: vec![text("10.0.0.1")],
        idc: None,
        labels: Labels::default(),
        state,
    }
}

pub(super) fn mount(node: u8, server: u8) -> Mount {
    Mount { node: node_id(node), server: server_id(server), offline: false, ratio: Ratio::new(250_000).ok(), source: Source::Manual }
}

pub(super) fn membership(number: u8, node: u8) -> Membership {
    Membership {
        id: membership_id(number),
        node: node_id(node),
        pattern: Some("web*".parse().expect("a pattern")),
        labels: labels(&[("role", "web")]),
        sweep: None,
    }
}

pub(super) fn domain_id(number: u8) -> DomainId {
    DomainId::from_digest(&[number; 32])
}

/// A domain of a node, with what is usual for all else.
pub(super) fn domain(number: u8, node: u8, name: &str) -> Domain {
    Domain {
        id: domain_id(number),
        site: Site {
            name: name.parse().expect("a host"),
            path: "/livez".parse().expect("a path"),
            scheme: Scheme::Https,
            vendor: Default::default(),
        },
        node: node_id(node),
        expect: Expectation { statuses: Default::default(), body: Some(text("ok")), within: Default::default() },
    }
}

pub(super) fn set_domain(domain: Domain) -> Change {
    Change::Set(Entity::Domain(domain))
}

pub(super) fn set_node(node: Node) -> Change {
    Change::Set(Entity::Node(node))
}

pub(super) fn set_server(server: Server) -> Change {
    Change::Set(Entity::Server(server))
}

pub(super) fn set_mount(mount: Mount) -> Change {
    Change::Set(Entity::Mount(mount))
}

pub(super) fn set_membership(membership: Membership) -> Change {
    Change::Set(Entity::Membership(membership))
}

pub(super) fn remove(key: Key) -> Change {
    Change::Removed(key)
}

/// Commands in order, with what the decider would have written. The first fact is the log's id; offsets have gaps, as markers leave them.
pub(super) struct Story {
    pub(super) facts: Vec<Fact>,
    pub(super) outcomes: Vec<PlacedOutcome>,
    next_fact: u64,
    next_command: u64,
}

impl Story {
    pub(super) fn new() -> Self {
        let first = Fact { offset: 0, command: 0, last: true, change: Change::Log(log(1)) };
        Self { facts: vec![first], outcomes: vec![], next_fact: 2, next_command: 0 }
    }

    /// A command that was carried out; its offset.
    pub(super) fn accept(&mut self, changes: Vec<Change>) -> u64 {
        let command = self.next_command;
        let count = changes.len();
        let mut written = Vec::new();
        for (i, change) in changes.into_iter().enumerate() {
            let offset = self.next_fact;
            self.next_fact += 1;
            let json = match &change {
                Change::Set(entity) => Some(raw(entity)),
                Change::Removed(_) | Change::Log(_) => None,
            };
            if let Some(key) = change.key() {
                written.push(WrittenFact { key, offset, json });
            }
            self.facts.push(Fact { offset, command, last: i + 1 == count, change });
        }
        self.next_fact += 1;
        let after = self.facts.last().map(|fact| fact.offset);
        self.answer("ann", "node.create", Verdict::Accepted { after, facts: written })
    }

    pub(super) fn reject(&mut self, rejection: Rejection) -> u64 {
        self.answer("bob", "server.mount", Verdict::Rejected(rejection))
    }

    pub(super) fn repeat(&mut self, of: u64, first: First) -> u64 {
        self.answer("ann", "node.create", Verdict::Duplicate { of, first })
    }

    pub(super) fn die(&mut self) -> u64 {
        self.answer("@unknown", "", Verdict::Dead { code: "bad_json".to_owned(), message: "no".to_owned() })
    }

    /// Ids count from `i0`; each command is decided a second after the one before, the first at 1,000 ms.
    fn answer(&mut self, actor: &str, kind: &str, verdict: Verdict) -> u64 {
        let command = self.next_command;
        self.next_command += 1;
        let id = match &verdict {
            Verdict::Duplicate { of, .. } => format!("i{of}"),
            _ => format!("i{command}"),
        };
        let outcome = Outcome {
            id,
            actor: actor.to_owned(),
            kind: kind.to_owned(),
            command,
            at_ms: 1_000 + 1_000 * command as i64,
            rules: 1,
            previous: [7; 32],
            digest: Some([9; 32]),
            verdict,
        };
        self.outcomes.push(PlacedOutcome { offset: 2 * command + 1, outcome });
        command
    }

    pub(super) fn last_outcome(&mut self) -> &mut Outcome {
        &mut self.outcomes.last_mut().expect("an outcome").outcome
    }

    /// The position after all facts.
    pub(super) fn facts_end(&self) -> u64 {
        end(&self.facts)
    }

    pub(super) fn outcomes_end(&self) -> u64 {
        end(&self.outcomes)
    }
}

pub(super) fn end<I: Item>(items: &[I]) -> u64 {
    items.last().map_or(0, |item| item.offset() + 1)
}

fn raw(entity: &Entity) -> Box<RawValue> {
    RawValue::from_string(String::from_utf8(write_entity(entity)).expect("UTF-8")).expect("JSON")
}

pub(super) fn state(world: &dyn World) -> StateProjection {
    StateProjection::state(&world.config()).expect("settings")
}

pub(super) fn history(world: &dyn World) -> HistoryProjection {
    HistoryProjection::history(&world.config()).expect("settings")
}

pub(super) fn task_logs(world: &dyn World) -> TaskLogProjection {
    TaskLogProjection::task_logs(&world.config()).expect("settings")
}

pub(super) fn readers(world: &dyn World) -> Readers {
    Readers::open(&world.config()).expect("settings")
}

/// The world's database as `cdn_system`.
pub(super) fn cdn_system(world: &dyn World) -> Config {
    world.config().of(Database::CdnSystem)
}

pub(super) fn domains(world: &dyn World) -> DomainProjection {
    DomainProjection::domains(&cdn_system(world)).expect("settings")
}

/// The reader of domains, whose store is filled with a story.
pub(super) async fn told_domains(world: &dyn World, story: &Story) -> Arc<dyn DomainReader> {
    fill(&mut domains(world), &story.facts).await;
    domain_reader(&cdn_system(world)).expect("settings")
}

/// Fills a projection by a rebuild; `ENDED_MS` is when it ended.
pub(super) async fn fill<I: Item>(projection: &mut Store<I>, items: &[I]) {
    projection.begin_rebuild(log(1), 0).await.expect("begun");
    let mut from = 0;
    for part in items.chunks(7) {
        let to = end(part);
        let applied = projection.apply(batch(Target::Shadow, from, to, part)).await.expect("applied");
        assert_eq!(applied, Applied::Done);
        from = to;
    }
    let finished = projection.finish_rebuild(log(1), from, ENDED_MS).await.expect("finished");
    assert_eq!(finished, Applied::Done);
}

pub(super) const ENDED_MS: i64 = 5_000;

/// A batch of log 1: into the shadow `building`, into the main generation `live`.
pub(super) fn batch<I>(target: Target, from: u64, to: u64, items: &[I]) -> Batch<'_, I> {
    let state = match target {
        Target::Main => State::Live,
        Target::Shadow => State::Building,
    };
    Batch { log: log(1), target, from, to, items, state, ended_ms: None }
}

/// Both projections and readers, filled with a story.
pub(super) async fn told(world: &dyn World, story: &Story) -> Readers {
    fill(&mut state(world), &story.facts).await;
    fill(&mut history(world), &story.outcomes).await;
    readers(world)
}

/// What facts add up to, as lines of a dump.
pub(super) fn fold(facts: &[Fact]) -> Vec<String> {
    let mut entities = BTreeMap::new();
    for fact in facts {
        match &fact.change {
            Change::Set(entity) => {
                entities.insert(entity.key().to_string(), entity_line(entity));
            }
            Change::Removed(key) => {
                entities.remove(&key.to_string());
            }
            Change::Log(_) => {}
        }
    }
    entities.into_values().collect()
}

/// What facts about entities of these kinds add up to.
pub(super) fn fold_of(facts: &[Fact], kinds: &[Kind]) -> Vec<String> {
    let known = facts.iter().filter(|fact| fact.change.key().is_none_or(|key| kinds.contains(&key.kind()))).cloned();
    fold(&known.collect::<Vec<_>>())
}

pub(super) async fn lines(mut dump: Box<dyn Dump>) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let next = dump.next().await.expect("lines");
        if next.is_empty() {
            return lines;
        }
        lines.extend(next);
    }
}

pub(super) async fn state_lines(readers: &Readers) -> Vec<String> {
    lines(readers.state.dump(None).await.expect("a dump")).await
}

pub(super) async fn history_lines(readers: &Readers) -> Vec<String> {
    lines(readers.history.dump(None).await.expect("a dump")).await
}

/// A tree, servers on it, some changed and removed again; every kind of outcome.
pub(super) fn busy_story() -> Story {
    use loki_domain::Code;
    let mut story = Story::new();
    story.accept(vec![set_node(node(1, 0, "acme")), set_node(node(2, 1, "shop"))]);
    story.accept(vec![set_node(node(3, 2, "web"))]);
    story.reject(Rejection::new(Code::AlreadyExists, "path", "`/acme` is there").in_the_way("node/1"));
    story.accept(vec![set_server(server(1, "web01", ServerState::Online)), set_server(server(2, "web02", ServerState::Offline))]);
    story.accept(vec![set_mount(mount(3, 1)), set_mount(mount(3, 2)), set_membership(membership(1, 3))]);
    story.repeat(1, First::Accepted { after: Some(5) });
    story.accept(vec![set_node(Node { contacts: vec![text("ann")], ..node(2, 1, "store") })]);
    story.accept(vec![remove(Key::Mount(node_id(3), server_id(2))), set_server(server(2, "web02", ServerState::Retired))]);
    story.die();
    story.accept(vec![set_server(server(3, "web02", ServerState::InStock))]);
    story
}
