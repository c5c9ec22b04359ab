//! A task as a host gets it: which state of the machine is wanted, signed by the decider.
//!
//! The document is the same bytes wherever it is made of the same run, task and package: the decider signs it, whoever gives it to a host makes
//! it again, and the host checks the bytes that it was given, before it reads them.

use loki_domain::{Job, Package, PublicKey, Run, Signature, Task, Text};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::fact::v1::deploy::Manifest;
use crate::json::read_json;
use crate::signature::{Secret, is_signed};

/// The payload's type.
const TASK: &str = "application/vnd.loki.task.v1";

/// What one server has to become, by when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    pub run: String,
    pub server: String,
    /// A later attempt replaces an earlier one.
    pub attempt: u32,
    /// The host begins it no more from then on: milliseconds since 1970.
    pub expires_ms: i64,
    /// That the host has for all of it.
    pub timeout_ms: u32,
    pub wanted: Wanted,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Wanted {
    /// This release of a package is the one that serves.
    Release(Box<Release>),
    /// No release of the package serves.
    Nothing { name: String },
    /// The script has run once.
    Script { script: String, user: Option<String>, output_bytes_max: u32 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    pub name: String,
    /// The package's id, and the release's name on the host.
    pub release: String,
    pub version: String,
    pub url: String,
    pub sha256: String,
    pub size: u64,
    pub minisign: Option<String>,
    pub manifest: Manifest,
}

/// The document of a task; `package`: the one that [`package_of`] names. `None` where it is missing.
pub fn document(run: &Run, task: &Task, package: Option<&Package>) -> Option<Vec<u8>> {
    let wanted = match (&run.job, package) {
        (Job::Script { script, user, output_bytes_max }, _) => {
            Wanted::Script { script: script.to_string(), user: user.as_ref().map(Text::to_string), output_bytes_max: *output_bytes_max }
        }
        (Job::Deploy { .. }, Some(package)) if package_of(run, task) == Some(package.id) => Wanted::Release(Box::new(Release {
            name: package.name.to_string(),
            release: package.id.to_string(),
            version: package.version.to_string(),
            url: package.url.to_string(),
            sha256: package.sha256.to_string(),
            size: package.size,
            minisign: package.minisign.as_ref().map(ToString::to_string),
            manifest: Manifest::of(&package.manifest),
        })),
        (Job::Deploy { name, .. }, None) if package_of(run, task).is_none() => Wanted::Nothing { name: name.to_string() },
        (Job::Deploy { .. }, _) => return None,
    };
    let document = Document {
        run: run.id.to_string(),
        server: task.server.to_string(),
        attempt: task.attempt,
        expires_ms: task.told_ms.saturating_add(i64::from(run.plan.timeout_ms)),
        timeout_ms: run.plan.timeout_ms,
        wanted,
    };
    serde_json::to_vec(&document).ok()
}

/// The package that a task is about; `None` for a script, and where none is to be.
pub fn package_of(run: &Run, task: &Task) -> Option<loki_domain::PackageId> {
    run.package_of(task.direction)
}

/// The decider's signature of a document.
pub fn sign(secret: &Secret, document: &[u8]) -> Signature {
    secret.sign(TASK, document)
}

/// Reads a document that one of these keys has signed; `None` for one that none has.
pub fn read(document: &[u8], signature: &Signature, keys: &[PublicKey]) -> Result<Option<Document>, Error> {
    if !keys.iter().any(|key| is_signed(TASK, document, signature, key)) {
        return Ok(None);
    }
    read_json(document).map(Some)
}

#[cfg(test)]
mod tests {
    use loki_domain::{Batches, Direction, Failures, OnFailure, PackageId, Plan, RunId, RunState, ServerId, Sha256, TaskState};

    use super::*;

    fn run(from: Option<PackageId>) -> Run {
        Run {
            id: RunId::MIN,
            node: loki_domain::NodeId::MIN,
            template: "web".parse().unwrap(),
            job: Job::Deploy { package: PackageId::MAX, name: "web".parse().unwrap(), from, good: from, number: 1, fast: false },
            plan: Plan {
                batches: Batches::one_by_one(),
                failures: Failures::Servers(0),
                on_failure: OnFailure::Pause,
                pause_ms: 0,
                timeout_ms: 5_000,
                progress_ms: 5_000,
            },
            by: "ci".parse().unwrap(),
            state: RunState::Running,
            why: None,
            servers: 1,
            batches: 1,
            batch: 0,
            begun_ms: 1_000,
            since_ms: 1_000,
            next_ms: None,
            forgiven: 0,
            again_ms: None,
            ended_ms: None,
        }
    }

    fn task(direction: Direction) -> Task {
        Task {
            run: RunId::MIN,
            server: ServerId::MIN,
            batch: 0,
            attempt: 1,
            direction,
            state: TaskState::Pending,
            step: None,
            message: None,
            told_ms: 1_000,
            changed_ms: 1_000,
            signature: None,
        }
    }

    fn package(id: PackageId) -> Package {
        Package {
            id,
            name: "web".parse().unwrap(),
            version: "1".parse().unwrap(),
            branch: None,
            url: "artifact".parse().unwrap(),
            sha256: Sha256([1; 32]),
            size: 1,
            minisign: None,
            manifest: Default::default(),
            withdrawn: None,
        }
    }

    #[test]
    fn only_what_was_signed_by_a_known_key_is_read() {
        let (secret, other) = (Secret::new([1; 32]), Secret::new([2; 32]));
        let document = document(&run(None), &task(Direction::Forward), Some(&package(PackageId::MAX))).unwrap();
        let signature = sign(&secret, &document);
        let read_by = |bytes: &[u8], keys: &[PublicKey]| read(bytes, &signature, keys).unwrap();
        let found = read_by(&document, &[other.public(), secret.public()]).unwrap();
        assert_eq!((found.attempt, found.expires_ms), (1, 6_000));
        assert!(matches!(&found.wanted, Wanted::Release(wanted) if wanted.release == PackageId::MAX.to_string()));
        assert_eq!(read_by(&document, &[other.public()]), None);
        assert_eq!(read_by(&document, &[]), None);
        let forged = String::from_utf8(document).unwrap().replace(r#""attempt":1"#, r#""attempt":2"#);
        assert_eq!(read_by(forged.as_bytes(), &[secret.public()]), None);
        // a command's signature is none of a task
        assert_eq!(read(b"{}", &secret.sign("application/vnd.loki.command.v1", b"{}"), &[secret.public()]), Ok(None));
    }

    #[test]
    fn the_way_back_is_to_what_was_there() {
        let (there, back) = (package(PackageId::MIN), task(Direction::Back));
        let wanted = |run: &Run, package: Option<&Package>| {
            document(run, &back, package).map(|bytes| serde_json::from_slice::<Document>(&bytes).unwrap().wanted)
        };
        assert!(matches!(wanted(&run(Some(PackageId::MIN)), Some(&there)), Some(Wanted::Release(_))));
        assert_eq!(wanted(&run(None), None), Some(Wanted::Nothing { name: "web".to_owned() }));
        // not this one, and not without it
        assert_eq!(wanted(&run(Some(PackageId::MIN)), Some(&package(PackageId::MAX))), None);
        assert_eq!(wanted(&run(Some(PackageId::MIN)), None), None);
        assert_eq!(wanted(&run(None), Some(&there)), None);
    }
}
