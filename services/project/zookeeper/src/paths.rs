//! Where things lie in ZooKeeper.
//!
//! ```text
//! <chroot>/loki/revision                          where readers begin: the generation, the log, the position; written last
//! <chroot>/loki/position/<log>-<position>         exactly one: whoever deletes it has seen that position
//! <chroot>/loki/position/<log>-<position>-asked   the same instead of it while a rebuild is asked for: no batch begins there
//! <chroot>/loki/g<n>/<kind>/<bucket 00..ff>/<id>  an entity's JSON
//! <chroot>/loki/g<n>/position/<log>-<position>    the same for a generation that is being filled
//! <chroot>/loki-told/<bucket 00..ff>/<server>     the bell of a server: the position of the last fact about a task of it
//! ```
//!
//! Bells lie outside of `loki`, whose readers watch all of it.
//!
//! Buckets keep the answer to "list the children" small, however many entities there are.

use loki_domain::{Key, Kind, LogId, ServerId};

/// What the tree is made of. Domains belong to nodes as well, but nobody asks the tree's store for them.
pub const KINDS: [Kind; 4] = [Kind::Node, Kind::Server, Kind::Mount, Kind::Membership];

/// The end of the name of a position for which a rebuild was asked.
const ASKED: &str = "-asked";

/// What a path under the root is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Revision,
    Entity {
        generation: u64,
        key: Key,
    },
    /// Positions, folders, and what is not Loki's.
    Other,
}

#[derive(Debug, Clone)]
pub(crate) struct Paths {
    root: String,
}

impl Paths {
    pub(crate) fn new(chroot: &str) -> Self {
        Self { root: format!("{}/loki", chroot.trim_end_matches('/')) }
    }

    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    pub(crate) fn revision(&self) -> String {
        format!("{}/revision", self.root)
    }

    /// The folder of positions: of the main generation, or of one that is being filled.
    pub(crate) fn positions(&self, shadow: Option<u64>) -> String {
        match shadow {
            None => format!("{}/position", self.root),
            Some(number) => format!("{}/position", self.generation(number)),
        }
    }

    pub(crate) fn position(&self, shadow: Option<u64>, log: LogId, at: u64) -> String {
        format!("{}/{log}-{at}", self.positions(shadow))
    }

    /// What the position of the main generation is called while a rebuild is asked for.
    pub(crate) fn asked(&self, log: LogId, at: u64) -> String {
        format!("{}{ASKED}", self.position(None, log, at))
    }

    pub(crate) fn generation(&self, number: u64) -> String {
        format!("{}/g{number}", self.root)
    }

    pub(crate) fn kind(&self, generation: u64, kind: Kind) -> String {
        format!("{}/{kind}", self.generation(generation))
    }

    /// All folders that hold entities.
    pub(crate) fn buckets(&self, generation: u64) -> Vec<(Kind, String)> {
        KINDS
            .into_iter()
            .flat_map(|kind| (0..=u8::MAX).map(move |bucket| (kind, bucket)))
            .map(|(kind, bucket)| (kind, format!("{}/{bucket:02x}", self.kind(generation, kind))))
            .collect()
    }

    /// How many folders a whole generation has under it that is not being filled: kinds, buckets, and the empty one of positions.
    pub(crate) fn folders(&self, generation: u64) -> u64 {
        (self.buckets(generation).len() + KINDS.len() + 1) as u64
    }

    pub(crate) fn entity(&self, generation: u64, key: &Key) -> String {
        let id = key.id();
        format!("{}/{:02x}/{id}", self.kind(generation, key.kind()), bucket(&id))
    }

    /// Where a server's agent listens.
    pub(crate) fn bell(&self, server: ServerId) -> String {
        let id = server.to_string();
        format!("{}-told/{:02x}/{id}", self.root, bucket(&id))
    }

    pub(crate) fn read(&self, path: &str) -> Place {
        let Some(rest) = path.strip_prefix(self.root.as_str()).and_then(|rest| rest.strip_prefix('/')) else { return Place::Other };
        if rest == "revision" {
            return Place::Revision;
        }
        let parts: Vec<&str> = rest.split('/').collect();
        let [generation, kind, _, id] = parts[..] else { return Place::Other };
        let entity = || {
            let generation = generation_number(generation)?;
            let kind = kind.parse().ok().filter(|kind| KINDS.contains(kind))?;
            let key = Key::from_parts(kind, id).ok()?;
            // one that lies in another bucket is not Loki's
            (self.entity(generation, &key) == path).then_some(Place::Entity { generation, key })
        };
        entity().unwrap_or(Place::Other)
    }
}

fn bucket(id: &str) -> u8 {
    loki_wire::digest::sha256(&[id.as_bytes()])[0]
}

/// Reads `g<n>`.
pub(crate) fn generation_number(name: &str) -> Option<u64> {
    let number = name.strip_prefix('g')?.parse().ok()?;
    (format!("g{number}") == name).then_some(number)
}

/// Reads `<log>-<position>`.
pub(crate) fn position_of(name: &str) -> Option<(LogId, u64)> {
    let (log, at) = name.split_once('-')?;
    Some((log.parse().ok()?, at.parse().ok()?))
}

/// The same of the main generation, and whether a rebuild is asked for.
pub(crate) fn main_position_of(name: &str) -> Option<((LogId, u64), bool)> {
    match name.strip_suffix(ASKED) {
        Some(name) => Some((position_of(name)?, true)),
        None => Some((position_of(name)?, false)),
    }
}

#[cfg(test)]
mod tests {
    use loki_domain::{NodeId, ServerId};

    use super::*;

    #[test]
    fn a_path_reads_back_as_written() {
        let paths = Paths::new("/cell");
        let key = Key::Mount(NodeId::from_digest(&[1; 32]), ServerId::from_digest(&[2; 32]));
        assert_eq!(paths.read(&paths.entity(7, &key)), Place::Entity { generation: 7, key });
        assert_eq!(paths.read(&paths.revision()), Place::Revision);
        let log = LogId::from_digest(&[3; 32]);
        for other in [paths.position(None, log, 5), paths.position(Some(7), log, 5), paths.kind(7, Kind::Node), "/else/where".into()] {
            assert_eq!(paths.read(&other), Place::Other, "{other}");
        }
        assert_eq!(position_of(&format!("{log}-5")), Some((log, 5)));
        assert_eq!(main_position_of(&format!("{log}-5")), Some(((log, 5), false)));
        let asked = paths.asked(log, 5);
        let name = asked.strip_prefix("/cell/loki/position/").unwrap();
        assert_eq!((main_position_of(name), position_of(name)), (Some(((log, 5), true)), None));
        assert_eq!(generation_number("g07"), None);
        let domain = Key::Domain(loki_domain::DomainId::MIN);
        assert_eq!(paths.read(&paths.entity(7, &domain)), Place::Other);
        assert_eq!(paths.buckets(1).len(), 1024);
        assert!(paths.buckets(7).iter().any(|(_, bucket)| paths.entity(7, &key).starts_with(bucket)));
        assert_eq!(Paths::new("").root(), "/loki");
        assert_eq!(Paths::new("/").root(), "/loki");
    }
}
