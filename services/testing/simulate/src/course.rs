//! A course of steps by a seed, and its end.

use std::time::Duration;

use loki_core::generate::Random;
use loki_log::memory::Copy;
use loki_log::{Partition, Topic};
use loki_opentsdb::contract::Faults;
use loki_redis::samples::SamplesStore;
use loki_runner::State;
use loki_runner::testing::Fault;
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;

use crate::chaos::{Happened, Rates};
use crate::check::{self, Journal};
use crate::load::Load;
use crate::world::{PARTITIONS, SERVICES, STORES, Service, World};

/// By then all is at rest, on the paused clock.
const PATIENCE: Duration = Duration::from_secs(900);

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub seed: u64,
    /// After so many steps; `None`: at the end.
    pub step: Option<usize>,
    pub what: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seed, step, what } = self;
        match step {
            Some(step) => write!(f, "seed {seed}, step {step}: {what}"),
            None => write!(f, "seed {seed}, at the end: {what}"),
        }
    }
}

/// What a course that held was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub commands: usize,
    pub points: usize,
    pub outcomes: u64,
    pub happened: Happened,
    /// Of everything that was written: the same for the same seed.
    pub hash: u64,
}

/// Runs a course. `tell` is told each step.
pub fn run(seed: u64, steps: usize, mut tell: impl FnMut(usize, &str)) -> Result<Summary, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| Failure { seed, step: None, what: format!("no runtime: {error}") })?;
    runtime.block_on(async {
        let mut course = Course::new(seed).await;
        for step in 0..steps {
            let what = course.step().await;
            tell(step, &what);
            task::sleep(Duration::from_millis(20 + course.random.below(1_500) as u64)).await;
            course.check().map_err(|what| Failure { seed, step: Some(step), what })?;
            course.world.start_missing();
        }
        course.end().await.map_err(|what| Failure { seed, step: None, what })
    })
}

struct Course {
    random: Random,
    world: World,
    load: Load,
    journal: Journal,
    copy: Option<Copied>,
}

/// An older copy of the log, and what was known of it.
struct Copied {
    log: Copy,
    journal: Journal,
    commands: usize,
}

impl Course {
    async fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut world = World::new(seed).await;
        // some courses are quiet, some are wild
        let wild = random.below(4);
        world.chaos.set(Rates {
            fails: [0, 20, 100, 300][wild],
            kills: [0, 3, 10, 20][random.below(4)],
            late: [0, 200, 1_000, 3_000][random.below(4)],
            late_max: Duration::from_millis([5, 50, 500, 3_000][random.below(4)]),
        });
        world.points.set(Faults {
            fails: [0, 10, 100, 200][random.below(4)],
            refuses: [0, 5, 50, 100][random.below(4)],
            takes: Duration::from_millis([0, 5, 50, 500][random.below(4)]),
            ..Faults::default()
        });
        world.start_missing();
        Self { random, world, load: Load::new(seed), journal: Journal::default(), copy: None }
    }

    /// One thing that happens, in words.
    async fn step(&mut self) -> String {
        let (random, world) = (&mut self.random, &mut self.world);
        let store = random.one(&STORES);
        match random.below(100) {
            0..40 => {
                self.load.send_commands(world);
                "commands".to_owned()
            }
            40..65 => {
                self.load.send_points(world);
                "points".to_owned()
            }
            65..72 => {
                let (service, process) = &world.processes[random.below(world.processes.len())];
                process.kill();
                format!("{service:?} is killed")
            }
            72 => {
                world.die_in_commit();
                "the decider is killed while a commit is carried out".to_owned()
            }
            73..75 => {
                let (service, process) = &world.processes[random.below(world.processes.len())];
                let (held, seconds) = (process.clone(), 1 + random.below(15) as u64);
                held.hold();
                task::spawn("held", async move {
                    task::sleep(Duration::from_secs(seconds)).await;
                    held.go_on();
                });
                format!("{service:?} is held for {seconds} s")
            }
            75..82 => {
                let fault = random.one(&Fault::ALL);
                world.stores[store].fail_next([Some(fault)]);
                format!("{store}: {fault:?}")
            }
            82..84 => {
                world.stores[store].replace(None);
                format!("{store} is emptied")
            }
            84..86 => {
                world.copies.insert(store, world.stores[store].main());
                format!("{store} is copied")
            }
            86..88 => match world.copies.get(store).cloned() {
                Some(copy) => {
                    world.stores[store].replace(copy);
                    format!("{store} is set back")
                }
                None => "nothing".to_owned(),
            },
            88..90 => {
                let group = world.group(random.one(&SERVICES));
                world.log.revoke(&group);
                format!("{group} is shared out anew")
            }
            90 => {
                let group = world.group(random.one(&SERVICES));
                world.log.lose(&group);
                format!("{group} has lost its partitions")
            }
            91 => match random.below(3) {
                0 => {
                    world.write_newer();
                    "facts of a newer version are written".to_owned()
                }
                _ => {
                    world.upgrade();
                    "the projectors are upgraded".to_owned()
                }
            },
            92 => {
                world.points.crash();
                "the points' store crashes".to_owned()
            }
            93 => match self.copy.take() {
                Some(copy) if random.chance(50) => {
                    world.set_log_back(&copy.log).await;
                    self.journal = copy.journal;
                    self.load.ledger.forget_commands(copy.commands);
                    "the log is set back".to_owned()
                }
                // a log without an id is none yet: projections wait for it with what they have
                _ if world.log.end(&World::only(&world.topics.facts)) == 0 => "nothing".to_owned(),
                // of a transaction that was under way in the copy, and is undone there, a store may have had everything: only its content tells
                _ if world.log.is_writing() => "nothing".to_owned(),
                _ => {
                    // as of the last check
                    let commands = self.load.ledger.book().commands.len();
                    self.copy = Some(Copied { log: world.copy_log(), journal: self.journal.clone(), commands });
                    "the log is copied".to_owned()
                }
            },
            94..95 => {
                world.live.clear();
                "the last values are emptied".to_owned()
            }
            95..97 => {
                // often a little, in both directions; sometimes so far that facts can be compacted, and never so far that samples are too old
                let ms = if random.chance(80) { random.below(120_000) as i64 - 60_000 } else { random.below(3 * 3_600_000) as i64 };
                world.clock.set(world.clock.now_ms() + ms);
                format!("the clock jumps by {ms} ms")
            }
            97..99 => {
                let calls = 1 + random.below(20) as u64;
                world.log.away(calls);
                format!("the log fails {calls} calls")
            }
            _ => {
                world.log.clean();
                self.journal.compacted(world);
                "the log is cleaned".to_owned()
            }
        }
    }

    fn check(&mut self) -> Result<(), String> {
        if let Some(ended) = self.world.take_ended().first() {
            return Err(format!("a service has ended: {ended}"));
        }
        self.journal.go_on(&self.world)?;
        check::stores(&self.world, &self.journal)?;
        check::points(&self.world)
    }

    /// Nothing goes wrong any more, and everything comes to rest.
    async fn end(mut self) -> Result<Summary, String> {
        self.world.chaos.set(Rates::default());
        self.world.upgrade();
        self.world.points.set(Faults::default());
        self.world.stores.values().for_each(loki_runner::testing::MemoryStore::heal);
        self.world.log.away(0);
        self.world.log.slow_commits(0);
        let watch = Stopwatch::start();
        loop {
            self.world.start_missing();
            task::sleep(Duration::from_secs(1)).await;
            self.check()?;
            let rest = self.is_at_rest().await;
            if rest.is_ok() && watch.elapsed() > Duration::from_secs(20) {
                break;
            }
            if watch.elapsed() > PATIENCE {
                return Err(format!("it does not come to rest: {}", rest.err().unwrap_or_default()));
            }
        }
        check::end(&self.world, &self.load.ledger)?;
        let book = self.load.ledger.book();
        Ok(Summary {
            commands: book.commands.len(),
            points: book.points.len(),
            outcomes: self.world.log.end(&World::only(&self.world.topics.outcomes)),
            happened: self.world.chaos.happened(),
            hash: self.hash(),
        })
    }

    async fn is_at_rest(&self) -> Result<(), String> {
        let world = &self.world;
        let under_way = self.load.ledger.book().under_way;
        if under_way > 0 {
            return Err(format!("{under_way} records are not acknowledged"));
        }
        let count = |topic: &str| world.log.records(&World::only(topic)).len();
        let (commands, outcomes) = (count(&world.topics.commands), count(&world.topics.outcomes));
        if outcomes < commands {
            return Err(format!("{outcomes} of {commands} commands are answered"));
        }
        let end = world.log.end(&World::only(&world.topics.facts));
        for name in STORES {
            let stored = world.stores[name].stored();
            if stored.is_none_or(|stored| stored.state != State::Live || stored.position < end) {
                return Err(format!("{name} is {stored:?}, the facts end at {end}"));
            }
        }
        let group = world.group(Service::Sink);
        for number in 0..PARTITIONS {
            let partition = Partition::new(Topic::new(&world.topics.samples), number);
            let (end, committed) = (world.log.end(&partition), world.log.committed_now(&group, &partition));
            if committed.unwrap_or(0) < end {
                return Err(format!("the sink has committed {committed:?} of {partition}, which ends at {end}"));
            }
            let place = world.live.place(number).await.map_err(|error| error.to_string())?;
            if place.is_none_or(|place| place.stored.state != State::Live || place.stored.position < end) {
                return Err(format!("the last values of {partition} are at {place:?}, it ends at {end}"));
            }
        }
        Ok(())
    }

    /// Of all records and points: FNV-1a, the same in every process.
    fn hash(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut take = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        for topic in [&self.world.topics.commands, &self.world.topics.outcomes, &self.world.topics.samples] {
            for record in self.world.log.records(&World::only(topic)) {
                take(&record.offset.to_be_bytes());
                take(&record.timestamp_ms.to_be_bytes());
            }
        }
        for ((series, at), values) in self.world.points.cells() {
            take(format!("{series} {at} {values:?}").as_bytes());
        }
        hash
    }
}
