//! A tree, its servers with what they hold, and everybody who does something to runs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use loki_core::generate::Random;
use loki_core::{Decision, FACTS_MAX, Origin, State, decide};
use loki_domain::command::{Operation, ServerRef};
use loki_domain::{
    Command, Direction, Entity, Job, Key, Manifest, Mount, Node, NodeId, NodeRef, OnFailure, Package, PackageId, PublicKey, Rejection, Run,
    RunId, RunState, Server, ServerId, ServerState, Settings, Sha256, Source, Task, TaskState, Token, TokenId, Use, Uses,
};

/// `/shop`, with all servers under it.
pub(crate) const NODE: NodeId = NodeId::MIN;
/// `/shop/blue`, with every other server.
const BELOW: NodeId = NodeId::MAX;

pub(crate) struct World {
    pub(crate) state: State,
    at_ms: i64,
    commands: u64,
    /// What the decider has appended to itself and not decided yet.
    follow: VecDeque<Command>,
    seen: Vec<String>,
    /// Everything that was decided, from the state at the beginning on.
    journal: Vec<(Command, i64, Result<Decision, Rejection>)>,
    beginning: State,
    /// The package that serves on each server, as hosts would know it.
    holds: BTreeMap<ServerId, Option<PackageId>>,
    /// Servers that came to another release by a run that had told them nothing before.
    pub(crate) strays: usize,
}

fn digest(kind: u8, number: usize) -> [u8; 32] {
    let mut digest = [0; 32];
    digest[0] = kind;
    digest[2..10].copy_from_slice(&(number as u64).to_be_bytes());
    digest
}

/// Of a command of somebody who may do everything.
fn decided(state: &State, number: u64, command: &Command, at_ms: i64) -> Result<Decision, Rejection> {
    decide(state, command, &Origin { actor: "ann", id: &number.to_string(), token: Some(TokenId::MIN) }, at_ms)
}

impl World {
    pub(crate) fn new(servers: usize) -> Self {
        let mut state = State::default();
        let mut put = |entity: Entity| drop(state.evolve(entity.key(), Some(entity)));
        for (id, parent, name) in [(NODE, None, "shop"), (BELOW, Some(NODE), "blue")] {
            let (name, labels, contacts) = (name.parse().unwrap(), Default::default(), Vec::new());
            put(Entity::Node(Node { id, parent, name, labels, contacts, defaults: Default::default() }));
        }
        for number in 0..servers {
            let id = ServerId::from_digest(&digest(1, number));
            let name = format!("web{number:05}").parse().unwrap();
            let (labels, state) = (Default::default(), ServerState::Online);
            put(Entity::Server(Server { id, name, serial: None, addresses: Vec::new(), idc: None, labels, state }));
            let node = if number % 2 == 0 { NODE } else { BELOW };
            put(Entity::Mount(Mount { node, server: id, offline: false, ratio: None, source: Source::Manual }));
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
        let beginning = state.clone();
        Self {
            state,
            at_ms: 1_000_000,
            journal: Vec::new(),
            beginning,
            commands: 0,
            follow: VecDeque::new(),
            seen: Vec::new(),
            holds: BTreeMap::new(),
            strays: 0,
        }
    }

    /// Decides a command, takes in what became true, and looks whether everything that always holds does.
    pub(crate) fn ask(&mut self, command: &Command) -> bool {
        self.commands += 1;
        let decided = decided(&self.state, self.commands, command, self.at_ms);
        self.journal.push((command.clone(), self.at_ms, decided.clone()));
        self.seen.push(format!(
            "{} {command:?}: {}",
            self.at_ms,
            decided.as_ref().map_or_else(|r| r.message.clone(), |d| d.facts.len().to_string())
        ));
        let Ok(decision) = decided else { return false };
        let before = self.state.clone();
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
        self.follow_hosts(command, &before);
        self.check();
        self.check_ends(&before);
        true
    }

    /// A host that says that it is done holds what it was told, one that has failed what it held before.
    fn follow_hosts(&mut self, command: &Command, before: &State) {
        let Command::RunReport { run, server, .. } = command else { return };
        let is_done = |task: &&Task| task.state == TaskState::Succeeded;
        let done = self.state.runs().host(*run, *server).filter(is_done);
        let (Some(task), None) = (done, before.runs().host(*run, *server).filter(is_done)) else { return };
        let Some(Job::Deploy { package, from, .. }) = self.state.runs().get(run).map(|run| &run.job) else { return };
        let held = match task.direction {
            Direction::Forward => Some(*package),
            Direction::Back => *from,
        };
        self.strays += usize::from(task.direction == Direction::Back && task.attempt == 1);
        self.holds.insert(*server, held);
    }

    /// When a run has succeeded, no more is forgiven than failed. When it is rolled back, none of its servers that were told anything, and were
    /// heard, holds another release than the one that it goes back to.
    fn check_ends(&self, before: &State) {
        let was = |run: &Run| before.runs().get(&run.id).map(|run| run.state);
        for run in self.state.runs().iter().filter(|run| was(run) != Some(run.state)) {
            if run.state == RunState::Succeeded {
                let bad = self.state.runs().tally(run.id, Direction::Forward).bad();
                assert!(run.forgiven <= bad, "more is forgiven than failed: {}", self.told());
            }
            if run.state != RunState::RolledBack {
                continue;
            }
            let Job::Deploy { from: Some(from), .. } = &run.job else { continue };
            for server in (0..run.batches).filter_map(|number| self.state.runs().batch(run.id, number)).flat_map(|batch| &batch.servers) {
                let of_package = |task: &&Task| self.state.runs().get(&task.run).is_some_and(|run| matches!(run.job, Job::Deploy { .. }));
                let tasks = self.state.runs().hosts().filter(|task| task.server == *server).filter(of_package);
                let last = tasks.max_by_key(|task| self.state.runs().get(&task.run).map(|run| (run.begun_ms, run.id)));
                if last.is_some_and(|task| task.state == TaskState::Succeeded) {
                    // one that has nothing, as what it had was taken away, is no other release
                    let held = self.holds.get(server).copied().flatten();
                    assert!(held.is_none_or(|held| held == *from), "{server} is not back but at {held:?}: {}", self.told());
                }
            }
        }
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
        let mut taken = BTreeSet::new();
        for run in unfinished.into_iter().filter(|run| matches!(run.job, Job::Deploy { .. })) {
            for batch in (0..run.batches).filter_map(|number| self.state.runs().batch(run.id, number)) {
                assert!(batch.servers.iter().all(|server| taken.insert(*server)), "two runs at once: {}", self.told());
            }
        }
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
                assert!(forward.all() == run.servers && back.all() == 0, "not everybody was told: {}", self.told());
                assert!(forward.open() == 0 && forward.bad() <= allowed, "too many are bad: {}", self.told());
                assert_eq!(*good, Some(*package), "{}", self.told());
            }
            RunState::RolledBack => {
                assert!(forward.all() == 0 && back.succeeded == back.all(), "not all are back: {}", self.told());
                assert_eq!(good, from, "{}", self.told());
            }
            _ if run.state == RunState::RollingBack || back.all() > 0 => assert_eq!(good, from, "{}", self.told()),
            _ => assert!(*good == *from || *good == Some(*package), "{}", self.told()),
        }
    }

    /// Decided again it gives the same, and reverted the beginning.
    pub(crate) fn check_journal(&self) {
        let mut again = self.beginning.clone();
        let mut undos = Vec::new();
        for (number, (command, at_ms, before)) in (1..).zip(&self.journal) {
            let decided = decided(&again, number, command, *at_ms);
            assert_eq!(decided, *before, "{command:?} is decided in another way");
            undos.extend(decided.into_iter().flat_map(|decision| decision.facts).map(|(key, entity)| again.evolve(key, entity)));
        }
        assert!(again == self.state);
        undos.into_iter().rev().for_each(|undo| again.revert(undo));
        assert!(again == self.beginning);
    }

    /// Fires the timers that are due, as the clock does, and decides what the decider appended to itself.
    pub(crate) fn settle(&mut self) {
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
        let node = if random.chance(75) { NODE } else { BELOW };
        if random.chance(10) {
            let settings = Settings { script: "uptime".parse().ok(), failures: "100%".parse().ok(), ..Settings::default() };
            return self.ask(&Command::RunStart { node: NodeRef::Id(node), template: "script".parse().unwrap(), settings });
        }
        let version = 1 + random.below(3);
        let settings = Settings {
            package: "web".parse().ok(),
            version: version.to_string().parse().ok(),
            batches: ["1", "1 25% *2", "100%", "+3", "50%"][random.below(5)].parse().ok(),
            failures: ["0", "1", "20%", "100%"][random.below(4)].parse().ok(),
            on_failure: Some(OnFailure::ALL[random.below(3)]),
            pause_ms: Some([0, 1_000, 900_000][random.below(3)]),
            timeout_ms: [None, Some(60_000), Some(5_000_000)][random.below(3)],
            progress_ms: [None, Some(30_000)][random.below(2)],
            approval: Some(random.chance(10)),
            ..Settings::default()
        };
        self.ask(&Command::RunStart { node: NodeRef::Id(node), template: "standard-deploy".parse().unwrap(), settings })
    }

    pub(crate) fn open(&self) -> Vec<(RunId, ServerId, u32, TaskState)> {
        let open = self.state.runs().hosts().filter(|host| host.state.is_open());
        open.map(|host| (host.run, host.server, host.attempt, host.state)).collect()
    }

    fn report(&mut self, run: RunId, server: ServerId, attempt: u32, state: TaskState) {
        self.ask(&Command::RunReport { run, server, attempt, state, step: None, message: None });
    }

    /// As one of thousands, for which looking at everything takes too long.
    pub(crate) fn report_unchecked(&mut self, run: RunId, server: ServerId, attempt: u32) {
        let command = Command::RunReport { run, server, attempt, state: TaskState::Succeeded, step: None, message: None };
        let decision = decide(&self.state, &command, &Origin::new("host", "1"), self.at_ms).unwrap();
        self.follow.extend(decision.follow);
        for (key, entity) in decision.facts {
            drop(self.state.evolve(key, entity));
        }
    }

    /// Something that may happen at any time.
    pub(crate) fn happens(&mut self, random: &mut Random) {
        let runs: Vec<RunId> = self.state.runs().iter().map(|run| run.id).collect();
        let open = self.open();
        match random.below(22) {
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
            12 => {
                // what becomes of the tree and of a package meanwhile
                let servers: Vec<ServerId> = self.state.servers().iter().map(|server| server.id).collect();
                let server = servers[random.below(servers.len())];
                let state = [ServerState::Offline, ServerState::Online, ServerState::Online][random.below(3)];
                let version = (1 + random.below(3)).to_string().parse().unwrap();
                self.ask(&match random.below(10) {
                    0 => Command::PackageWithdraw { name: "web".parse().unwrap(), version, reason: "leaks".parse().unwrap() },
                    1 => Command::ServerRetire { server: ServerRef::Id(server) },
                    _ => Command::ServerState { server: ServerRef::Id(server), state },
                });
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

    /// From here on every host does what it is told, and somebody resumes what is paused, or stops it.
    pub(crate) fn end(&mut self) {
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
                // what brings something that was withdrawn gets no further
                if !self.ask(&Command::RunOperate { run, operation }) {
                    assert!(self.ask(&Command::RunOperate { run, operation: Operation::Stop }), "{}", self.told());
                }
            }
            let next = self.state.runs().timers().map(|timer| timer.due_ms).min();
            self.at_ms = next.map_or(self.at_ms + 1, |due_ms| due_ms.max(self.at_ms + 1));
        }
        panic!("it does not end: {}", self.told());
    }
}
