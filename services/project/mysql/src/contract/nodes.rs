//! Questions about nodes.

use loki_domain::{Node, NodeRef};

use super::World;
use super::given::*;
use crate::port::{Page, ReadError};

fn path(text: &str) -> NodeRef {
    NodeRef::Path(text.parse().expect("a path"))
}

pub async fn nodes_are_found_by_id_and_path(world: &dyn World) {
    let story = busy_story();
    let readers = told(world, &story).await;
    let find = async |node: &NodeRef| readers.state.node(node, None).await.expect("read");
    for (by_path, number) in [("/acme", 1), ("/acme/store", 2), ("/acme/store/web", 3)] {
        let found = find(&path(by_path)).await;
        assert_eq!(found.stored.position, story.facts_end());
        let found = found.value.expect("found");
        assert_eq!((found.node.id, found.path.to_string().as_str()), (node_id(number), by_path));
        assert_eq!(find(&NodeRef::Id(node_id(number))).await.value, Some(found));
    }
    for missing in ["/", "/acme/shop", "/web", "/acme/store/web/x"] {
        assert_eq!(find(&path(missing)).await.value, None, "{missing}");
    }
    assert_eq!(find(&NodeRef::Id(node_id(99))).await.value, None);
}

pub async fn a_node_says_from_where_it_inherits(world: &dyn World) {
    let mut story = Story::new();
    story.accept(vec![
        set_node(Node {
            contacts: vec![text("ann"), text("bob")],
            defaults: labels(&[("user", "root"), ("tz", "utc")]),
            ..node(1, 0, "acme")
        }),
        set_node(Node { defaults: labels(&[("user", "www")]), ..node(2, 1, "shop") }),
        set_node(Node { contacts: vec![text("eve")], ..node(3, 2, "web") }),
    ]);
    let readers = told(world, &story).await;
    let shop = readers.state.node(&path("/acme/shop"), None).await.expect("read").value.expect("found");
    let contacts = shop.contacts.expect("inherited");
    assert_eq!(
        (contacts.value, contacts.from, contacts.from_path.to_string()),
        (vec![text("ann"), text("bob")], node_id(1), "/acme".into())
    );
    let children = readers.state.children(&path("/acme/shop"), &Page::first(10), None).await.expect("read").value.expect("found");
    let web = children.items.into_iter().next().expect("a child");
    assert_eq!(web.path.to_string(), "/acme/shop/web");
    assert_eq!(web.contacts.expect("own").from, node_id(3));
    let defaults: Vec<_> = web.defaults.iter().map(|(key, v)| (key.as_str(), v.value.to_string(), v.from_path.to_string())).collect();
    assert_eq!(defaults, [("tz", "utc".into(), "/acme".into()), ("user", "www".into(), "/acme/shop".into())]);
    assert_eq!(web.fact, story.facts.last().expect("a fact").offset);
}

pub async fn children_come_in_pages(world: &dyn World) {
    let mut story = Story::new();
    story.accept(vec![set_node(node(1, 0, "acme")), set_node(node(2, 0, "zeta")), set_node(node(100, 2, "elsewhere"))]);
    let names = ["b", "a", "B", "支付", "a-1", "a_1", "c"];
    story.accept(names.iter().zip(10..).map(|(name, number)| set_node(node(number, 1, name))).collect());
    let readers = told(world, &story).await;
    let mut sorted: Vec<&str> = names.to_vec();
    sorted.sort_unstable();
    for limit in [1, 3, 7, 100] {
        let mut page = Page::first(limit);
        let mut seen = Vec::new();
        loop {
            let part = readers.state.children(&path("/acme"), &page, None).await.expect("read").value.expect("found");
            assert!(part.items.len() <= limit && !part.items.is_empty());
            seen.extend(part.items.into_iter().map(|view| view.node.name.to_string()));
            let Some(next) = part.next else { break };
            page.cursor = Some(next);
        }
        assert_eq!(seen, sorted);
    }
    let top = readers.state.children(&path("/"), &Page::first(10), None).await.expect("read").value.expect("found");
    assert_eq!(top.items.iter().map(|view| view.path.to_string()).collect::<Vec<_>>(), ["/acme", "/zeta"]);
    let none = readers.state.children(&path("/zeta/elsewhere"), &Page::first(10), None).await.expect("read").value.expect("found");
    assert_eq!((none.items.len(), none.next), (0, None));
    assert_eq!(readers.state.children(&path("/missing"), &Page::first(10), None).await.expect("read").value, None);
    let bad = Page { cursor: Some("nonsense".into()), limit: 1 };
    let refused = readers.state.children(&path("/acme"), &bad, None).await.err();
    assert!(matches!(refused, Some(ReadError::Invalid { field: "cursor", .. })), "{refused:?}");
}

pub async fn memberships_of_a_node(world: &dyn World) {
    let mut story = Story::new();
    story.accept(vec![
        set_node(node(1, 0, "acme")),
        set_node(node(2, 0, "other")),
        set_node(node(3, 0, "zeta")),
        set_membership(membership(2, 1)),
        set_membership(membership(1, 1)),
        set_membership(membership(3, 2)),
    ]);
    let readers = told(world, &story).await;
    let acme = readers.state.node(&path("/acme"), None).await.expect("read").value.expect("found");
    assert_eq!(acme.memberships, [membership(1, 1), membership(2, 1)]);
    let top = readers.state.children(&path("/"), &Page::first(10), None).await.expect("read").value.expect("found");
    let rules: Vec<_> = top.items.into_iter().map(|view| (view.path.to_string(), view.memberships)).collect();
    assert_eq!(
        rules,
        [("/acme".to_owned(), acme.memberships), ("/other".to_owned(), vec![membership(3, 2)]), ("/zeta".to_owned(), vec![])]
    );
}
