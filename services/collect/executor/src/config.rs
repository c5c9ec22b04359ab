//! What the executor needs to know.

use std::path::PathBuf;
use std::time::Duration;

use loki_domain::package::SIZE_MAX;
use loki_domain::{PublicKey, ServerId};
use loki_runtime::Secret;

use crate::minisign;

#[derive(Debug, Clone)]
pub struct Config {
    /// Releases and the journal lie there; made when it is missing; one process has it at a time.
    pub root: PathBuf,
    /// Whose documents are carried out.
    pub server: ServerId,
    /// Of the decider: what one of them has signed is carried out.
    pub keys: Vec<PublicKey>,
    /// The public key of minisign, as its file or as the line of it that counts. With it, an archive that it has not signed is not unpacked.
    pub minisign: Option<String>,
    pub limits: Limits,
    /// So much of a hook's output is kept, from its beginning; a script says itself how much.
    pub output_bytes_max: u64,
    /// So much output of tasks that have ended stays on the host, the newest, and none for longer than 30 days.
    pub outputs_bytes_max: u64,
    pub fetch: Fetch,
    /// It is there where systemd runs; a test has another place.
    pub systemd: PathBuf,
    pub systemctl: PathBuf,
}

/// How much of the host releases take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// So many releases of a package stay, at least the one that serves and the one before it.
    pub kept: usize,
    pub archive_bytes_max: u64,
    /// Of all files of a release.
    pub unpacked_bytes_max: u64,
    /// Files, folders and links of a release.
    pub entries_max: usize,
    /// So much of the disk stays free.
    pub free_bytes_min: u64,
}

impl Default for Limits {
    /// Whatever can be registered is taken.
    fn default() -> Self {
        Self { kept: 5, archive_bytes_max: SIZE_MAX, unpacked_bytes_max: 2 * SIZE_MAX, entries_max: 200_000, free_bytes_min: 512 << 20 }
    }
}

/// How archives are fetched.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// Where Loki's own store of archives is, `http://127.0.0.1:8470`.
    pub api: String,
    /// Shown to that store and to nobody else; empty: none is.
    pub token: Secret,
    pub connect: Duration,
    /// A transfer without a byte for so long has broken off.
    pub stall: Duration,
    /// How often it is tried again after it has broken off.
    pub again: u32,
    /// Before the first time again; doubled each time.
    pub pause: Duration,
}

impl Config {
    pub fn new(root: impl Into<PathBuf>, server: ServerId, keys: Vec<PublicKey>, api: impl Into<String>) -> Self {
        Self {
            root: root.into(),
            server,
            keys,
            minisign: None,
            limits: Limits::default(),
            output_bytes_max: 1 << 20,
            outputs_bytes_max: 64 << 20,
            fetch: Fetch {
                api: api.into(),
                token: Secret::default(),
                connect: Duration::from_secs(10),
                stall: Duration::from_secs(30),
                again: 3,
                pause: Duration::from_secs(1),
            },
            systemd: PathBuf::from("/run/systemd/system"),
            systemctl: PathBuf::from("systemctl"),
        }
    }

    /// What is wrong with it, field by field.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.root.is_absolute() {
            problems.push("`root` must be a whole path, `/var/lib/loki`: hooks are told it".to_owned());
        }
        if self.keys.is_empty() {
            problems.push("`keys` must name at least one key of the decider: nothing else is carried out".to_owned());
        }
        if let Some(Err(why)) = self.minisign.as_deref().map(minisign::key) {
            problems.push(format!("`minisign`: {why}"));
        }
        if self.limits.kept < 2 {
            problems.push("`kept` must be at least 2: the release that serves and the one to go back to".to_owned());
        }
        let least = [
            ("archive_bytes_max", self.limits.archive_bytes_max),
            ("unpacked_bytes_max", self.limits.unpacked_bytes_max),
            ("entries_max", self.limits.entries_max as u64),
            ("output_bytes_max", self.output_bytes_max),
        ];
        problems.extend(least.iter().filter(|(_, value)| *value == 0).map(|(name, _)| format!("`{name}` must be at least 1")));
        problems.extend(self.fetch.problems());
        problems
    }
}

impl Fetch {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        match reqwest::Url::parse(&self.api) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() => {}
            _ => problems.push("`api` must be an address, `http://127.0.0.1:8470`".to_owned()),
        }
        if self.token.expose().chars().any(|letter| !letter.is_ascii_graphic()) {
            problems.push("`token` has characters that no HTTP header takes: make another one".to_owned());
        }
        for (name, duration) in [("connect", self.connect), ("stall", self.stall)] {
            if duration.as_millis() == 0 {
                problems.push(format!("`{name}` must be at least a millisecond"));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named_all_at_once() {
        let good = Config::new("/var/lib/loki", ServerId::MIN, vec![PublicKey([1; 32])], "http://127.0.0.1:8470");
        assert_eq!(good.problems(), Vec::<String>::new());
        let bad = Config {
            minisign: Some("RWQ".to_owned()),
            limits: Limits { kept: 1, entries_max: 0, ..Limits::default() },
            fetch: Fetch { api: "ftp://a".to_owned(), token: Secret::new("a\nb"), connect: Duration::ZERO, ..good.fetch.clone() },
            ..Config::new("loki", ServerId::MIN, vec![], "")
        };
        let problems = bad.problems();
        let named = ["root", "keys", "minisign", "kept", "entries_max", "api", "token", "connect"];
        assert_eq!(problems.len(), named.len(), "{problems:?}");
        assert!(problems.iter().zip(named).all(|(problem, name)| problem.starts_with(&format!("`{name}`"))), "{problems:?}");
        assert!(!format!("{bad:?}{problems:?}").contains("a\\nb"));
    }
}
