//! What there is: a log, stores, and processes that come and go.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loki_decider::Decider;
use loki_log::memory::{Copy, MemoryLog, Options};
use loki_log::{Log, Partition, Topic, declared};
use loki_opentsdb::contract::MemoryStore as Points;
use loki_opentsdb::{Sink, SinkConfig};
use loki_redis::samples::{MemorySamples, SamplesConfig, Shape};
use loki_runner::testing::{Generation, MemoryStore};
use loki_runner::{Runner, RunnerConfig, State};
use loki_runtime::{Clock, Process, Shutdown, task};
use loki_telemetry::Health;
use loki_wire::Topics;

use crate::chaos::{Chaos, FaultyLog, Newer, Rates};

pub(crate) const PARTITIONS: u32 = 3;
const BEGIN_MS: i64 = 1_700_000_000_000;
/// As Kafka's groups have it.
const SESSION: Duration = Duration::from_secs(6);

/// The projections of facts. They are the same loop; what differs between their stores is their adapters' own contract.
pub(crate) const STORES: [&str; 3] = ["mysql", "zookeeper", "redis"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    Decider,
    Projector(&'static str),
    Sink,
    Live,
}

/// Two of each, so that one takes over from the other.
pub(crate) const SERVICES: [Service; 12] = [
    Service::Decider,
    Service::Decider,
    Service::Projector("mysql"),
    Service::Projector("mysql"),
    Service::Projector("zookeeper"),
    Service::Projector("zookeeper"),
    Service::Projector("redis"),
    Service::Projector("redis"),
    Service::Sink,
    Service::Sink,
    Service::Live,
    Service::Live,
];

pub(crate) struct World {
    pub(crate) log: MemoryLog,
    /// The same, as processes and senders see it.
    pub(crate) seen: Arc<dyn Log>,
    pub(crate) chaos: Chaos,
    /// What projectors of facts do not know yet.
    newer: Newer,
    pub(crate) clock: Clock,
    pub(crate) topics: Topics,
    pub(crate) stores: BTreeMap<&'static str, MemoryStore>,
    /// Older copies of them.
    pub(crate) copies: BTreeMap<&'static str, Option<Generation>>,
    pub(crate) points: Points,
    pub(crate) live: MemorySamples,
    pub(crate) processes: Vec<(Service, Process)>,
    started: u64,
    seed: u64,
    /// What services said that ended by themselves.
    ended: Arc<Mutex<Vec<String>>>,
}

impl World {
    pub(crate) async fn new(seed: u64) -> Self {
        let clock = Clock::running(BEGIN_MS);
        let log = MemoryLog::new(Options { clock: clock.clone(), session: SESSION, as_kafka: seed.is_multiple_of(2), makes_topics: false });
        let specs: Vec<_> = declared("").into_iter().map(|topic| topic.with_replication(NonZeroU16::MIN).spec).collect();
        let specs: Vec<_> = specs
            .into_iter()
            .map(|mut spec| {
                spec.partitions = spec.partitions.min(PARTITIONS);
                spec
            })
            .collect();
        log.reconcile_topics(&specs, true).await.expect("a log in memory takes all topics");
        let chaos = Chaos::new(seed ^ 0xc4a0);
        let seen = Arc::new(FaultyLog { inner: Arc::new(log.clone()), chaos: chaos.clone(), newer: Newer::default() });
        Self {
            log,
            seen,
            chaos,
            newer: Newer::default(),
            clock,
            topics: Topics::new(""),
            stores: STORES.into_iter().map(|name| (name, MemoryStore::new())).collect(),
            copies: BTreeMap::new(),
            points: Points::default(),
            live: MemorySamples::new(Shape::new(PARTITIONS)),
            processes: Vec::new(),
            started: 0,
            seed,
            ended: Arc::default(),
        }
    }

    pub(crate) fn only(topic: &str) -> Partition {
        Partition::only(&Topic::new(topic))
    }

    pub(crate) fn group(&self, service: Service) -> String {
        self.topics.group(match service {
            Service::Decider => "decider",
            Service::Projector(name) => name,
            Service::Sink => loki_opentsdb::service::NAME,
            Service::Live => "redis-samples",
        })
    }

    /// Starts what does not run: killed ones come back as new processes.
    pub(crate) fn start_missing(&mut self) {
        self.start_missing_of(|_| true);
    }

    fn start_missing_of(&mut self, of: impl Fn(Service) -> bool) {
        self.processes.retain(|(_, process)| !process.is_killed());
        for service in SERVICES.into_iter().filter(|service| of(*service)) {
            let wanted = SERVICES.iter().filter(|other| **other == service).count();
            while self.processes.iter().filter(|(other, _)| *other == service).count() < wanted {
                self.start(service);
            }
        }
    }

    fn start(&mut self, service: Service) {
        self.started += 1;
        let process = Process::new(self.seed.wrapping_mul(1_000_003) ^ self.started);
        let (mut log, clock, group) = (self.seen.clone(), self.clock.clone(), self.group(service));
        if let Service::Projector(_) = service {
            log = Arc::new(FaultyLog { inner: Arc::new(self.log.clone()), chaos: self.chaos.clone(), newer: self.newer.clone() });
        }
        let (ended, itself, health, shutdown) = (self.ended.clone(), process.clone(), Health::new(), Shutdown::new());
        let topic = |name: &str| Topic::new(name);
        let running: std::pin::Pin<Box<dyn Future<Output = Result<(), String>> + Send>> = match service {
            Service::Decider => {
                let config = loki_decider::Config { batch_commands: 7, ..loki_decider::Config::new(&self.topics.prefix) };
                let decider = Decider::new(config, log, health.component("decider"));
                Box::pin(async move { Box::pin(decider.run(shutdown)).await.map_err(|error| error.to_string()) })
            }
            Service::Projector(name) => {
                let mut config = RunnerConfig::new(topic(&self.topics.facts), topic(&self.topics.facts), group);
                (config.batch_records_max, config.rebuild_records_max) = (9, 11);
                let runner = Runner::new(self.stores[name].projection(name), log, config, clock, &health);
                Box::pin(async move { runner.run(shutdown).await.map_err(|error| error.to_string()) })
            }
            Service::Sink => {
                let config = SinkConfig {
                    batch_points: 20,
                    open_max: 3_000,
                    late_points: 10,
                    ..SinkConfig::new(&self.topics.samples, &self.topics.dead, group, PARTITIONS)
                };
                let sink = Sink::new(Arc::new(self.points.clone()), log, config, clock, &health);
                Box::pin(async move { sink.run(shutdown).await.map_err(|error| error.to_string()) })
            }
            Service::Live => {
                let config = SamplesConfig::new(topic(&self.topics.samples), topic(&self.topics.facts), group);
                let (live, component) = (Arc::new(self.live.clone()), health.component("redis-samples"));
                Box::pin(async move {
                    loki_redis::samples::run(log, live, config, clock, component, shutdown).await.map_err(|error| error.to_string())
                })
            }
        };
        process.spawn(async move {
            if let Err(error) = running.await {
                ended.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{service:?}: {error}"));
            }
            // a service that has ended ends its process, and is started again
            itself.kill();
        });
        self.processes.push((service, process));
    }

    /// A newer release writes facts of a new version from now on, before those are upgraded that read them.
    pub(crate) fn write_newer(&self) {
        self.newer.from(Some(self.log.end(&Self::only(&self.topics.facts))));
    }

    /// All projectors of facts are of the newer release.
    pub(crate) fn upgrade(&mut self) {
        self.newer.from(None);
        self.kill_all(|service| matches!(service, Service::Projector(_)));
    }

    /// Whoever decides dies as soon as the end of its transaction is decided; nobody can see that end yet.
    pub(crate) fn die_in_commit(&self) {
        self.log.slow_commits(1);
        let log = self.log.clone();
        let deciders = self.processes.iter().filter(|(service, _)| *service == Service::Decider);
        let deciders: Vec<Process> = deciders.map(|(_, process)| process.clone()).collect();
        task::spawn("die in commit", async move {
            for _ in 0..2_000 {
                if log.is_committing() {
                    return deciders.iter().for_each(Process::kill);
                }
                task::sleep(Duration::from_millis(1)).await;
            }
        });
    }

    fn kill_all(&self, of: impl Fn(Service) -> bool) {
        self.processes.iter().filter(|(service, _)| of(*service)).for_each(|(_, process)| process.kill());
    }

    /// What is set back together. Samples and their letters have a file, or a cluster, of their own.
    pub(crate) fn copy_log(&self) -> Copy {
        let topics = [&self.topics.commands, &self.topics.facts, &self.topics.outcomes].map(Topic::new);
        self.log.copy(&topics)
    }

    /// Everything stands still meanwhile, and projections look at the log before anything is written to it again: what was written in the place of
    /// what was lost could not be told from it.
    pub(crate) async fn set_log_back(&mut self, copy: &Copy) {
        self.newer.from(None);
        self.kill_all(|_| true);
        self.log.set_back(copy);
        self.copies.clear();
        let rates = self.chaos.set(Rates::default());
        let end = self.log.end(&Self::only(&self.topics.facts));
        let have_looked = |world: &Self| {
            world.stores.values().filter_map(MemoryStore::stored).all(|stored| stored.position <= end || stored.state == State::Building)
        };
        while !have_looked(self) {
            self.start_missing_of(|service| matches!(service, Service::Projector(_)));
            task::sleep(Duration::from_secs(1)).await;
        }
        self.chaos.set(rates);
    }

    /// What services said that ended by themselves, since this was asked last.
    pub(crate) fn take_ended(&self) -> Vec<String> {
        std::mem::take(&mut self.ended.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
