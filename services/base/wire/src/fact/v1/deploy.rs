//! Tokens, packages, templates, runs and what belongs to them: version 1 of their facts.

use std::collections::BTreeMap;

use loki_domain::{Entity, Job as DomainJob, Kind, Plan as DomainPlan, Text, Uses};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::command::v1::deploy as asked;
use crate::error::{At, Error};
use crate::json::read_json;
use crate::shape;

/// A token.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Token {
    #[schemars(with = "shape::Id")]
    pub id: String,
    #[schemars(with = "shape::PlainName")]
    pub name: String,
    /// It covers this node with all under it; null: everything.
    #[schemars(with = "Option<shape::Id>")]
    pub node: Option<String>,
    #[schemars(with = "shape::Uses")]
    pub uses: Vec<String>,
    /// The public half of its Ed25519 key.
    #[schemars(with = "shape::Sha256")]
    pub key: String,
    #[schemars(with = "Option<shape::Time>")]
    pub expires_ms: Option<i64>,
}

/// A version of a package.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Package {
    #[schemars(with = "shape::Id")]
    pub id: String,
    #[schemars(with = "shape::PlainName")]
    pub name: String,
    #[schemars(with = "shape::Version")]
    pub version: String,
    #[schemars(with = "Option<shape::Text>")]
    pub branch: Option<String>,
    #[schemars(with = "shape::ArchiveUrl")]
    pub url: String,
    #[schemars(with = "shape::Sha256")]
    pub sha256: String,
    #[schemars(with = "shape::Size")]
    pub size: u64,
    #[schemars(with = "Option<shape::Script>")]
    pub minisign: Option<String>,
    pub manifest: Manifest,
    /// Why it is deployed no more; null: it is.
    #[schemars(with = "Option<shape::Text>")]
    pub withdrawn: Option<String>,
}

/// What a host does with a package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    #[schemars(with = "shape::Hooks")]
    pub hooks: BTreeMap<String, String>,
    #[schemars(with = "Option<shape::Text>")]
    pub user: Option<String>,
    #[schemars(with = "Option<shape::Text>")]
    pub unit: Option<String>,
    pub health: Option<Health>,
}

impl Manifest {
    pub fn of(manifest: &loki_domain::Manifest) -> Self {
        asked::write_manifest(manifest).into()
    }
}

/// When a release is good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    pub check: Check,
    pub stays_ms: u32,
    pub within_ms: u32,
}

/// What is asked on the host itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Check {
    Http {
        #[schemars(with = "shape::Port")]
        port: u16,
        #[schemars(with = "shape::Text")]
        path: String,
    },
    Tcp {
        #[schemars(with = "shape::Port")]
        port: u16,
    },
    Command {
        #[schemars(with = "shape::Script")]
        command: String,
    },
}

/// A template.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Template {
    #[schemars(with = "shape::Id")]
    pub id: String,
    #[schemars(with = "shape::Id")]
    pub node: String,
    #[schemars(with = "shape::PlainName")]
    pub name: String,
    #[schemars(with = "shape::JobKind")]
    pub kind: String,
    pub settings: Settings,
}

/// What is set of a job; what is absent is not.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Settings {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::PlainName>")]
    pub package: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Version>")]
    pub version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Script>")]
    pub script: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Text>")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_bytes_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Batches>")]
    pub batches: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Failures>")]
    pub failures: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::OnFailure>")]
    pub on_failure: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_ms: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_ms: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::ServerNames>")]
    pub canaries: Option<Vec<String>>,
}

/// A run.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    #[schemars(with = "shape::Id")]
    pub id: String,
    #[schemars(with = "shape::Id")]
    pub node: String,
    #[schemars(with = "shape::PlainName")]
    pub template: String,
    pub job: Job,
    pub plan: Plan,
    /// The name of the token that asked for it.
    #[schemars(with = "shape::PlainName")]
    pub by: String,
    #[schemars(with = "shape::RunState")]
    pub state: String,
    #[schemars(with = "Option<shape::Text>")]
    pub why: Option<String>,
    pub servers: u32,
    pub batches: u32,
    /// The one that it is at, from 0 on.
    pub batch: u32,
    #[schemars(with = "shape::Time")]
    pub begun_ms: i64,
    /// From when on a server has to get done.
    #[schemars(with = "shape::Time")]
    pub since_ms: i64,
    /// When the next batch begins.
    #[schemars(with = "Option<shape::Time>")]
    pub next_ms: Option<i64>,
    /// So many failures were there when somebody had it go on nevertheless.
    pub forgiven: u32,
    #[schemars(with = "Option<shape::Time>")]
    pub again_ms: Option<i64>,
    #[schemars(with = "Option<shape::Time>")]
    pub ended_ms: Option<i64>,
}

/// What a run does.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Job {
    Deploy {
        #[schemars(with = "shape::Id")]
        package: String,
        #[schemars(with = "shape::PlainName")]
        name: String,
        /// The package that was good before; null: none.
        #[schemars(with = "Option<shape::Id>")]
        from: Option<String>,
        /// The package that is good now.
        #[schemars(with = "Option<shape::Id>")]
        good: Option<String>,
        /// The how many-eth run of the package at the node.
        number: u32,
        /// It is rolled back everywhere at once.
        fast: bool,
    },
    Script {
        #[schemars(with = "shape::Script")]
        script: String,
        #[schemars(with = "Option<shape::Text>")]
        user: Option<String>,
        output_bytes_max: u32,
    },
}

/// How carefully.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    #[schemars(with = "shape::Batches")]
    pub batches: String,
    #[schemars(with = "shape::Failures")]
    pub failures: String,
    #[schemars(with = "shape::OnFailure")]
    pub on_failure: String,
    pub pause_ms: u32,
    pub timeout_ms: u32,
    pub progress_ms: u32,
}

/// The servers of one batch of a run.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Batch {
    #[schemars(with = "shape::Id")]
    pub run: String,
    /// From 0 on.
    pub number: u32,
    #[schemars(with = "Vec<shape::Id>")]
    pub servers: Vec<String>,
}

/// What a run has to do with one server.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Task {
    #[schemars(with = "shape::Id")]
    pub run: String,
    #[schemars(with = "shape::Id")]
    pub server: String,
    pub batch: u32,
    #[schemars(with = "shape::Attempt")]
    pub attempt: u32,
    /// `forward`, or `back` to what was there before.
    #[schemars(with = "shape::Direction")]
    pub direction: String,
    #[schemars(with = "shape::TaskState")]
    pub state: String,
    #[schemars(with = "Option<shape::Text>")]
    pub step: Option<String>,
    #[schemars(with = "Option<shape::Text>")]
    pub message: Option<String>,
    #[schemars(with = "shape::Time")]
    pub told_ms: i64,
    #[schemars(with = "shape::Time")]
    pub changed_ms: i64,
    /// The decider's, while it is open.
    #[schemars(with = "Option<shape::Signature>")]
    pub signature: Option<String>,
}

/// When a run has to be looked at.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Timer {
    #[schemars(with = "shape::Id")]
    pub run: String,
    #[schemars(with = "shape::Time")]
    pub due_ms: i64,
}

/// `None` for an entity of another family.
pub(super) fn write(entity: &Entity) -> Option<serde_json::Result<Vec<u8>>> {
    let text = |text: &Option<Text>| text.as_ref().map(Text::to_string);
    Some(match entity {
        Entity::Token(token) => serde_json::to_vec(&Token {
            id: token.id.to_string(),
            name: token.name.to_string(),
            node: token.node.map(|id| id.to_string()),
            uses: token.uses.iter().map(|one| one.to_string()).collect(),
            key: token.key.to_string(),
            expires_ms: token.expires_ms,
        }),
        Entity::Package(package) => serde_json::to_vec(&Package {
            id: package.id.to_string(),
            name: package.name.to_string(),
            version: package.version.to_string(),
            branch: text(&package.branch),
            url: package.url.to_string(),
            sha256: package.sha256.to_string(),
            size: package.size,
            minisign: package.minisign.as_ref().map(ToString::to_string),
            manifest: Manifest::of(&package.manifest),
            withdrawn: text(&package.withdrawn),
        }),
        Entity::Template(template) => serde_json::to_vec(&Template {
            id: template.id.to_string(),
            node: template.node.to_string(),
            name: template.name.to_string(),
            kind: template.kind.to_string(),
            settings: asked::write_settings(&template.settings).into(),
        }),
        Entity::Run(run) => serde_json::to_vec(&write_run(run)),
        Entity::Batch(batch) => serde_json::to_vec(&Batch {
            run: batch.run.to_string(),
            number: batch.number,
            servers: batch.servers.iter().map(ToString::to_string).collect(),
        }),
        Entity::Task(task) => serde_json::to_vec(&Task {
            run: task.run.to_string(),
            server: task.server.to_string(),
            batch: task.batch,
            attempt: task.attempt,
            direction: task.direction.to_string(),
            state: task.state.to_string(),
            step: text(&task.step),
            message: text(&task.message),
            told_ms: task.told_ms,
            changed_ms: task.changed_ms,
            signature: task.signature.map(|signature| signature.to_string()),
        }),
        Entity::Timer(timer) => serde_json::to_vec(&Timer { run: timer.run.to_string(), due_ms: timer.due_ms }),
        Entity::Node(_) | Entity::Server(_) | Entity::Mount(_) | Entity::Membership(_) | Entity::Domain(_) => return None,
    })
}

fn write_run(run: &loki_domain::Run) -> Run {
    Run {
        id: run.id.to_string(),
        node: run.node.to_string(),
        template: run.template.to_string(),
        job: match &run.job {
            DomainJob::Deploy { package, name, from, good, number, fast } => Job::Deploy {
                package: package.to_string(),
                name: name.to_string(),
                from: from.map(|id| id.to_string()),
                good: good.map(|id| id.to_string()),
                number: *number,
                fast: *fast,
            },
            DomainJob::Script { script, user, output_bytes_max } => {
                Job::Script { script: script.to_string(), user: user.as_ref().map(Text::to_string), output_bytes_max: *output_bytes_max }
            }
        },
        plan: Plan {
            batches: run.plan.batches.to_string(),
            failures: run.plan.failures.to_string(),
            on_failure: run.plan.on_failure.to_string(),
            pause_ms: run.plan.pause_ms,
            timeout_ms: run.plan.timeout_ms,
            progress_ms: run.plan.progress_ms,
        },
        by: run.by.to_string(),
        state: run.state.to_string(),
        why: run.why.as_ref().map(Text::to_string),
        servers: run.servers,
        batches: run.batches,
        batch: run.batch,
        begun_ms: run.begun_ms,
        since_ms: run.since_ms,
        next_ms: run.next_ms,
        forgiven: run.forgiven,
        again_ms: run.again_ms,
        ended_ms: run.ended_ms,
    }
}

/// Reads what `write` wrote; `None` for a kind of another family.
pub(super) fn read(kind: Kind, json: &[u8]) -> Result<Option<Entity>, Error> {
    let text = |field: &'static str, text: Option<String>| text.map(|text| text.parse::<Text>().at(field)).transpose();
    Ok(Some(match kind {
        Kind::Token => {
            let v: Token = read_json(json)?;
            let uses = v.uses.iter().map(|text| text.parse().at("uses")).collect::<Result<Vec<_>, _>>()?;
            Entity::Token(loki_domain::Token {
                id: v.id.parse().at("id")?,
                name: v.name.parse().at("name")?,
                node: v.node.map(|id| id.parse().at("node")).transpose()?,
                uses: Uses::new(uses).at("uses")?,
                key: v.key.parse().at("key")?,
                expires_ms: v.expires_ms,
            })
        }
        Kind::Package => {
            let v: Package = read_json(json)?;
            Entity::Package(Box::new(loki_domain::Package {
                id: v.id.parse().at("id")?,
                name: v.name.parse().at("name")?,
                version: v.version.parse().at("version")?,
                branch: text("branch", v.branch)?,
                url: v.url.parse().at("url")?,
                sha256: v.sha256.parse().at("sha256")?,
                size: v.size,
                minisign: v.minisign.map(|text| text.parse().at("minisign")).transpose()?,
                manifest: asked::manifest("manifest", v.manifest.into())?,
                withdrawn: text("withdrawn", v.withdrawn)?,
            }))
        }
        Kind::Template => {
            let v: Template = read_json(json)?;
            Entity::Template(Box::new(loki_domain::Template {
                id: v.id.parse().at("id")?,
                node: v.node.parse().at("node")?,
                name: v.name.parse().at("name")?,
                kind: v.kind.parse().at("kind")?,
                settings: asked::settings("settings", v.settings.into())?,
            }))
        }
        Kind::Run => Entity::Run(Box::new(read_run(read_json(json)?)?)),
        Kind::Batch => {
            let v: Batch = read_json(json)?;
            Entity::Batch(loki_domain::Batch {
                run: v.run.parse().at("run")?,
                number: v.number,
                servers: v.servers.iter().map(|id| id.parse().at("servers")).collect::<Result<_, _>>()?,
            })
        }
        Kind::Task => {
            let v: Task = read_json(json)?;
            Entity::Task(loki_domain::Task {
                run: v.run.parse().at("run")?,
                server: v.server.parse().at("server")?,
                batch: v.batch,
                attempt: v.attempt,
                direction: v.direction.parse().at("direction")?,
                state: v.state.parse().at("state")?,
                step: text("step", v.step)?,
                message: text("message", v.message)?,
                told_ms: v.told_ms,
                changed_ms: v.changed_ms,
                signature: v.signature.map(|text| text.parse().at("signature")).transpose()?,
            })
        }
        Kind::Timer => {
            let v: Timer = read_json(json)?;
            Entity::Timer(loki_domain::Timer { run: v.run.parse().at("run")?, due_ms: v.due_ms })
        }
        Kind::Node | Kind::Server | Kind::Mount | Kind::Membership | Kind::Domain => return Ok(None),
    }))
}

fn read_run(v: Run) -> Result<loki_domain::Run, Error> {
    let job = match v.job {
        Job::Deploy { package, name, from, good, number, fast } => DomainJob::Deploy {
            package: package.parse().at("job.package")?,
            name: name.parse().at("job.name")?,
            from: from.map(|id| id.parse().at("job.from")).transpose()?,
            good: good.map(|id| id.parse().at("job.good")).transpose()?,
            number,
            fast,
        },
        Job::Script { script, user, output_bytes_max } => DomainJob::Script {
            script: script.parse().at("job.script")?,
            user: user.map(|text| text.parse().at("job.user")).transpose()?,
            output_bytes_max,
        },
    };
    Ok(loki_domain::Run {
        id: v.id.parse().at("id")?,
        node: v.node.parse().at("node")?,
        template: v.template.parse().at("template")?,
        job,
        plan: DomainPlan {
            batches: v.plan.batches.parse().at("plan.batches")?,
            failures: v.plan.failures.parse().at("plan.failures")?,
            on_failure: v.plan.on_failure.parse().at("plan.on_failure")?,
            pause_ms: v.plan.pause_ms,
            timeout_ms: v.plan.timeout_ms,
            progress_ms: v.plan.progress_ms,
        },
        by: v.by.parse().at("by")?,
        state: v.state.parse().at("state")?,
        why: v.why.map(|text| text.parse().at("why")).transpose()?,
        servers: v.servers,
        batches: v.batches,
        batch: v.batch,
        begun_ms: v.begun_ms,
        since_ms: v.since_ms,
        next_ms: v.next_ms,
        forgiven: v.forgiven,
        again_ms: v.again_ms,
        ended_ms: v.ended_ms,
    })
}

// What is asked for is closed and what is true is open: else they are the same.

macro_rules! same {
    ($asked:ident, $here:ident { $($field:ident),+ $(,)? }) => {
        impl From<asked::$asked> for $here {
            fn from(v: asked::$asked) -> Self {
                Self { $($field: v.$field.into()),+ }
            }
        }
        impl From<$here> for asked::$asked {
            fn from(v: $here) -> Self {
                Self { $($field: v.$field.into()),+ }
            }
        }
    };
}

same!(
    JobSettings,
    Settings {
        package,
        version,
        script,
        user,
        output_bytes_max,
        batches,
        failures,
        on_failure,
        pause_ms,
        timeout_ms,
        progress_ms,
        approval,
        canaries,
    }
);
same!(PackageHealth, Health { check, stays_ms, within_ms });

impl From<asked::PackageManifest> for Manifest {
    fn from(v: asked::PackageManifest) -> Self {
        Self { hooks: v.hooks, user: v.user, unit: v.unit, health: v.health.map(Into::into) }
    }
}

impl From<Manifest> for asked::PackageManifest {
    fn from(v: Manifest) -> Self {
        Self { hooks: v.hooks, user: v.user, unit: v.unit, health: v.health.map(Into::into) }
    }
}

impl From<asked::HealthCheck> for Check {
    fn from(v: asked::HealthCheck) -> Self {
        match v {
            asked::HealthCheck::Http { port, path } => Self::Http { port, path },
            asked::HealthCheck::Tcp { port } => Self::Tcp { port },
            asked::HealthCheck::Command { command } => Self::Command { command },
        }
    }
}

impl From<Check> for asked::HealthCheck {
    fn from(v: Check) -> Self {
        match v {
            Check::Http { port, path } => Self::Http { port, path },
            Check::Tcp { port } => Self::Tcp { port },
            Check::Command { command } => Self::Command { command },
        }
    }
}
