//! The names of all keys. Keys that are written together have the same part in braces: a server that is part of a cluster keeps them in one place.

/// The keys of one partition of samples.
#[derive(Debug, Clone)]
pub(crate) struct SampleKeys {
    /// A hash: how far the partition is.
    pub(crate) at: String,
    /// A hash: the last value of each series.
    pub(crate) values: String,
    /// A sorted set: each series by the log time of its value.
    pub(crate) times: String,
    /// A sorted set: each series by its name.
    pub(crate) names: String,
    /// A sorted set: each host by the log time of its last sample.
    pub(crate) hosts: String,
}

impl SampleKeys {
    pub(crate) fn new(prefix: &str, partition: u32) -> Self {
        let key = |name: &str| format!("{{{prefix}samples:{partition}}}:{name}");
        Self { at: key("at"), values: key("values"), times: key("times"), names: key("names"), hosts: key("hosts") }
    }

    pub(crate) fn all(&self) -> [&str; 5] {
        [&self.at, &self.values, &self.times, &self.names, &self.hosts]
    }
}

/// What all generations of the facts share.
#[derive(Debug, Clone)]
pub(crate) struct FactKeys {
    tag: String,
    /// The number of the generation that is read.
    pub(crate) main: String,
    /// The number of the one that is being filled.
    pub(crate) shadow: String,
}

/// What a generation consists of: a hash that says how far it is, hashes of entities, and indexes.
const PARTS: [&str; 11] = ["at", "node", "server", "mount", "others", "edges", "children", "mounts", "places", "own", "under"];
impl FactKeys {
    pub(crate) fn new(prefix: &str) -> Self {
        let tag = format!("{{{prefix}facts}}");
        Self { main: format!("{tag}:main"), shadow: format!("{tag}:shadow"), tag }
    }

    /// The keys of a generation, the first of them says how far it is.
    pub(crate) fn generation(&self, number: u64) -> Vec<String> {
        PARTS.iter().map(|part| self.part(number, part)).collect()
    }

    /// The hashes of entities, and what their keys begin with.
    pub(crate) fn entities(&self, number: u64) -> [(String, &'static str); 4] {
        [("node", "node/"), ("server", "server/"), ("mount", "mount/"), ("others", "")].map(|(part, kind)| (self.part(number, part), kind))
    }

    pub(crate) fn part(&self, number: u64, part: &str) -> String {
        format!("{}:g{number}:{part}", self.tag)
    }
}
