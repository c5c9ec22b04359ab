//! Runs `scenarios/*.txt`: given, when, then, in plain text.
//!
//! `scenario:` begins one. Commands under `given:` must be accepted, and their sweeps are carried out to the end. `when:` is one command; `then:`
//! says its answer, and below it stands every fact (`+` what is now, `-` what is gone; `399 x + mount` counts those that begin so), `follow` when
//! the decider must go on, and `says TEXT` for a part of the message. Nodes are written as paths, servers as names, and `as NAME` before a
//! command gives the membership, server, node or domain that it makes a name, used as `$NAME`. `repeat N` before a command fills in `{n}`;
//! `{1..65}` in a word makes that many words; `by TOKEN` before a command signs it, `at MS` says when it comes. After every `when` the invariants must hold.

#[path = "scenarios/language.rs"]
mod language;
#[path = "scenarios/show.rs"]
mod show;

use std::collections::{BTreeMap, BTreeSet};

use language::{Answer, Names, Scenario, Step};
use loki_core::{Decision, Origin, State, decide, invariants};
use loki_domain::{Code, Command, Entity, Key, Rejection, TokenId};

const FILES: [(&str, &str); 7] = [
    ("tree", include_str!("scenarios/tree.txt")),
    ("servers", include_str!("scenarios/servers.txt")),
    ("ratios", include_str!("scenarios/ratios.txt")),
    ("memberships", include_str!("scenarios/memberships.txt")),
    ("domains", include_str!("scenarios/domains.txt")),
    ("tokens", include_str!("scenarios/tokens.txt")),
    ("runs", include_str!("scenarios/runs.txt")),
];

#[derive(Default)]
struct World {
    state: State,
    names: Names,
    commands: usize,
    at_ms: i64,
}

impl World {
    /// Decides and evolves. What is shown is named as it was before for what is gone, as it is now for what is there.
    fn ask(&mut self, text: &str) -> (Result<Decision, Rejection>, Vec<String>) {
        let asked = language::command(text, &self.names);
        let (name, command) = (asked.name, asked.command);
        self.at_ms = asked.at_ms.unwrap_or(self.at_ms);
        let token = asked.by.map(|name| self.state.tokens().named(&name).map_or(TokenId::MAX, |token| token.id));
        self.commands += 1;
        let id = format!("{}", self.commands);
        let decision = decide(&self.state, &command, &Origin { token, ..Origin::new("ann", &id) }, self.at_ms);
        let Ok(decided) = &decision else { return (decision, Vec::new()) };
        let gone = decided.facts.iter().map(|(key, _)| show::key(key, &self.state, &self.names)).collect::<Vec<_>>();
        for (key, entity) in decided.facts.clone() {
            drop(self.state.evolve(key, entity));
        }
        if let Some(name) = name {
            let made = decided
                .facts
                .iter()
                .rev()
                .map(|(key, _)| *key)
                .find(|key| !matches!(key, Key::Mount(..) | Key::Batch(..) | Key::Task(..) | Key::Timer(_)));
            self.names.insert(name.to_owned(), made.unwrap_or_else(|| panic!("`{text}` makes nothing to be named")));
        }
        let shown = decided.facts.iter().zip(gone).map(|((_, entity), gone)| match entity {
            Some(entity) => format!("+ {}", show::entity(entity, &self.state, &self.names)),
            None => format!("- {gone}"),
        });
        let mut shown: Vec<String> = shown.collect();
        if decided.follow.is_some() {
            shown.push("follow".to_owned());
        }
        (decision, shown)
    }

    fn give(&mut self, text: &str) {
        let (mut decision, _) = self.ask(text);
        loop {
            match decision {
                Err(rejection) => panic!("given `{text}`: {rejection:?}"),
                Ok(Decision { follow: None, .. }) => return,
                Ok(Decision { follow: Some(Command::RunStep { run }), .. }) => {
                    self.names.insert("pending".to_owned(), Key::Run(run));
                    decision = self.ask("run.step run=$pending").0;
                    self.names.remove("pending");
                }
                Ok(decided) => {
                    let rule = decided.facts.iter().find_map(|(key, entity)| matches!(entity, Some(Entity::Membership(_))).then_some(*key));
                    self.names.insert("pending".to_owned(), rule.expect("a sweep writes its rule"));
                    decision = self.ask("membership.sweep membership=$pending").0;
                    self.names.remove("pending");
                }
            }
        }
    }

    fn check(&mut self, when: &str, then: &Answer<'_>) -> Result<Option<Code>, String> {
        let (decision, mut shown) = self.ask(when);
        assert_eq!(invariants::check(&self.state), Vec::<String>::new(), "after `{when}`");
        let (answer, message, code) = match &decision {
            Ok(_) => ("accepted".to_owned(), "", None),
            Err(rejection) => {
                (show::rejection(rejection, &self.state, &self.names), rejection.message.as_str(), Some(rejection.code.clone()))
            }
        };
        if answer != then.answer {
            return Err(format!("expected `{}`\n     got `{answer}` ({message})", then.answer));
        }
        if let Some(part) = then.says.iter().find(|part| !message.contains(**part)) {
            return Err(format!("`{message}` does not say `{part}`"));
        }
        for (count, prefix) in &then.counts {
            let before = shown.len();
            shown.retain(|line| !line.starts_with(prefix));
            if before - shown.len() != *count {
                return Err(format!("expected {count} x `{prefix}`, got {}", before - shown.len()));
            }
        }
        if shown != then.lines {
            return Err(format!("expected {:#?}\n     got {shown:#?}", then.lines));
        }
        Ok(code)
    }
}

fn run(file: &str, scenario: &Scenario<'_>, codes: &mut BTreeSet<Code>) -> Result<(), String> {
    let mut world = World::default();
    for step in &scenario.steps {
        match step {
            Step::Given(text) => world.give(text),
            Step::When(when, then) => {
                let code = world.check(when, then).map_err(|wrong| format!("{file}: {}\nwhen `{when}`\n{wrong}\n", scenario.title))?;
                codes.extend(code);
            }
        }
    }
    Ok(())
}

#[test]
fn scenarios() {
    let mut wrong = Vec::new();
    let mut codes = BTreeSet::new();
    let mut titles = BTreeMap::new();
    for (file, text) in FILES {
        for scenario in language::scenarios(text) {
            assert!(!scenario.steps.is_empty(), "{file}: `{}` is empty", scenario.title);
            assert_eq!(titles.insert(scenario.title, file), None, "two scenarios of one title");
            wrong.extend(run(file, &scenario, &mut codes).err());
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let ours: BTreeSet<Code> = Code::ALL.into_iter().filter(|code| !matches!(code, Code::IdReused | Code::Expired)).collect();
    assert_eq!(codes, ours, "every rejection that the rules give has its scenario");
}
