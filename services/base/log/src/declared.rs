//! The topics as declared in `topics/*.toml`, compiled in: what `loki topics` reconciles a log with, and who writes and reads what.

use std::num::NonZeroU16;

use serde::Deserialize;

use crate::topic::TopicSpec;

/// Every file of `topics/`, in the order in which data flows; a test holds the list and the folder together.
const FILES: [(&str, &str); 6] = [
    ("loki.commands.toml", include_str!("../../../../topics/loki.commands.toml")),
    ("loki.facts.toml", include_str!("../../../../topics/loki.facts.toml")),
    ("loki.outcomes.toml", include_str!("../../../../topics/loki.outcomes.toml")),
    ("loki.samples.toml", include_str!("../../../../topics/loki.samples.toml")),
    ("loki.task-logs.toml", include_str!("../../../../topics/loki.task-logs.toml")),
    ("loki.dead.toml", include_str!("../../../../topics/loki.dead.toml")),
];

/// A topic as it is declared, and its contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// With the full name, prefix included.
    pub spec: TopicSpec,
    /// What records are keyed by, in words.
    pub key: String,
    /// The names of the schemas of its records.
    pub schemas: Vec<String>,
    /// Services, `producer` or `operator`.
    pub written_by: Vec<String>,
    pub read_by: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    topic: TopicSpec,
    contract: Contract,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contract {
    key: String,
    schemas: Vec<String>,
    written_by: Vec<String>,
    read_by: Vec<String>,
}

/// All topics of the cell with this prefix.
///
/// # Panics
/// When a compiled-in file cannot be read: such a build never passes the tests.
pub fn declared(prefix: &str) -> Vec<Declared> {
    FILES
        .iter()
        .map(|(file, text)| read(prefix, text).unwrap_or_else(|error| panic!("`topics/{file}` is compiled in and cannot be read: {error}")))
        .collect()
}

fn read(prefix: &str, text: &str) -> Result<Declared, toml::de::Error> {
    let File { topic, contract } = toml::from_str(text)?;
    let Contract { key, schemas, written_by, read_by } = contract;
    Ok(Declared { spec: TopicSpec { name: format!("{prefix}{}", topic.name), ..topic }, key, schemas, written_by, read_by })
}

impl Declared {
    /// For clusters with fewer brokers (`kafka.replication`). One replica may be away while records are still acknowledged, except with a
    /// replication of 1; never more than declared have to acknowledge.
    #[must_use]
    pub fn with_replication(mut self, replication: NonZeroU16) -> Self {
        let replication = replication.get();
        self.spec.replication = replication;
        self.spec.min_insync_replicas = self.spec.min_insync_replicas.min(replication.saturating_sub(1)).max(1);
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_compiled_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../topics");
        let on_disk: BTreeSet<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".toml"))
            .collect();
        assert_eq!(on_disk, FILES.iter().map(|(file, _)| (*file).to_owned()).collect());
        for (file, text) in FILES {
            assert_eq!(format!("{}.toml", read("", text).unwrap().spec.name), file);
        }
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let text = FILES[0].1;
        assert!(read("", text).is_ok());
        for wrong in [text.replace("[contract]", "[contract]\nowner = \"x\""), text.replace("[contract]", "owner = 1\n[contract]")] {
            let error = read("", &wrong).unwrap_err().to_string();
            assert!(error.contains("owner"), "{error}");
        }
        assert!(read("", &format!("owner = 1\n{text}")).is_err());
    }

    #[test]
    fn smaller_clusters_ask_for_fewer_acknowledgements() {
        let of = |replication| {
            let spec = declared("").remove(0).with_replication(NonZeroU16::new(replication).unwrap()).spec;
            (spec.replication, spec.min_insync_replicas)
        };
        assert_eq!([of(1), of(2), of(3), of(5)], [(1, 1), (2, 1), (3, 2), (5, 2)]);
    }
}
