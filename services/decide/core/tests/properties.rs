//! Properties over random commands: whatever is asked, in whatever order.

use std::collections::BTreeMap;

use loki_core::generate::{Asked, Everyday, Random, Wild, inventory};
use loki_core::{Decision, Fact, Origin, State, Undo, decide, invariants};
use loki_domain::{Command, Key, Rejection};
use proptest::prelude::*;

type Journal = Vec<(Asked, Result<Decision, Rejection>)>;

/// Decides and evolves; the undos are returned in order.
fn carry_out(state: &mut State, asked: &Asked) -> (Result<Decision, Rejection>, Vec<Undo>) {
    let decision = decide(state, &asked.command, &asked.origin(), 0);
    let facts = decision.as_ref().map(|decision| decision.facts.clone()).unwrap_or_default();
    let undos = facts.into_iter().map(|(key, entity)| state.evolve(key, entity)).collect();
    (decision, undos)
}

/// The commands with the follow-ups that the decider would append, each after a few commands of others have come between.
fn journal(seed: u64, commands: usize) -> (State, Journal) {
    let mut state = State::default();
    let mut random = Random::new(!seed);
    let mut waiting: Vec<Asked> = Vec::new();
    let mut journal = Vec::new();
    let mut wild = Wild::new(seed).with_servers(4);
    while journal.len() < commands || !waiting.is_empty() {
        let ours = !waiting.is_empty() && (journal.len() >= commands || random.chance(30));
        let asked = if ours { waiting.remove(0) } else { wild.next().expect("an endless stream") };
        let (decision, _) = carry_out(&mut state, &asked);
        if let Ok(Decision { follow: Some(command), .. }) = &decision {
            waiting.push(Asked { actor: "@decider".to_owned(), id: format!("@{}", journal.len()), command: command.clone() });
        }
        journal.push((asked, decision));
    }
    (state, journal)
}

fn facts(journal: &Journal) -> Vec<Fact> {
    journal.iter().filter_map(|(_, decision)| decision.as_ref().ok()).flat_map(|decision| decision.facts.clone()).collect()
}

fn fold(facts: impl IntoIterator<Item = Fact>) -> State {
    let mut state = State::default();
    facts.into_iter().for_each(|(key, entity)| drop(state.evolve(key, entity)));
    state
}

/// Drops superseded facts at random, as a log does that is being compacted, and mixes the keys.
fn compacted(facts: &[Fact], random: &mut Random, keep_percent: usize) -> Vec<Fact> {
    let last: BTreeMap<Key, usize> = facts.iter().enumerate().map(|(at, (key, _))| (*key, at)).collect();
    let mut queues: BTreeMap<Key, Vec<Fact>> = BTreeMap::new();
    for (at, fact) in facts.iter().enumerate() {
        if last[&fact.0] == at || random.chance(keep_percent) {
            queues.entry(fact.0).or_default().insert(0, fact.clone());
        }
    }
    let mut mixed = Vec::new();
    while !queues.is_empty() {
        let at = random.below(queues.len());
        let Some(key) = queues.keys().nth(at).copied() else { break };
        let queue = queues.entry(key).or_default();
        mixed.extend(queue.pop());
        if queue.is_empty() {
            queues.remove(&key);
        }
    }
    mixed
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_commands_break_the_invariants(seed: u64) {
        let mut state = State::default();
        for asked in Wild::new(seed).with_servers(3).take(300) {
            let (decision, _) = carry_out(&mut state, &asked);
            prop_assert_eq!(invariants::check(&state), Vec::<String>::new(), "after {:?}", asked);
            if let Ok(decision) = decision {
                let keys: std::collections::BTreeSet<_> = decision.facts.iter().map(|(key, _)| key).collect();
                prop_assert_eq!(keys.len(), decision.facts.len(), "one fact a key: {:?}", decision);
            }
        }
    }

    #[test]
    fn a_command_without_facts_changes_nothing_and_facts_always_change_something(seed: u64) {
        let mut state = State::default();
        for asked in Wild::new(seed).take(300) {
            let before = state.clone();
            let (decision, _) = carry_out(&mut state, &asked);
            for (key, entity) in decision.iter().flat_map(|decision| &decision.facts) {
                prop_assert!(before.get(key) != *entity, "{key} did not change by {asked:?}");
            }
        }
    }

    #[test]
    fn folding_is_the_same_compacted_or_not(seed: u64, keep_percent in 0usize..100) {
        let (state, journal) = journal(seed, 300);
        let facts = facts(&journal);
        prop_assert!(state == fold(facts.clone()));
        let mut random = Random::new(seed);
        prop_assert!(state == fold(compacted(&facts, &mut random, keep_percent)));
        prop_assert!(state == fold(state.entities().map(|entity| (entity.key(), Some(entity)))));
    }

    #[test]
    fn deciding_the_journal_again_gives_the_same(seed: u64) {
        let (state, journal) = journal(seed, 300);
        let mut again = State::default();
        for (asked, decision) in &journal {
            prop_assert_eq!(&carry_out(&mut again, asked).0, decision);
        }
        prop_assert!(state == again);
    }

    #[test]
    fn reverting_a_batch_gives_the_state_before(seed: u64, first in 0usize..200, batch in 1usize..100) {
        let mut state = State::default();
        let mut wild = Wild::new(seed);
        for asked in wild.by_ref().take(first) {
            let _ = carry_out(&mut state, &asked);
        }
        let before = state.clone();
        let commands: Vec<Asked> = wild.take(batch).collect();
        let decide_batch = |state: &mut State| commands.iter().map(|asked| carry_out(state, asked)).collect::<Vec<_>>();
        let decided = decide_batch(&mut state);
        let (decisions, undos): (Vec<_>, Vec<_>) = decided.into_iter().unzip();
        undos.into_iter().flatten().rev().for_each(|undo| state.revert(undo));
        prop_assert!(state == before);
        let again: Vec<_> = decide_batch(&mut state).into_iter().map(|(decision, _)| decision).collect();
        prop_assert_eq!(decisions, again);
    }

    #[test]
    fn sweeps_come_to_an_end_whatever_comes_between(seed: u64) {
        let (state, _) = journal(seed, 200);
        prop_assert!(state.memberships().iter().all(|rule| rule.sweep.is_none()));
    }
}

/// More servers than one step writes, so that commands come between the steps of one rule.
#[test]
fn a_long_sweep_meets_other_commands() {
    for seed in 0..6 {
        let mut state = State::default();
        let mut all: Vec<Asked> = inventory(10, 2_500, 0);
        let rule = Command::MembershipSet {
            membership: None,
            node: Some(loki_domain::NodeRef::Path("/acme/g0/n0".parse().unwrap())),
            pattern: Some("s?-*".parse().unwrap()),
            labels: Default::default(),
            again: None,
        };
        let id = loki_core::identity::NewIds::of(Origin::new("ann", "rule")).membership(|_| false);
        all.push(Asked { actor: "ann".into(), id: "rule".into(), command: rule });
        for asked in &all {
            assert!(carry_out(&mut state, asked).0.is_ok(), "{asked:?}");
        }
        let mut others = Everyday::new(seed, 10, 2_500);
        let mut steps = 0;
        let mut phases = [
            Command::MembershipSet {
                membership: Some(id),
                node: None,
                pattern: Some("s1*".parse().unwrap()),
                labels: Default::default(),
                again: None,
            },
            Command::MembershipRemove { membership: id },
        ]
        .into_iter();
        loop {
            for asked in others.by_ref().take(100) {
                let _ = carry_out(&mut state, &asked);
            }
            let pending = state.memberships().get(&id).is_some_and(|rule| rule.sweep.is_some());
            let command = if pending { Some(Command::MembershipSweep { membership: id }) } else { phases.next() };
            let Some(command) = command else { break };
            let asked = Asked { actor: "ann".into(), id: format!("step-{steps}"), command };
            let decision = carry_out(&mut state, &asked).0.expect("a step");
            assert!(decision.facts.len() <= 400);
            assert_eq!(invariants::check(&state), Vec::<String>::new());
            steps += 1;
        }
        assert!(state.memberships().get(&id).is_none());
        assert!(steps > 10, "the sweeps were long: {steps}");
    }
}

/// The generators must ask for enough of everything, else the properties above say little.
#[test]
fn the_streams_reach_every_kind_of_answer() {
    let mut accepted: BTreeMap<&str, usize> = BTreeMap::new();
    let mut rejected: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..48 {
        for (asked, decision) in journal(seed, 300).1 {
            match decision {
                Ok(_) => *accepted.entry(asked.command.type_name()).or_default() += 1,
                Err(rejection) => *rejected.entry(rejection.code.as_str().to_owned()).or_default() += 1,
            }
        }
    }
    let types = 16; // no sweep is long enough to be continued
    assert!(accepted.len() >= types && accepted.values().all(|count| *count >= 20), "{accepted:?}");
    for code in ["invalid", "not_found", "already_exists", "move_into_itself", "not_empty", "ratio_sum", "retired", "mounted_by_membership"]
    {
        assert!(rejected.get(code).is_some_and(|count| *count >= 10), "{code}: {rejected:?}");
    }
    let mut state = State::default();
    let everyday = inventory(20, 100, 4).into_iter().chain(Everyday::new(1, 20, 100).take(2_000));
    let refused = everyday.filter(|asked| carry_out(&mut state, asked).0.is_err()).count();
    assert!(refused < 100, "{refused} of 2000");
}
