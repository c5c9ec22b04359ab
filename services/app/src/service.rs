//! The services, in the order in which data flows: a subcommand each, and all of them in `loki all`.

/// A service of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// Registers the host that it runs on, and measures it.
    Agent,
    /// Asks domains from outside whether they answer.
    Prober,
    /// Turns commands into facts and outcomes.
    Decider,
    /// Fires the timers of runs.
    Clock,
    /// Projects facts into the relational store, outcomes into its history, and what hooks print into the logs of tasks.
    Mysql,
    /// Projects facts into the tree's store.
    Zookeeper,
    /// Keeps the live state: last values, presence, servers by node.
    Redis,
    /// Makes points of a time-series store of samples.
    Opentsdb,
    /// Takes commands in and answers questions.
    Api,
}

impl Service {
    /// What `loki all` starts.
    pub(crate) const ALL: [Self; 9] =
        [Self::Agent, Self::Prober, Self::Decider, Self::Clock, Self::Mysql, Self::Zookeeper, Self::Redis, Self::Opentsdb, Self::Api];
}
