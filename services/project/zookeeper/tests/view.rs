//! The view, whatever happened to it: it dumps what a fold dumps, and a kept answer is the answer made anew.

use loki_domain::LogId;
use loki_runner::{State, Stored};
use loki_wire::Change;
use loki_zookeeper::View;
use loki_zookeeper::contract::{fold, mount, node, node_key, server};
use loki_zookeeper::live::Live;
use proptest::collection::vec;
use proptest::prelude::*;

/// Few entities, so that they meet; parents may be missing, or be their own children.
fn change() -> impl Strategy<Value = Change> {
    let number = 0..6u32;
    prop_oneof![
        3 => (number.clone(), proptest::option::of(0..6u32), 0..4u32).prop_map(|(id, parent, name)| node(id, parent, &format!("n{name}"))),
        2 => (number.clone(), 0..4u32).prop_map(|(id, name)| server(id, &format!("s{name}"))),
        3 => (number.clone(), 0..6u32).prop_map(|(node, server)| mount(node, server)),
        1 => number.clone().prop_map(|id| Change::Removed(node_key(id))),
        1 => number.clone().prop_map(|id| Change::Removed(server(id, "s").key().expect("a server has a key"))),
        1 => (number, 0..6u32).prop_map(|(node, server)| Change::Removed(mount(node, server).key().expect("a mount has a key"))),
    ]
}

fn stored(position: u64) -> Stored {
    Stored { log: LogId::MIN, position, state: State::Live, ended_ms: 0 }
}

/// All that may be asked.
fn questions() -> Vec<String> {
    let mut questions = vec!["/".to_owned()];
    for a in 0..4 {
        questions.push(format!("/n{a}"));
        questions.extend((0..4).map(|b| format!("/n{a}/n{b}")));
    }
    questions.extend((0..6).map(|number| node_key(number).id()));
    questions
}

proptest! {
    #[test]
    fn a_view_dumps_what_a_fold_dumps(changes in vec(change(), 0..60)) {
        let mut view = View::default();
        changes.iter().for_each(|change| view.apply(change));
        prop_assert_eq!(view.dump(), fold(&changes));
    }

    #[test]
    fn facts_of_different_keys_commute(changes in vec(change(), 0..40), order in any::<u64>()) {
        // the newest of each key, in any order: what a compacted log may hold
        let mut newest: Vec<Change> = Vec::new();
        for change in changes.iter().rev() {
            if newest.iter().all(|later| later.key() != change.key()) {
                newest.push(change.clone());
            }
        }
        newest.sort_by_key(|change| change.key().map(|key| loki_wire::digest::sha256(&[key.to_string().as_bytes(), &order.to_be_bytes()])));
        let (mut one, mut other) = (View::default(), View::default());
        changes.iter().for_each(|change| one.apply(change));
        newest.iter().for_each(|change| other.apply(change));
        prop_assert_eq!(one.dump(), other.dump());
    }

    #[test]
    fn a_kept_answer_is_the_answer_made_anew(batches in vec(vec(change(), 1..4), 1..25)) {
        let live = Live::default();
        let mut view = View::default();
        let questions = questions();
        for (position, batch) in batches.iter().enumerate() {
            live.publish(batch, stored(position as u64 + 1));
            batch.iter().for_each(|change| view.apply(change));
            let anew = Live::default();
            anew.replace(view.clone(), Some(stored(position as u64 + 1)), 1);
            for question in &questions {
                for recursive in [false, true] {
                    let (kept, made) = (live.servers(question, recursive), anew.servers(question, recursive));
                    prop_assert_eq!(kept, made, "{} after {:?}", question, batch);
                }
            }
        }
    }
}
