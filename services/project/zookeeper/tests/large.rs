//! Answers are bounded: whoever asks for too much is told how to ask for less.

use loki_domain::LogId;
use loki_runner::{State, Stored};
use loki_wire::Change;
use loki_zookeeper::contract::{node, node_ref};
use loki_zookeeper::live::{Live, NODES_MAX};
use loki_zookeeper::{Refusal, View};

#[test]
fn a_tree_of_too_many_nodes_is_refused() {
    let mut view = View::default();
    let stored = Stored { log: LogId::MIN, position: 1, state: State::Live, ended_ms: 0 };
    let live = Live::default();
    view.apply(&node(0, None, "a"));
    // with `/` and `/a` it is as many as there may be
    for number in 2..NODES_MAX as u32 {
        view.apply(&node(number, Some(0), &format!("n{number}")));
    }
    live.replace(view, Some(stored), 1);
    assert_eq!(live.tree(&node_ref("/"), 64).unwrap().value.unwrap().children[0].children.len(), NODES_MAX - 2);
    let one_more: Change = node(1, Some(0), "one-more");
    live.publish([&one_more], Stored { position: 2, ..stored });
    let Err(refused @ Refusal::TooLarge { .. }) = live.tree(&node_ref("/"), 64) else { panic!("one node too many") };
    let message = refused.to_string();
    assert!(message.starts_with("`depth`") && message.contains("subtree"), "{message}");
    // as it advises
    assert_eq!(live.tree(&node_ref("/"), 1).unwrap().value.unwrap().children.len(), 1);
    assert!(live.tree(&node_ref("/a"), 64).unwrap().value.is_some());
    // and in parts there is no bound
    let mut listed = Vec::new();
    loop {
        let after = listed.last().map(|path: &String| path.parse().unwrap());
        let part = live.nodes(&"/".parse().unwrap(), 64, after.as_ref(), 3_000).unwrap();
        assert_eq!(part.position, 2);
        let part = part.value.unwrap();
        if part.is_empty() {
            break;
        }
        listed.extend(part.into_iter().map(|node| node.path));
    }
    assert_eq!(listed.len(), NODES_MAX);
    assert!(listed.is_sorted() && listed.contains(&"/a/one-more".to_owned()));
}
