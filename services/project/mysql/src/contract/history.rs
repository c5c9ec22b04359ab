//! Questions about what was.

use loki_domain::{Code, Entity, Key, Kind, Node, Position, Rejection, ServerState};
use loki_wire::Change;
use loki_wire::outcome::First;

use super::World;
use super::given::*;
use crate::port::{AuditFilter, Entry, Moment, OutcomeKind, Page, PastState, Resolved};

fn after(command: u64) -> Moment {
    Moment::Position(Position::command(command))
}

pub async fn an_outcome_of_each_kind_comes_back(world: &dyn World) {
    let mut story = Story::new();
    let accepted = story.accept((1..=25).map(|number| set_node(node(number, 0, &format!("n{number}")))).collect());
    let rejection = Rejection::new(Code::NotEmpty, "node", "it has children").in_the_way("node/0000000000000001");
    let rejected = story.reject(rejection.clone());
    let repeated = story.repeat(accepted, First::Accepted { after: Some(26) });
    let repeated_rejection = story.repeat(rejected, First::Rejected(rejection));
    let dead = story.die();
    let later = story.reject(Rejection::new(Code::read("gate_closed").expect("a code"), "node", "of a later decider"));
    let readers = told(world, &story).await;
    for placed in &story.outcomes {
        let found = readers.history.outcome(placed.outcome.command, None).await.expect("read").value.expect("found");
        let json = loki_wire::outcome::write(&placed.outcome, None).value;
        assert_eq!(found.json.as_bytes(), &json[..]);
        assert_eq!(found.entry.position, placed.offset);
        assert_eq!((&found.entry.actor, &found.entry.id), (&placed.outcome.actor, &placed.outcome.id));
        assert_eq!((&found.entry.command_type, found.entry.at_ms), (&placed.outcome.kind, placed.outcome.at_ms));
    }
    let entry = async |command| readers.history.outcome(command, None).await.expect("read").value.expect("found").entry;
    let found = entry(accepted).await;
    assert_eq!((found.result, found.after, found.changes, found.keys.len()), (OutcomeKind::Accepted, Some(26), 25, Entry::KEYS_MAX));
    assert_eq!(found.keys[0], Key::Node(node_id(1)));
    let found = entry(rejected).await;
    assert_eq!((found.result, found.code.as_deref(), found.field.as_deref()), (OutcomeKind::Rejected, Some("not_empty"), Some("node")));
    assert_eq!((found.message.as_deref(), found.conflict.as_deref()), (Some("it has children"), Some("node/0000000000000001")));
    let found = entry(repeated).await;
    assert_eq!((found.result, found.duplicate_of, found.after, found.code), (OutcomeKind::Duplicate, Some(accepted), Some(26), None));
    let found = entry(repeated_rejection).await;
    assert_eq!((found.duplicate_of, found.code.as_deref()), (Some(rejected), Some("not_empty")));
    let found = entry(dead).await;
    assert_eq!((found.result, found.code.as_deref(), found.command_type.as_str()), (OutcomeKind::Dead, Some("bad_json"), ""));
    let found = entry(later).await;
    assert_eq!((found.result, found.code.as_deref()), (OutcomeKind::Rejected, Some("gate_closed")));
    assert_eq!(readers.history.outcome(99, None).await.expect("read").value, None);
}

pub async fn outcomes_are_found_by_id(world: &dyn World) {
    let mut story = Story::new();
    let first = story.accept(vec![]);
    let other = story.accept(vec![]);
    story.last_outcome().actor = "bob".to_owned();
    story.last_outcome().id = "i0".to_owned();
    let again = story.repeat(first, First::Accepted { after: None });
    let readers = told(world, &story).await;
    let find = async |id: &str, actor: Option<&str>| -> Vec<u64> {
        let found = readers.history.outcomes_by_id(id, actor, None).await.expect("read").value;
        found.iter().map(|outcome| outcome.entry.command).collect()
    };
    assert_eq!(find("i0", None).await, [again, other, first]);
    assert_eq!(find("i0", Some("ann")).await, [again, first]);
    assert_eq!(find("i0", Some("bob")).await, [other]);
    assert_eq!(find("i9", None).await, [0_u64; 0]);
}

async fn audit(world: &dyn World, story: &Story, filters: Vec<(AuditFilter, Vec<u64>)>, limits: &[usize]) {
    let readers = told(world, story).await;
    for (filter, expected) in filters {
        for limit in limits {
            let mut page = Page::first(*limit);
            let mut seen = Vec::new();
            loop {
                let part = readers.history.audit(&filter, &page, None).await.expect("read").value;
                assert!(part.items.len() <= *limit);
                seen.extend(part.items.into_iter().map(|entry| entry.command));
                let Some(next) = part.next else { break };
                page.cursor = Some(next);
            }
            assert_eq!(seen, expected, "{filter:?} in pages of {limit}");
        }
    }
}

pub async fn the_audit_is_newest_first_in_pages(world: &dyn World) {
    let mut story = Story::new();
    for _ in 0..30 {
        story.accept(vec![]);
    }
    audit(world, &story, vec![(AuditFilter::default(), (0..30).rev().collect())], &[1, 7, 30, 5_000]).await;
}

pub async fn the_audit_is_filtered(world: &dyn World) {
    let story = busy_story();
    let any = AuditFilter::default;
    let fact = Position::fact(story.outcomes[4].outcome.command);
    assert_eq!(fact, Position::fact(4));
    let filters = vec![
        (AuditFilter { actor: Some("bob".into()), ..any() }, vec![2]),
        (AuditFilter { actor: Some("nobody".into()), ..any() }, vec![]),
        (AuditFilter { command_type: Some("server.mount".into()), ..any() }, vec![2]),
        (AuditFilter { command_type: Some("server.mount ".into()), ..any() }, vec![]),
        (AuditFilter { result: Some(OutcomeKind::Duplicate), ..any() }, vec![5]),
        (AuditFilter { result: Some(OutcomeKind::Dead), ..any() }, vec![8]),
        (AuditFilter { result: Some(OutcomeKind::Rejected), actor: Some("ann".into()), ..any() }, vec![]),
        (AuditFilter { key: Some(Key::Node(node_id(2))), ..any() }, vec![6, 0]),
        (AuditFilter { key: Some(Key::Mount(node_id(3), server_id(2))), ..any() }, vec![7, 4]),
        (AuditFilter { from: Some(after(7)), ..any() }, vec![9, 8, 7]),
        (AuditFilter { to: Some(after(1)), ..any() }, vec![1, 0]),
        (AuditFilter { from: Some(after(2)), to: Some(after(3)), ..any() }, vec![3, 2]),
        // command n was decided at 1,000 × (n + 1)
        (AuditFilter { from: Some(Moment::Time(8_001)), ..any() }, vec![9, 8]),
        (AuditFilter { from: Some(Moment::Time(9_000)), ..any() }, vec![9, 8]),
        (AuditFilter { to: Some(Moment::Time(2_999)), ..any() }, vec![1, 0]),
        (AuditFilter { to: Some(Moment::Time(3_000)), ..any() }, vec![2, 1, 0]),
        (AuditFilter { to: Some(Moment::Time(1)), ..any() }, vec![]),
        // outcome n lies at 2n + 1
        (AuditFilter { from: Some(Moment::Position(Position::outcome(17))), ..any() }, vec![9, 8]),
        (AuditFilter { to: Some(Moment::Position(Position::outcome(2))), ..any() }, vec![0]),
        // fact 5 is the one of command 1
        (AuditFilter { to: Some(Moment::Position(Position::fact(5))), ..any() }, vec![1, 0]),
        (AuditFilter { from: Some(Moment::Position(Position::fact(5))), to: Some(after(3)), ..any() }, vec![3, 2, 1]),
        (AuditFilter { from: Some(Moment::Position(Position::fact(1_000))), ..any() }, vec![]),
        // beyond all offsets
        (AuditFilter { from: Some(Moment::Position(Position::command(u64::MAX))), ..any() }, vec![]),
    ];
    audit(world, &story, filters, &[1, 100]).await;
}

pub async fn the_past_is_as_it_was(world: &dyn World) {
    let story = busy_story();
    let readers = told(world, &story).await;
    for outcome in &story.outcomes {
        let command = outcome.outcome.command;
        let facts: Vec<_> = story.facts.iter().filter(|fact| fact.command <= command).cloned().collect();
        let moments = [
            after(command),
            Moment::Time(outcome.outcome.at_ms),
            Moment::Time(outcome.outcome.at_ms + 999),
            Moment::Position(Position::outcome(outcome.offset)),
        ];
        for moment in moments {
            let past = readers.history.state_at(&Kind::ALL, moment, None).await.expect("read").value;
            assert_eq!(lines_of(&past), fold(&facts), "{moment:?}");
            assert_eq!((past.at.command, past.at.at_ms), (Some(command), Some(outcome.outcome.at_ms)));
            assert_eq!(past.at.fact, facts.last().map(|fact| fact.offset));
        }
    }
    // in the middle of a command: facts 2 and 3 are those of command 0
    let past = readers.history.state_at(&[Kind::Node], Moment::Position(Position::fact(2)), None).await.expect("read").value;
    assert_eq!(past.entities, [Entity::Node(node(1, 0, "acme"))]);
    assert_eq!(past.at, Resolved { command: Some(0), fact: Some(2), at_ms: Some(1_000) });
    let before = readers.history.state_at(&Kind::ALL, Moment::Time(999), None).await.expect("read").value;
    assert_eq!(before, PastState { at: Resolved::default(), entities: vec![] });
    // kinds are told apart
    let past = readers.history.state_at(&[Kind::Server, Kind::Server], after(9), None).await.expect("read").value;
    assert_eq!(past.entities.len(), 3);
}

fn lines_of(past: &PastState) -> Vec<String> {
    let mut lines: Vec<String> = past
        .entities
        .iter()
        .map(|entity| format!("{} {}", entity.key(), String::from_utf8_lossy(&loki_wire::fact::v1::write_entity(entity))))
        .collect();
    let sorted = lines.clone();
    lines.sort_unstable();
    assert_eq!(lines, sorted, "by key");
    lines
}

pub async fn two_moments_differ_by_entities(world: &dyn World) {
    let mut story = busy_story();
    // changed, and changed back
    story.accept(vec![set_node(node(3, 2, "tmp"))]);
    let last = story.accept(vec![set_node(node(3, 2, "web"))]);
    let readers = told(world, &story).await;
    let diff = async |from, to, limit| {
        let mut page = Page::first(limit);
        let mut seen = Vec::new();
        loop {
            let part = readers.history.diff(from, to, &page, None).await.expect("read").value;
            assert!(part.items.len() <= limit);
            seen.extend(part.items.into_iter().map(|difference| (difference.key, difference.before, difference.after)));
            let Some(next) = part.next else { return seen };
            page.cursor = Some(next);
        }
    };
    let (old_node, new_node) = (node(2, 1, "shop"), Node { contacts: vec![text("ann")], ..node(2, 1, "store") });
    let expected = vec![
        (Key::Mount(node_id(3), server_id(2)), Some(Entity::Mount(mount(3, 2))), None),
        (Key::Node(node_id(2)), Some(Entity::Node(old_node)), Some(Entity::Node(new_node))),
        (
            Key::Server(server_id(2)),
            Some(Entity::Server(server(2, "web02", ServerState::Offline))),
            Some(Entity::Server(server(2, "web02", ServerState::Retired))),
        ),
        (Key::Server(server_id(3)), None, Some(Entity::Server(server(3, "web02", ServerState::InStock)))),
    ];
    for limit in [1, 2, 100] {
        assert_eq!(diff(after(4), after(last), limit).await, expected);
    }
    let backwards: Vec<_> = expected.into_iter().map(|(key, before, after)| (key, after, before)).collect();
    assert_eq!(diff(after(last), after(4), 100).await, backwards);
    assert_eq!(diff(after(4), after(4), 100).await, []);
    assert_eq!(diff(after(4), after(5), 100).await, []);
    assert_eq!(diff(Moment::Time(0), Moment::Time(1_500), 100).await.len(), 2);
}

pub async fn versions_of_an_entity_come_in_pages(world: &dyn World) {
    let mut story = Story::new();
    let key = Key::Node(node_id(1));
    for i in 0..9_u8 {
        let change = if i % 3 == 2 { remove(key) } else { set_node(node(1, 0, &format!("n{i}"))) };
        story.accept(vec![set_node(node(2, 0, &format!("other{i}"))), change]);
    }
    let readers = told(world, &story).await;
    for limit in [1, 4, 9] {
        let mut page = Page::first(limit);
        let mut seen = Vec::new();
        loop {
            let part = readers.history.versions(&key, &page, None).await.expect("read").value;
            seen.extend(part.items);
            let Some(next) = part.next else { break };
            page.cursor = Some(next);
        }
        assert_eq!(seen.iter().map(|version| version.command).collect::<Vec<_>>(), (0..9).rev().collect::<Vec<_>>());
        assert_eq!(seen[0].entity, None);
        assert_eq!(seen[1].entity, Some(Entity::Node(node(1, 0, "n7"))));
        assert_eq!((seen[1].at_ms, seen[1].fact), (8_000, story.facts.iter().rfind(|fact| fact.command == 7).expect("a fact").offset));
    }
    let none = readers.history.versions(&Key::Node(node_id(9)), &Page::first(1), None).await.expect("read").value;
    assert_eq!((none.items.len(), none.next), (0, None));
}

pub async fn what_a_command_wrote_can_be_undone(world: &dyn World) {
    let story = busy_story();
    let readers = told(world, &story).await;
    let written = async |command| readers.history.written(command, None).await.expect("read").value;
    let renamed = written(6).await.expect("known");
    assert_eq!(renamed.len(), 1);
    assert_eq!((renamed[0].key, renamed[0].before.clone()), (Key::Node(node_id(2)), Some(Entity::Node(node(2, 1, "shop")))));
    assert_eq!(renamed[0].changed_since, None);
    let created = written(0).await.expect("known");
    assert_eq!(created.iter().map(|w| (w.before.is_none(), w.changed_since)).collect::<Vec<_>>(), [(true, None), (true, Some(6))]);
    let removed = written(7).await.expect("known");
    assert_eq!((removed[0].before.clone(), removed[0].after.clone()), (Some(Entity::Mount(mount(3, 2))), None));
    assert!(created[0].fact < created[1].fact);
    // a rejection wrote nothing; what is no command is not known
    assert_eq!(written(2).await, Some(vec![]));
    assert_eq!(written(99).await, None);
}

pub async fn what_is_there_now_is_told_by_key(world: &dyn World) {
    let mut story = Story::new();
    story.accept((1..=3).map(|n| set_node(node(n, 0, &format!("n{n}")))).collect());
    story.accept(vec![set_node(node(2, 0, "renamed")), remove(Key::Node(node_id(3))), Change::Set(Entity::Mount(mount(1, 1)))]);
    let readers = told(world, &story).await;
    let current = async |keys: &[Key]| readers.history.current(keys, None).await.expect("read").value;
    let keys = [Key::Mount(node_id(1), server_id(1)), Key::Node(node_id(1)), Key::Node(node_id(2)), Key::Node(node_id(3))];
    let entities = [Entity::Mount(mount(1, 1)), Entity::Node(node(1, 0, "n1")), Entity::Node(node(2, 0, "renamed"))];
    assert_eq!(current(&keys).await, entities.into_iter().map(|entity| (entity.key(), entity)).collect());
    assert!(current(&[]).await.is_empty());
    // more than are asked for at once
    let many: Vec<Key> = std::iter::repeat_n(Key::Node(node_id(9)), 600).chain(keys).collect();
    assert_eq!(current(&many).await.len(), 3);
}
