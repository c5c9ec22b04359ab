//! A package: one version of something that is deployed. What it is never changes; it can only be withdrawn.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use smol_str::SmolStr;

use crate::name::{PLAIN_MAX, check_plain, text, words};
use crate::token::Sha256;
use crate::{Invalid, PackageId, Text};

/// The largest archive: 16 GiB.
pub const SIZE_MAX: u64 = 16 << 30;
/// The longest command of a hook, and the longest script.
pub const SCRIPT_MAX: usize = 16 << 10;
/// The longest address of an archive.
pub const URL_MAX: usize = 2_048;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    pub id: PackageId,
    /// With the version: unique.
    pub name: PackageName,
    pub version: Version,
    /// Of the source control, for people.
    pub branch: Option<Text>,
    pub url: ArchiveUrl,
    pub sha256: Sha256,
    pub size: u64,
    /// Of minisign: what its file holds.
    pub minisign: Option<Script>,
    pub manifest: Manifest,
    /// Why nobody deploys it any more.
    pub withdrawn: Option<Text>,
}

/// `web`: a-z, 0-9, `.`, `_`, `-`; 1 to 63 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageName(SmolStr);

text!(PackageName);

impl FromStr for PackageName {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        check_plain(text, PLAIN_MAX, "a package's name")?;
        Ok(Self(SmolStr::new(text)))
    }
}

/// `1.4.2`, `2026-11-27.3`, `v1.0.0+build.7`: letters, digits, `.`, `_`, `+`, `-`; 1 to 63 characters. Versions have no order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(SmolStr);

text!(Version);

impl FromStr for Version {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if !(1..=63).contains(&text.len()) {
            return Err(Invalid::new(format!("a version has 1 to 63 characters, this has {}", text.len())));
        }
        if let Some(letter) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-'))) {
            return Err(Invalid::new(format!(
                "`{}` may not be in a version: use letters, digits, `.`, `_`, `+` and `-`",
                letter.escape_default()
            )));
        }
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(Invalid::new("a version begins with a letter or a digit"));
        }
        Ok(Self(SmolStr::new(text)))
    }
}

/// Where the archive is: `https://…`, `http://…`, `s3://bucket/key`, `file:///path` of the host itself, or `artifact`, which is Loki's own store.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArchiveUrl(SmolStr);

text!(ArchiveUrl);

impl ArchiveUrl {
    /// In Loki's own store, by its SHA-256.
    pub const ARTIFACT: &str = "artifact";

    pub fn is_artifact(&self) -> bool {
        self.as_str() == Self::ARTIFACT
    }
}

impl FromStr for ArchiveUrl {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text == Self::ARTIFACT {
            return Ok(Self(SmolStr::new(text)));
        }
        if text.len() > URL_MAX {
            return Err(Invalid::new(format!("an address has at most {URL_MAX} characters, this has {}", text.len())));
        }
        if let Some(letter) = text.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(Invalid::new(format!("`{}` may not be in an address: write it as `%..`", letter.escape_default())));
        }
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let is_good = match scheme {
            "http" | "https" => !host.is_empty(),
            "s3" => !host.is_empty() && path.len() > 1,
            "file" => host.is_empty() && path.len() > 1,
            _ => return Err(Invalid::new("an address begins with `https://`, `http://`, `s3://` or `file:///`, or is `artifact`")),
        };
        if !is_good {
            return Err(Invalid::new(format!("this is no address of `{scheme}`: a host, a bucket with a key, or a whole path is missing")));
        }
        // it is kept for ever, and shown to everybody
        if scheme != "file" && host.contains('@') {
            return Err(Invalid::new("an address names no user and no password: it is kept for ever"));
        }
        Ok(Self(SmolStr::new(text)))
    }
}

/// Lines for a shell, or another text of several lines: no control characters but tab and line feed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Script(SmolStr);

text!(Script);

impl FromStr for Script {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.trim().is_empty() {
            return Err(Invalid::new("the script is empty: leave it out"));
        }
        if text.len() > SCRIPT_MAX {
            return Err(Invalid::new(format!("a script has at most {SCRIPT_MAX} bytes, this has {}", text.len())));
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            return Err(Invalid::new("a script may hold no control characters but tab and line feed"));
        }
        Ok(Self(SmolStr::new(text)))
    }
}

/// What a host does with a package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    pub hooks: BTreeMap<Hook, Script>,
    /// Who runs the hooks; `None`: who runs the agent.
    pub user: Option<Text>,
    /// A unit of systemd that is started and stopped, where there is systemd.
    pub unit: Option<Text>,
    pub health: Option<Health>,
}

/// When a command of the package runs, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// The new release lies there, the old one serves.
    Prepare,
    /// The old release is to end.
    Stop,
    /// `current` is the new release, which is to begin.
    Start,
    /// It runs: is it good?
    Test,
    /// It is good.
    Finish,
}

impl Hook {
    pub const ALL: [Self; 5] = [Self::Prepare, Self::Stop, Self::Start, Self::Test, Self::Finish];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Test => "test",
            Self::Finish => "finish",
        }
    }
}

words!(Hook, "hook: use prepare, stop, start, test or finish");

/// A release is good once its check has passed without a break for `stays_ms`, which has to be so `within_ms`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub check: Check,
    /// 10 s unless it is said.
    pub stays_ms: u32,
    /// 5 min unless it is said.
    pub within_ms: u32,
}

impl Health {
    pub const STAYS_MS: u32 = 10_000;
    pub const WITHIN_MS: u32 = 300_000;
    /// A day.
    pub const MAX_MS: u32 = 86_400_000;

    /// Whether a release can ever be good.
    pub fn can_be_reached(&self) -> bool {
        self.stays_ms < self.within_ms
    }
}

/// What is asked on the host itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// `GET http://127.0.0.1:<port><path>` is answered with 2xx.
    Http { port: u16, path: Text },
    /// 127.0.0.1 accepts connections there.
    Tcp { port: u16 },
    /// It ends with 0.
    Command(Script),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in [
            "https://dl.acme.example/web/1.4.2.tar.gz?x=1",
            "http://127.0.0.1:8000/a.tgz",
            "s3://packages/web/1.tar.gz",
            "file:///srv/packages/web.tar.gz",
            "artifact",
        ] {
            assert_eq!(good.parse::<ArchiveUrl>().map(|source| source.to_string()).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "web.tar.gz",
            "ftp://h/x",
            "https://",
            "https:///x",
            "s3://bucket",
            "s3://bucket/",
            "file://host/x",
            "file:///",
            "https://ann:secret@h/x",
            "https://h/a b",
            "https://h/é",
            &format!("https://h/{}", "x".repeat(URL_MAX)),
        ] {
            assert!(bad.parse::<ArchiveUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_and_versions_are_names_of_files() {
        for bad in ["", "..", ".a", "a/b", "A", "-a", &"x".repeat(64)] {
            assert!(bad.parse::<PackageName>().is_err(), "{bad}");
        }
        for good in ["1.4.2", "v1.0.0+build.7", "2026-11-27_3"] {
            assert!(good.parse::<Version>().is_ok(), "{good}");
        }
        for bad in ["", "..", "1/2", "1 2", "+1", &"1".repeat(64)] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }

    #[test]
    fn scripts() {
        assert!("set -e\n\techo 支付".parse::<Script>().is_ok());
        for bad in ["", " \n", "a\u{0}", "a\r\n", "\u{1b}[2J", &"x".repeat(SCRIPT_MAX + 1)] {
            assert!(bad.parse::<Script>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn health_can_be_reached() {
        let health = |stays_ms, within_ms| Health { check: Check::Tcp { port: 80 }, stays_ms, within_ms };
        assert!(health(Health::STAYS_MS, Health::WITHIN_MS).can_be_reached() && health(0, 1).can_be_reached());
        assert!(!health(10, 10).can_be_reached() && !health(0, 0).can_be_reached());
    }
}
