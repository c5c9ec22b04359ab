//! What a run does, and how carefully: the kinds of jobs, their settings, and templates, which are settings with a name on a node.

use std::fmt;
use std::str::FromStr;

use smol_str::SmolStr;

use crate::name::{PLAIN_MAX, check_plain, text, words};
use crate::{Batches, Invalid, NodeId, PackageName, Script, ServerName, TemplateId, Text, Version};

/// The longest that a host may have for its part: a day.
pub const TIMEOUT_MAX_MS: u32 = 86_400_000;
/// How many servers may be named to come first.
pub const CANARIES_MAX: usize = 64;
/// The most output of a script that is kept, in bytes.
pub const OUTPUT_MAX: u32 = 64 << 20;

/// The kind of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Puts a version of a package in the place of another: `standard-deploy`.
    Deploy,
    /// Runs a script: `script`.
    Script,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Deploy, Self::Script];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "standard-deploy",
            Self::Script => "script",
        }
    }
}

words!(Kind, "kind of job: use standard-deploy or script");

/// How many servers may fail before the run stops to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failures {
    Servers(u32),
    /// So many of a hundred of all servers, rounded down.
    Percent(u32),
}

impl Failures {
    pub fn of(self, servers: usize) -> usize {
        match self {
            Self::Servers(count) => count as usize,
            Self::Percent(share) => servers * share as usize / 100,
        }
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Servers(count) => write!(f, "{count}"),
            Self::Percent(share) => write!(f, "{share}%"),
        }
    }
}

impl FromStr for Failures {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = || Invalid::new(format!("`{}` is no number of servers: use `3` or `10%`", text.escape_default()));
        let number = |digits: &str, max: usize| match (1..=max).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        {
            true => digits.parse::<u32>().map_err(|_| bad()),
            false => Err(bad()),
        };
        match text.strip_suffix('%') {
            Some("100") => Ok(Self::Percent(100)),
            Some(digits) => Ok(Self::Percent(number(digits, 2)?)),
            None => Ok(Self::Servers(number(text, 9)?)),
        }
    }
}

/// What becomes of a run that has more failures than it may have, or no progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OnFailure {
    Pause,
    RollBack,
    Stop,
}

impl OnFailure {
    pub const ALL: [Self; 3] = [Self::Pause, Self::RollBack, Self::Stop];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::RollBack => "roll_back",
            Self::Stop => "stop",
        }
    }
}

impl fmt::Display for OnFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for OnFailure {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let known = Self::ALL.into_iter().find(|one| one.as_str() == text);
        known.ok_or_else(|| Invalid::new(format!("`{}` is not what a run does: use pause, roll_back or stop", text.escape_default())))
    }
}

/// What can be set of a job: by its kind, a template, and whoever starts it, the later before the earlier. `None`: not said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    // of a deploy
    pub package: Option<PackageName>,
    pub version: Option<Version>,
    // of a script
    pub script: Option<Script>,
    /// Who runs it on the host.
    pub user: Option<Text>,
    pub output_bytes_max: Option<u32>,
    // of both
    pub batches: Option<Batches>,
    pub failures: Option<Failures>,
    pub on_failure: Option<OnFailure>,
    /// Between two batches.
    pub pause_ms: Option<u32>,
    /// That a host has for its part.
    pub timeout_ms: Option<u32>,
    /// That may pass without any server getting done; a pause does not count.
    pub progress_ms: Option<u32>,
    /// Whether somebody has to approve it before it begins.
    pub approval: Option<bool>,
    /// They come first.
    pub canaries: Option<Vec<ServerName>>,
}

impl Settings {
    /// These, and for what they leave open the others.
    pub fn over(&self, others: &Self) -> Self {
        let (one, other) = (self.clone(), others.clone());
        Self {
            package: one.package.or(other.package),
            version: one.version.or(other.version),
            script: one.script.or(other.script),
            user: one.user.or(other.user),
            output_bytes_max: one.output_bytes_max.or(other.output_bytes_max),
            batches: one.batches.or(other.batches),
            failures: one.failures.or(other.failures),
            on_failure: one.on_failure.or(other.on_failure),
            pause_ms: one.pause_ms.or(other.pause_ms),
            timeout_ms: one.timeout_ms.or(other.timeout_ms),
            progress_ms: one.progress_ms.or(other.progress_ms),
            approval: one.approval.or(other.approval),
            canaries: one.canaries.or(other.canaries),
        }
    }

    /// What is set has to belong to the kind: the field that does not, and why.
    pub fn check(&self, kind: Kind) -> Result<(), (&'static str, Invalid)> {
        let strange = |field, set: bool| match set {
            true => Err((field, Invalid::new(format!("`{kind}` has no `{field}`: leave it out")))),
            false => Ok(()),
        };
        match kind {
            Kind::Deploy => {
                strange("script", self.script.is_some())?;
                strange("user", self.user.is_some())?;
                strange("output_bytes_max", self.output_bytes_max.is_some())?;
            }
            Kind::Script => {
                strange("package", self.package.is_some())?;
                strange("version", self.version.is_some())?;
                if self.on_failure == Some(OnFailure::RollBack) {
                    return Err(("on_failure", Invalid::new("a script cannot be rolled back: use pause or stop")));
                }
            }
        }
        for (field, time, least) in
            [("pause_ms", self.pause_ms, 0), ("timeout_ms", self.timeout_ms, 1), ("progress_ms", self.progress_ms, 1)]
        {
            if time.is_some_and(|time| !(least..=TIMEOUT_MAX_MS).contains(&time)) {
                return Err((field, Invalid::new(format!("it is {least} to {TIMEOUT_MAX_MS}"))));
            }
        }
        if self.output_bytes_max.is_some_and(|bytes| bytes > OUTPUT_MAX) {
            return Err(("output_bytes_max", Invalid::new(format!("it is at most {OUTPUT_MAX}"))));
        }
        if self.canaries.as_ref().is_some_and(|canaries| canaries.len() > CANARIES_MAX) {
            return Err(("canaries", Invalid::new(format!("at most {CANARIES_MAX} servers come first"))));
        }
        Ok(())
    }
}

/// Settings with a name, for a node and all under it; the nearest of a name counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub id: TemplateId,
    pub node: NodeId,
    /// Unique on its node.
    pub name: TemplateName,
    pub kind: Kind,
    pub settings: Settings,
}

/// `web`, and everywhere `standard-deploy` and `script`: a-z, 0-9, `.`, `_`, `-`; 1 to 63 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateName(SmolStr);

text!(TemplateName);

impl FromStr for TemplateName {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        check_plain(text, PLAIN_MAX, "a template's name")?;
        Ok(Self(SmolStr::new(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_or_a_share() {
        assert_eq!(["0", "3", "10%", "100%"].map(|text| text.parse::<Failures>().unwrap().of(25)), [0, 3, 2, 25]);
        for bad in ["", "-1", "101%", "%", "1.5", "+1", "001%", "1000000000"] {
            assert!(bad.parse::<Failures>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_nearer_comes_first() {
        let near = Settings { pause_ms: Some(1), ..Settings::default() };
        let far = Settings { pause_ms: Some(2), timeout_ms: Some(3), ..Settings::default() };
        assert_eq!(near.over(&far), Settings { pause_ms: Some(1), timeout_ms: Some(3), ..Settings::default() });
    }

    #[test]
    fn settings_belong_to_their_kind() {
        let field = |settings: Settings, kind| settings.check(kind).err().map(|(field, _)| field);
        let deploy = Settings { package: "web".parse().ok(), version: "1".parse().ok(), ..Settings::default() };
        assert_eq!(field(deploy.clone(), Kind::Deploy), None);
        assert_eq!(field(deploy, Kind::Script), Some("package"));
        let script = Settings { script: "true".parse().ok(), on_failure: Some(OnFailure::Stop), ..Settings::default() };
        assert_eq!(field(script.clone(), Kind::Script), None);
        assert_eq!(field(script.clone(), Kind::Deploy), Some("script"));
        assert_eq!(field(Settings { on_failure: Some(OnFailure::RollBack), ..script }, Kind::Script), Some("on_failure"));
        assert_eq!(field(Settings { timeout_ms: Some(0), ..Settings::default() }, Kind::Deploy), Some("timeout_ms"));
        assert_eq!(field(Settings { pause_ms: Some(TIMEOUT_MAX_MS + 1), ..Settings::default() }, Kind::Script), Some("pause_ms"));
    }
}
