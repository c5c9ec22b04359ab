//! Runs under any order of reports, timers, repetitions and people: none is left without a next step, and one release is good.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use loki_core::generate::Random;
use loki_core::{FACTS_MAX, Origin, State, decide};
use loki_domain::command::Operation;
use loki_domain::{
    Command, Direction, Entity, Job, Key, Manifest, Mount, Node, NodeId, NodeRef, OnFailure, Package, PackageId, PublicKey, Run, RunId,
    RunState, Server, ServerId, ServerState, Settings, Sha256, Source, TaskState, Token, TokenId, Use, Uses,
};

const NODE: NodeId = NodeId::MIN;

struct World {
    state: State,
    at_ms: i64,
    commands: u64,
    /// What the decider has appended to itself and not decided yet.
    follow: VecDeque<Command>,
    seen: Vec<String>,
}

fn digest(kind: u8, number: usize) -> [u8; 32] {
    let mut digest = [0; 32];
    digest[0] = kind;
    digest[2..10].copy_from_slice(&(number as u64).to_be_bytes());
    digest
}

impl World {
    fn new(servers: usize) -> Self {
        let mut state = State::default();
        let mut put = |entity: Entity| drop(state.evolve(entity.key(), Some(entity)));
        let (labels, contacts) = (Default::default(), Vec::new());
        put(Entity::Node(Node { id: NODE, parent: None, name: "shop".parse().unwrap(), labels, contacts, defaults: Default::default() }));
        for number in 0..servers {
            let id = ServerId::from_digest(&digest(1, number));
            let name = format!("web{number:05}").parse().unwrap();
            let (labels, state) = (Default::default(), ServerState::Online);
            put(Entity::Server(Server { id, name, serial: None, addresses: Vec::new(), idc: None, labels, state }));
            put(Entity::Mount(Mount { node: NODE, server: id, offline: false, ratio: None, source: Source::Manual }));
        }
        for version in 1..=3 {
            put(Entity::Package(Box::new(Package {
                id: PackageId::from_digest(&digest(2, version)),
                name: "web".parse().unwrap(),
                version: version.to_string().parse().unwrap(),
                branch: None,
                url: "https://dl.acme.example/web.tar.gz".parse().unwrap(),
                sha256: Sha256([0; 32]),
                size: 1,
                minisign: None,
                manifest: Manifest::default(),
                withdrawn: None,
            })));
        }
        put(Entity::Token(Token {
            id: TokenId::MIN,
            name: "owner".parse().unwrap(),
            node: None,
            uses: Uses::new(Use::ALL).unwrap(),
            key: PublicKey([0; 32]),
            expires_ms: None,
        }));
        Self { state, at_ms: 1_000_000, commands: 0, follow: VecDeque::new(), seen: Vec::new() }
    }

    /// Decides a command, takes in what became true, and looks whether everything that always holds does.
    fn ask(&mut self, command: &Command) -> bool {
        self.commands += 1;
        let id = self.commands.to_string();
        let origin = Origin { actor: "ann", id: &id, token: Some(TokenId::MIN) };
        let decided = decide(&self.state, command, &origin, self.at_ms);
        self.seen.push(format!(
            "{} {command:?}: {}",
            self.at_ms,
            decided.as_ref().map_or_else(|r| r.message.clone(), |d| d.facts.len().to_string())
        ));
        let Ok(decision) = decided else { return false };
        assert!(decision.facts.len() <= FACTS_MAX, "{} facts", decision.facts.len());
        let keys: BTreeSet<Key> = decision.facts.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys.len(), decision.facts.len(), "a key twice: {}", self.told());
        for (key, entity) in decision.facts {
            if let Some(entity) = &entity {
                assert_eq!(entity.key(), key);
            }
            drop(self.state.evolve(key, entity));
        }
        self.follow.extend(decision.follow);
        self.check();
        true
    }

    fn told(&self) -> String {
        self.seen[self.seen.len().saturating_sub(60)..].join("\n")
    }

    fn check(&self) {
        let mut again = State::default();
        for entity in self.state.entities() {
            drop(again.evolve(entity.key(), Some(entity)));
        }
        assert!(again == self.state, "indexes depend on the way: {}", self.told());
        let unfinished: Vec<&Run> = self.state.runs().iter().filter(|run| !run.state.is_ended()).collect();
        assert!(unfinished.len() <= 1, "{} runs at once: {}", unfinished.len(), self.told());
        for run in self.state.runs().iter() {
            self.check_run(run);
        }
    }

    fn check_run(&self, run: &Run) {
        let runs = self.state.runs();
        let (forward, back) = (runs.tally(run.id, Direction::Forward), runs.tally(run.id, Direction::Back));
        let is_stepped = self.follow.iter().any(|command| matches!(command, Command::RunStep { run: of } if *of == run.id));
        let moves = matches!(run.state, RunState::Running | RunState::RollingBack) || forward.open() + back.open() > 0;
        assert!(!moves || is_stepped || runs.timer(run.id).is_some(), "{} waits for nothing: {}", run.state, self.told());
        let Job::Deploy { package, from, good, .. } = &run.job else { return };
        match run.state {
            RunState::Succeeded => {
                let allowed = run.plan.failures.of(run.servers as usize) as u32 + run.forgiven;
                assert!(run.forgiven <= forward.bad(), "more is forgiven than failed: {}", self.told());
                assert!(forward.all() == run.servers && back.all() == 0, "not everybody was told: {}", self.told());
                assert!(forward.open() == 0 && forward.bad() <= allowed, "too many are bad: {}", self.told());
                assert_eq!(*good, Some(*package), "{}", self.told());
            }
            RunState::RolledBack => {
                assert!(forward.all() == 0 && back.succeeded == back.all(), "not all are back: {}", self.told());
                assert_eq!(good, from, "{}", self.told());
            }
            _ => assert!(*good == *from || *good == Some(*package), "{}", self.told()),
        }
    }

    /// Fires the timers that are due, as the clock does, and decides what the decider appended to itself.
    fn settle(&mut self) {
        loop {
            if let Some(command) = self.follow.pop_front() {
                self.ask(&command);
                continue;
            }
            let due = self.state.runs().timers().find(|timer| timer.due_ms <= self.at_ms).copied();
            match due {
                Some(timer) => assert!(self.ask(&Command::TimerFire { run: timer.run, due_ms: timer.due_ms })),
                None => break,
            }
        }
    }

    fn start(&mut self, random: &mut Random) -> bool {
        let version = 1 + random.below(3);
        let settings = Settings {
            package: "web".parse().ok(),
            version: version.to_string().parse().ok(),
            batches: ["1", "1 25% *2", "100%", "+3", "50%"][random.below(5)].parse().ok(),
            failures: ["0", "1", "20%", "100%"][random.below(4)].parse().ok(),
            on_failure: Some(OnFailure::ALL[random.below(3)]),
            pause_ms: Some([0, 1_000, 900_000][random.below(3)]),
            approval: Some(random.chance(10)),
            ..Settings::default()
        };
        self.ask(&Command::RunStart { node: NodeRef::Id(NODE), template: "standard-deploy".parse().unwrap(), settings })
    }

    fn open(&self) -> Vec<(RunId, ServerId, u32, TaskState)> {
        let open = self.state.runs().hosts().filter(|host| host.state.is_open());
        open.map(|host| (host.run, host.server, host.attempt, host.state)).collect()
    }

    fn report(&mut self, run: RunId, server: ServerId, attempt: u32, state: TaskState) {
        self.ask(&Command::RunReport { run, server, attempt, state, step: None, message: None });
    }

    /// As one of thousands, for which looking at everything takes too long.
    fn report_unchecked(&mut self, run: RunId, server: ServerId, attempt: u32) {
        let command = Command::RunReport { run, server, attempt, state: TaskState::Succeeded, step: None, message: None };
        let decision = decide(&self.state, &command, &Origin::new("host", "1"), self.at_ms).unwrap();
        self.follow.extend(decision.follow);
        for (key, entity) in decision.facts {
            drop(self.state.evolve(key, entity));
        }
    }

    /// Something that may happen at any time.
    fn happens(&mut self, random: &mut Random) {
        let runs: Vec<RunId> = self.state.runs().iter().map(|run| run.id).collect();
        let open = self.open();
        match random.below(20) {
            0 | 1 => drop(self.start(random)),
            2 => self.at_ms += 1 + random.below(700_000) as i64,
            3..=5 => self.at_ms += 1 + random.below(20_000) as i64,
            6 => self.settle(),
            7 => {
                if let Some(command) = self.follow.pop_front() {
                    self.ask(&command);
                }
            }
            8 if !runs.is_empty() => {
                // a step or a timer that nobody needs
                let run = runs[random.below(runs.len())];
                let due_ms = self.at_ms;
                self.ask(&if random.chance(50) { Command::RunStep { run } } else { Command::TimerFire { run, due_ms } });
            }
            9 | 10 if !runs.is_empty() => {
                let operations = [
                    Operation::Approve,
                    Operation::Pause,
                    Operation::Resume,
                    Operation::Stop,
                    Operation::Retry,
                    Operation::RollBack { fast: false },
                    Operation::RollBack { fast: true },
                ];
                let run = if random.chance(70) { runs[runs.len() - 1] } else { runs[random.below(runs.len())] };
                self.ask(&Command::RunOperate { run, operation: operations[random.below(operations.len())] });
            }
            11 => {
                // late, twice, or about another attempt
                let all: Vec<_> = self.state.runs().hosts().map(|host| (host.run, host.server, host.attempt)).collect();
                if !all.is_empty() {
                    let (run, server, attempt) = all[random.below(all.len())];
                    let attempt = (attempt + random.below(3) as u32).saturating_sub(1);
                    self.report(run, server, attempt, TaskState::ALL[random.below(TaskState::ALL.len())]);
                }
            }
            _ if !open.is_empty() => {
                for _ in 0..=random.below(4) {
                    let (run, server, attempt, _) = open[random.below(open.len())];
                    let state = [TaskState::Running, TaskState::Succeeded, TaskState::Succeeded, TaskState::Failed][random.below(4)];
                    self.report(run, server, attempt, state);
                }
            }
            _ => {}
        }
    }

    /// From here on every host does what it is told, and somebody resumes what is paused.
    fn end(&mut self) {
        for _ in 0..2_000 {
            self.settle();
            let waiting: Vec<(RunId, RunState)> =
                self.state.runs().iter().filter(|run| !run.state.is_ended()).map(|run| (run.id, run.state)).collect();
            let open = self.open();
            if waiting.is_empty() && open.is_empty() {
                return;
            }
            for (run, server, attempt, _) in open {
                self.report(run, server, attempt, TaskState::Succeeded);
            }
            for (run, state) in waiting {
                let operation = match state {
                    RunState::AwaitingApproval => Operation::Approve,
                    RunState::Paused => Operation::Resume,
                    _ => continue,
                };
                self.ask(&Command::RunOperate { run, operation });
            }
            let next = self.state.runs().timers().map(|timer| timer.due_ms).min();
            self.at_ms = next.map_or(self.at_ms + 1, |due_ms| due_ms.max(self.at_ms + 1));
        }
        panic!("it does not end: {}", self.told());
    }
}

#[test]
fn every_run_ends_and_one_release_is_good() {
    let mut ends: BTreeMap<RunState, usize> = BTreeMap::new();
    for seed in 0..150 {
        let mut random = Random::new(seed);
        let mut world = World::new(1 + random.below(30));
        for _ in 0..120 {
            world.happens(&mut random);
        }
        world.end();
        for run in world.state.runs().iter() {
            *ends.entry(run.state).or_default() += 1;
        }
    }
    // whatever a run may come to was met
    for state in RunState::ALL.into_iter().filter(|state| state.is_ended()) {
        assert!(ends.get(&state).is_some_and(|count| *count >= 10), "{ends:?}");
    }
}

#[test]
fn a_large_batch_takes_several_commands() {
    let mut world = World::new(2_300);
    let settings = Settings {
        package: "web".parse().ok(),
        version: "1".parse().ok(),
        batches: "1 100%".parse().ok(),
        pause_ms: Some(0),
        ..Settings::default()
    };
    assert!(world.ask(&Command::RunStart { node: NodeRef::Id(NODE), template: "standard-deploy".parse().unwrap(), settings }));
    // the lists of its batches are enough for the first command
    assert!(world.open().is_empty());
    world.settle();
    let mut told = Vec::new();
    while !world.open().is_empty() {
        let open = world.open();
        told.push(open.len());
        for (run, server, attempt, _) in open {
            world.report_unchecked(run, server, attempt);
        }
        world.settle();
    }
    let run = world.state.runs().iter().next().unwrap();
    assert_eq!((run.state, run.batches), (RunState::Succeeded, 4), "{:?}", run.why);
    assert_eq!(told, [1, 1_000, 1_000, 299]);
}
