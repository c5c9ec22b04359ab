//! Texts: every script, and what is equal.

use loki_domain::{Entity, Node, NodeRef, ServerState};

use super::World;
use super::given::*;
use crate::port::{AuditFilter, Page};

pub async fn texts_come_back_as_they_were(world: &dyn World) {
    let mut story = Story::new();
    let hard = "支付 \u{1f680} ' \" \\ % _ ` ; -- \u{e9} e\u{301} \u{fffd} \u{10ffff}";
    let entity = Node {
        contacts: vec![text(hard), text(" "), text("")],
        labels: labels(&[("a/b", hard)]),
        defaults: labels(&[("x", "'); DROP TABLE node; --")]),
        ..node(1, 0, "支付_𠮷")
    };
    story.accept(vec![set_node(entity.clone()), set_server(server(1, "web01", ServerState::Online))]);
    story.last_outcome().actor = hard.to_owned();
    story.last_outcome().id = hard.to_owned();
    let readers = told(world, &story).await;
    let found = readers.state.node(&NodeRef::Path("/支付_𠮷".parse().expect("a path")), None).await.expect("read");
    assert_eq!(found.value.map(|view| view.node), Some(entity.clone()));
    let found = readers.history.outcomes_by_id(hard, Some(hard), None).await.expect("read").value;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].entry.actor.as_str(), found[0].entry.id.as_str()), (hard, hard));
    let written = readers.history.written(0, None).await.expect("read").value.expect("known");
    assert_eq!(written[0].after, Some(Entity::Node(entity)));
    assert_eq!(state_lines(&readers).await, fold(&story.facts));
}

pub async fn names_differ_by_case_and_spaces(world: &dyn World) {
    let mut story = Story::new();
    story.accept(vec![set_node(node(1, 0, "Shop")), set_node(node(2, 0, "shop"))]);
    for actor in ["bob", "bob ", "Bob", "b\u{f6}b"] {
        story.accept(vec![]);
        story.last_outcome().actor = actor.to_owned();
        story.last_outcome().id = actor.to_owned();
    }
    let readers = told(world, &story).await;
    for (path, number) in [("/Shop", 1), ("/shop", 2)] {
        let found = readers.state.node(&NodeRef::Path(path.parse().expect("a path")), None).await.expect("read").value;
        assert_eq!(found.expect("found").node.id, node_id(number));
    }
    assert_eq!(readers.state.node(&NodeRef::Path("/SHOP".parse().expect("a path")), None).await.expect("read").value, None);
    for actor in ["bob", "bob ", "Bob", "b\u{f6}b"] {
        let filter = AuditFilter { actor: Some(actor.to_owned()), ..AuditFilter::default() };
        let found = readers.history.audit(&filter, &Page::first(10), None).await.expect("read").value.items;
        assert_eq!(found.iter().map(|entry| entry.actor.as_str()).collect::<Vec<_>>(), [actor]);
        assert_eq!(readers.history.outcomes_by_id(actor, None, None).await.expect("read").value.len(), 1);
    }
}
