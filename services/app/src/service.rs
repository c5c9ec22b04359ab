//! The services, in the order in which data flows: a subcommand each, and all of them in `loki all`.

/// A service of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// Turns commands into facts and outcomes.
    Decider,
    /// Projects facts into the relational store, and outcomes into its history.
    Mysql,
    /// Projects facts into the tree's store.
    Zookeeper,
    /// Takes commands in and answers questions.
    Api,
}

impl Service {
    /// What `loki all` starts.
    pub(crate) const ALL: [Self; 4] = [Self::Decider, Self::Mysql, Self::Zookeeper, Self::Api];
}
