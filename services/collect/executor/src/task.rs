//! A task that was accepted, its steps, and what becomes of it.

use std::fmt;

use loki_domain::{ArchiveUrl, PackageId, PackageName, RunId, Script, Sha256, Text, Version};
use loki_runtime::clock::Stopwatch;
use loki_wire::fact::v1::deploy::Manifest;
use loki_wire::task as wire;
use serde::{Deserialize, Serialize};

use crate::error::Refused;

/// The longest text of an outcome.
const TEXT_CHARACTERS_MAX: usize = 256;

/// What one server has to become. Made by [`Executor::accept`](crate::Executor::accept) alone.
#[derive(Debug, Clone)]
pub struct Task {
    pub run: RunId,
    pub attempt: u32,
    pub(crate) expires_ms: i64,
    pub(crate) timeout_ms: u32,
    pub(crate) wanted: Wanted,
    /// When it was accepted, and since then.
    pub(crate) accepted_ms: i64,
    pub(crate) since: Stopwatch,
}

#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    Release(Box<Release>),
    Nothing(PackageName),
    Script { script: Script, user: Option<Text>, output_bytes_max: u32 },
}

/// The release that is to serve.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    pub(crate) name: PackageName,
    pub(crate) id: PackageId,
    pub(crate) version: Version,
    pub(crate) url: ArchiveUrl,
    pub(crate) sha256: Sha256,
    pub(crate) size: u64,
    pub(crate) minisign: Option<String>,
    pub(crate) manifest: Manifest,
}

impl Task {
    /// Of what was signed: a signature says who wrote it, not that it may become a path.
    pub(crate) fn read(document: wire::Document, now_ms: i64) -> Result<Self, Refused> {
        let wanted = match document.wanted {
            wire::Wanted::Release(release) => Wanted::Release(Box::new(Release {
                name: field("name", &release.name)?,
                id: field("release", &release.release)?,
                version: field("version", &release.version)?,
                url: field("url", &release.url)?,
                sha256: field("sha256", &release.sha256)?,
                size: release.size,
                minisign: release.minisign,
                manifest: release.manifest,
            })),
            wire::Wanted::Nothing { name } => Wanted::Nothing(field("name", &name)?),
            wire::Wanted::Script { script, user, output_bytes_max } => Wanted::Script {
                script: field("script", &script)?,
                user: user.map(|user| field("user", &user)).transpose()?,
                output_bytes_max,
            },
        };
        Ok(Self {
            run: field("run", &document.run)?,
            attempt: document.attempt,
            expires_ms: document.expires_ms,
            timeout_ms: document.timeout_ms,
            wanted,
            accepted_ms: now_ms,
            since: Stopwatch::start(),
        })
    }

    /// The package that it is about; `None` for a script.
    pub fn package(&self) -> Option<&PackageName> {
        match &self.wanted {
            Wanted::Release(release) => Some(&release.name),
            Wanted::Nothing(name) => Some(name),
            Wanted::Script { .. } => None,
        }
    }

    /// Milliseconds since 1970, from the caller's clock when it was accepted.
    pub(crate) fn now_ms(&self) -> i64 {
        self.accepted_ms.saturating_add(i64::try_from(self.since.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    pub(crate) fn first_step(&self) -> Step {
        match self.wanted {
            Wanted::Release(_) => Step::Fetch,
            Wanted::Nothing(_) => Step::Stop,
            Wanted::Script { .. } => Step::Script,
        }
    }
}

fn field<T: std::str::FromStr<Err = loki_domain::Invalid>>(name: &str, text: &str) -> Result<T, Refused> {
    text.parse().map_err(|why| Refused::Unreadable(format!("`{name}`: {why}")))
}

/// The steps in order. A later one is begun when the ones before are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Script,
    Fetch,
    Unpack,
    Prepare,
    Stop,
    Switch,
    Start,
    Test,
    Health,
    Finish,
    Prune,
    /// Something has failed, and the host goes back to the release that was there.
    Back,
}

impl Step {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Fetch => "fetch",
            Self::Unpack => "unpack",
            Self::Prepare => "prepare",
            Self::Stop => "stop",
            Self::Switch => "switch",
            Self::Start => "start",
            Self::Test => "test",
            Self::Health => "health",
            Self::Finish => "finish",
            Self::Prune => "prune",
            Self::Back => "back",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What became of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Outcome {
    Succeeded,
    /// `message` fits a report: one line of at most 256 characters.
    Failed {
        step: Step,
        message: String,
    },
}

impl Outcome {
    /// `reason`, shortened where there is no room for it, and `end` as a whole.
    pub(crate) fn failed(step: Step, reason: &str, end: &str) -> Self {
        let room = TEXT_CHARACTERS_MAX.saturating_sub(end.chars().count());
        Self::Failed { step, message: line(reason, room) + &line(end, TEXT_CHARACTERS_MAX) }
    }
}

/// Why something failed, as it fits a report.
pub(crate) fn message(reason: &str) -> String {
    line(reason, TEXT_CHARACTERS_MAX)
}

/// One line without control characters, and no longer than that.
pub(crate) fn line(text: &str, characters_max: usize) -> String {
    let plain: String = text.trim().chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if plain.chars().count() <= characters_max {
        return plain;
    }
    plain.chars().take(characters_max.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_fits_a_report_and_keeps_its_end() {
        let Outcome::Failed { message, .. } = Outcome::failed(Step::Test, &"ä\n".repeat(400), "; `1.0` serves again") else { panic!() };
        assert!(message.parse::<Text>().is_ok(), "{message}");
        assert!(message.ends_with("…; `1.0` serves again"), "{message}");
        assert_eq!(Outcome::failed(Step::Test, "it\tfails\n", ""), Outcome::Failed { step: Step::Test, message: "it fails".to_owned() });
    }

    #[test]
    fn steps_are_in_the_order_in_which_they_are_done() {
        assert!(Step::Fetch < Step::Stop && Step::Stop < Step::Switch && Step::Switch < Step::Start && Step::Prune < Step::Back);
    }
}
