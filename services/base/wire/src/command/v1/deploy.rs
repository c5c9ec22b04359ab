//! Tokens, packages, templates and runs: version 1 of their commands' data, and both ways between that and the domain's values. Frozen, as all of it.

use std::collections::BTreeMap;

use loki_domain::command::Operation;
use loki_domain::{Check, Command, Health, Manifest, Settings, Text, Uses};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::read::{node, option, typed};
use super::write::write_node;
use crate::command::Intake;
use crate::error::{At, Error};
use crate::{json, shape};

/// Makes a token. The first one is the owner's: for every use, everywhere, and without an end; every other one is made by a token for `grant`
/// that has what it gives.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenCreate {
    /// Unique.
    #[schemars(with = "shape::PlainName")]
    pub name: String,
    /// The path or id of the node that it covers, with all under it; absent or `/`: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::NodeRef>")]
    pub node: Option<String>,
    /// `deploy`, `script`, `grant`.
    #[schemars(with = "shape::Uses")]
    pub uses: Vec<String>,
    /// The public half of its Ed25519 key. The secret half never enters the log.
    #[schemars(with = "shape::Sha256")]
    pub key: String,
    /// When it ends, in milliseconds since 1970; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Time>")]
    pub expires_ms: Option<i64>,
}

/// Removes a token.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRemove {
    #[schemars(with = "shape::PlainName")]
    pub name: String,
}

/// Registers a version of a package, which never changes from then on.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackageRegister {
    #[schemars(with = "shape::PlainName")]
    pub name: String,
    #[schemars(with = "shape::Version")]
    pub version: String,
    /// Of the source control, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Text>")]
    pub branch: Option<String>,
    /// Where the archive is: `https://`, `http://`, `s3://bucket/key`, `file:///path` of the host itself, or `artifact`, which is Loki's own store.
    #[schemars(with = "shape::ArchiveUrl")]
    pub url: String,
    #[schemars(with = "shape::Sha256")]
    pub sha256: String,
    /// In bytes.
    #[schemars(with = "shape::Size")]
    pub size: u64,
    /// What minisign's signature file holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Script>")]
    pub minisign: Option<String>,
    #[serde(default, deserialize_with = "json::object")]
    pub manifest: PackageManifest,
}

/// What a host does with a package.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackageManifest {
    /// Lines for a shell: `prepare` (the old release serves), `stop`, `start`, `test`, `finish`.
    #[serde(default)]
    #[schemars(with = "shape::Hooks")]
    pub hooks: BTreeMap<String, String>,
    /// Who runs the hooks; absent: who runs the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Text>")]
    pub user: Option<String>,
    /// A unit of systemd that is stopped and started, where there is systemd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Text>")]
    pub unit: Option<String>,
    #[serde(default, deserialize_with = "json::object_or_null", skip_serializing_if = "Option::is_none")]
    pub health: Option<PackageHealth>,
}

/// When a release is good: its check has passed without a break for `stays_ms`, which has to be so `within_ms`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackageHealth {
    #[serde(deserialize_with = "json::object")]
    pub check: HealthCheck,
    #[serde(default = "stays_ms")]
    #[schemars(with = "shape::Milliseconds")]
    pub stays_ms: u32,
    #[serde(default = "within_ms")]
    #[schemars(with = "shape::Milliseconds")]
    pub within_ms: u32,
}

/// What is asked on the host itself.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum HealthCheck {
    /// `GET http://127.0.0.1:<port><path>` is answered with 2xx.
    Http {
        #[schemars(with = "shape::Port")]
        port: u16,
        #[schemars(with = "shape::Text")]
        path: String,
    },
    /// 127.0.0.1 accepts connections there.
    Tcp {
        #[schemars(with = "shape::Port")]
        port: u16,
    },
    /// It ends with 0.
    Command {
        #[schemars(with = "shape::Script")]
        command: String,
    },
}

/// Withdraws a version of a package: it is deployed no more.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackageWithdraw {
    #[schemars(with = "shape::PlainName")]
    pub name: String,
    #[schemars(with = "shape::Version")]
    pub version: String,
    #[schemars(with = "shape::Text")]
    pub reason: String,
}

/// Makes the template of this name on this node, or replaces it. It counts for the node and all under it, up to the next of its name.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateSet {
    /// The node's path or id.
    #[schemars(with = "shape::NodeRef")]
    pub node: String,
    #[schemars(with = "shape::PlainName")]
    pub name: String,
    /// `standard-deploy` or `script`.
    #[schemars(with = "shape::JobKind")]
    pub kind: String,
    #[serde(default, deserialize_with = "json::object")]
    pub settings: JobSettings,
}

/// What can be set of a job. Whoever starts a run comes before the template, and that before what holds by itself.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobSettings {
    /// Of a deploy: what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::PlainName>")]
    pub package: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Version>")]
    pub version: Option<String>,
    /// Of a script: lines for a shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Script>")]
    pub script: Option<String>,
    /// Who runs it on the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Text>")]
    pub user: Option<String>,
    /// How much of its output is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::OutputBytes>")]
    pub output_bytes_max: Option<u32>,
    /// Sizes of the batches, the last one repeated: `3`, `25%`, `+2`, `*2`; `1` by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Batches>")]
    pub batches: Option<String>,
    /// How many servers may fail: `3` or `10%`; `0` by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Failures>")]
    pub failures: Option<String>,
    /// What then happens: `pause` (by itself), `roll_back` or `stop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::OnFailure>")]
    pub on_failure: Option<String>,
    /// Between two batches; 10 s by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Milliseconds>")]
    pub pause_ms: Option<u32>,
    /// That a server has for its part; 10 min by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Milliseconds>")]
    pub timeout_ms: Option<u32>,
    /// That may pass without any server getting done, pauses left out; by itself the timeout, 10 min at least, and half a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Milliseconds>")]
    pub progress_ms: Option<u32>,
    /// Whether somebody has to approve it before it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<bool>,
    /// These servers come first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::ServerNames>")]
    pub canaries: Option<Vec<String>>,
}

/// Removes a template.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateRemove {
    /// The node's path or id.
    #[schemars(with = "shape::NodeRef")]
    pub node: String,
    #[schemars(with = "shape::PlainName")]
    pub name: String,
}

/// Starts a run of a template on every online server under a node.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunStart {
    /// The node's path or id.
    #[schemars(with = "shape::NodeRef")]
    pub node: String,
    /// The nearest template of this name, or `standard-deploy` or `script`.
    #[serde(default = "standard_deploy")]
    #[schemars(with = "shape::PlainName")]
    pub template: String,
    #[serde(default, deserialize_with = "json::object")]
    pub settings: JobSettings,
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident;)+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Serialize, Deserialize, JsonSchema)]
            #[serde(deny_unknown_fields)]
            pub struct $name {
                #[schemars(with = "shape::Id")]
                pub run: String,
            }
        )+
    };
}

operations! {
    /// Has a run begin that waits for an approval.
    RunApprove;
    /// Has a run tell no further server. Those that were told go on.
    RunPause;
    /// Has a paused run go on, whatever has failed so far.
    RunResume;
    /// Ends a run where it is.
    RunStop;
    /// Tries once more what has failed so far.
    RunRetry;
    /// The next step of a run. The decider appends it by itself.
    RunStep;
}

/// Rolls a run back: every server that it told goes back to what was there before.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunRollBack {
    #[schemars(with = "shape::Id")]
    pub run: String,
    /// Everywhere at once, and not batch by batch.
    #[serde(default)]
    pub fast: bool,
}

/// What a host says of its task.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunReport {
    #[schemars(with = "shape::Id")]
    pub run: String,
    #[schemars(with = "shape::Id")]
    pub server: String,
    #[schemars(with = "shape::Attempt")]
    pub attempt: u32,
    /// `running`, `succeeded` or `failed`.
    #[schemars(with = "shape::Reported")]
    pub state: String,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Text>")]
    pub step: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Text>")]
    pub message: Option<String>,
}

/// A run's timer was due. The clock appends it by itself.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimerFire {
    #[schemars(with = "shape::Id")]
    pub run: String,
    /// In milliseconds since 1970.
    #[schemars(with = "shape::Time")]
    pub due_ms: i64,
}

// Part of the version as well: whoever leaves a field out has always meant this.

fn stays_ms() -> u32 {
    10_000
}

fn within_ms() -> u32 {
    300_000
}

fn standard_deploy() -> String {
    "standard-deploy".to_owned()
}

pub(super) fn read(kind: &str, data: &[u8]) -> Result<Intake, Error> {
    match kind {
        "token.create" => typed(kind, data, |v: TokenCreate| {
            let uses = v.uses.iter().enumerate().map(|(i, text)| text.parse().at(format!("uses[{i}]")));
            Ok(Command::TokenCreate {
                name: v.name.parse().at("name")?,
                node: v.node.map(|text| node("node", &text)).transpose()?,
                uses: Uses::new(uses.collect::<Result<Vec<_>, _>>()?).at("uses")?,
                key: v.key.parse().at("key")?,
                expires_ms: v.expires_ms.map(|time| bounded("expires_ms", time, 0, shape::TIME_MAX)).transpose()?,
            })
        }),
        "token.remove" => typed(kind, data, |v: TokenRemove| Ok(Command::TokenRemove { name: v.name.parse().at("name")? })),
        "package.register" => typed(kind, data, |v: PackageRegister| {
            Ok(Command::PackageRegister {
                name: v.name.parse().at("name")?,
                version: v.version.parse().at("version")?,
                branch: option("branch", v.branch)?,
                url: v.url.parse().at("url")?,
                sha256: v.sha256.parse().at("sha256")?,
                size: bounded("size", v.size, 1, loki_domain::package::SIZE_MAX)?,
                minisign: v.minisign.map(|text| text.parse().at("minisign")).transpose()?,
                manifest: manifest("manifest", v.manifest)?,
            })
        }),
        "package.withdraw" => typed(kind, data, |v: PackageWithdraw| {
            Ok(Command::PackageWithdraw {
                name: v.name.parse().at("name")?,
                version: v.version.parse().at("version")?,
                reason: v.reason.parse().at("reason")?,
            })
        }),
        "template.set" => typed(kind, data, |v: TemplateSet| {
            Ok(Command::TemplateSet {
                node: node("node", &v.node)?,
                name: v.name.parse().at("name")?,
                kind: v.kind.parse().at("kind")?,
                settings: settings("settings", v.settings)?,
            })
        }),
        "template.remove" => typed(kind, data, |v: TemplateRemove| {
            Ok(Command::TemplateRemove { node: node("node", &v.node)?, name: v.name.parse().at("name")? })
        }),
        "run.start" => typed(kind, data, |v: RunStart| {
            Ok(Command::RunStart {
                node: node("node", &v.node)?,
                template: v.template.parse().at("template")?,
                settings: settings("settings", v.settings)?,
            })
        }),
        "run.approve" => typed(kind, data, |v: RunApprove| operate(&v.run, Operation::Approve)),
        "run.pause" => typed(kind, data, |v: RunPause| operate(&v.run, Operation::Pause)),
        "run.resume" => typed(kind, data, |v: RunResume| operate(&v.run, Operation::Resume)),
        "run.stop" => typed(kind, data, |v: RunStop| operate(&v.run, Operation::Stop)),
        "run.retry" => typed(kind, data, |v: RunRetry| operate(&v.run, Operation::Retry)),
        "run.roll_back" => typed(kind, data, |v: RunRollBack| operate(&v.run, Operation::RollBack { fast: v.fast })),
        "run.report" => typed(kind, data, |v: RunReport| {
            if !shape::REPORTED.contains(&v.state.as_str()) {
                let message = "a host says running, succeeded or failed".to_owned();
                return Err(Error::Value { field: "state".to_owned(), message });
            }
            Ok(Command::RunReport {
                run: v.run.parse().at("run")?,
                server: v.server.parse().at("server")?,
                attempt: bounded("attempt", v.attempt, 1, shape::ATTEMPTS_MAX)?,
                state: v.state.parse().at("state")?,
                step: option("step", v.step)?,
                message: option("message", v.message)?,
            })
        }),
        "run.step" => typed(kind, data, |v: RunStep| Ok(Command::RunStep { run: v.run.parse().at("run")? })),
        "timer.fire" => typed(kind, data, |v: TimerFire| {
            Ok(Command::TimerFire { run: v.run.parse().at("run")?, due_ms: bounded("due_ms", v.due_ms, 0, shape::TIME_MAX)? })
        }),
        _ => Err(Error::UnknownType(kind.chars().take(64).collect())),
    }
}

fn operate(run: &str, operation: Operation) -> Result<Command, Error> {
    Ok(Command::RunOperate { run: run.parse().at("run")?, operation })
}

fn bounded<N: PartialOrd + std::fmt::Display>(field: &str, number: N, least: N, most: N) -> Result<N, Error> {
    if number < least || number > most {
        return Err(Error::Value { field: field.to_owned(), message: format!("it is {least} to {most}, this is {number}") });
    }
    Ok(number)
}

fn milliseconds(field: &str, number: u32) -> Result<u32, Error> {
    bounded(field, number, 0, loki_domain::job::TIMEOUT_MAX_MS)
}

pub(crate) fn manifest(field: &str, v: PackageManifest) -> Result<Manifest, Error> {
    let hooks = v.hooks.iter().map(|(hook, script)| {
        let field = format!("{field}.hooks.{}", hook.escape_default());
        Ok((hook.parse().at(&field)?, script.parse().at(&field)?))
    });
    Ok(Manifest {
        hooks: hooks.collect::<Result<_, Error>>()?,
        user: option(&format!("{field}.user"), v.user)?,
        unit: option(&format!("{field}.unit"), v.unit)?,
        health: v.health.map(|v| health(&format!("{field}.health"), v)).transpose()?,
    })
}

fn health(field: &str, v: PackageHealth) -> Result<Health, Error> {
    let port = |port| bounded(&format!("{field}.check.port"), port, 1, u16::MAX);
    let check = match v.check {
        HealthCheck::Http { port: at, path } => Check::Http { port: port(at)?, path: path.parse().at(format!("{field}.check.path"))? },
        HealthCheck::Tcp { port: at } => Check::Tcp { port: port(at)? },
        HealthCheck::Command { command } => Check::Command(command.parse().at(format!("{field}.check.command"))?),
    };
    let stays_ms = milliseconds(&format!("{field}.stays_ms"), v.stays_ms)?;
    Ok(Health { check, stays_ms, within_ms: milliseconds(&format!("{field}.within_ms"), v.within_ms)? })
}

pub(crate) fn settings(field: &str, v: JobSettings) -> Result<Settings, Error> {
    let at = |name: &str| format!("{field}.{name}");
    let ms = |name: &str, number: Option<u32>| number.map(|number| milliseconds(&at(name), number)).transpose();
    let canaries = v.canaries.map(|names| {
        if names.len() > loki_domain::job::CANARIES_MAX {
            let message = format!("at most {} servers come first", loki_domain::job::CANARIES_MAX);
            return Err(Error::Value { field: at("canaries"), message });
        }
        names.iter().enumerate().map(|(i, name)| name.parse().at(format!("{field}.canaries[{i}]"))).collect()
    });
    Ok(Settings {
        package: v.package.map(|text| text.parse().at(at("package"))).transpose()?,
        version: v.version.map(|text| text.parse().at(at("version"))).transpose()?,
        script: v.script.map(|text| text.parse().at(at("script"))).transpose()?,
        user: option(&at("user"), v.user)?,
        output_bytes_max: v
            .output_bytes_max
            .map(|bytes| bounded(&at("output_bytes_max"), bytes, 0, loki_domain::job::OUTPUT_MAX))
            .transpose()?,
        batches: v.batches.map(|text| text.parse().at(at("batches"))).transpose()?,
        failures: v.failures.map(|text| text.parse().at(at("failures"))).transpose()?,
        on_failure: v.on_failure.map(|text| text.parse().at(at("on_failure"))).transpose()?,
        pause_ms: ms("pause_ms", v.pause_ms)?,
        timeout_ms: ms("timeout_ms", v.timeout_ms)?,
        progress_ms: ms("progress_ms", v.progress_ms)?,
        approval: v.approval,
        canaries: canaries.transpose()?,
    })
}

/// `None` for a command of another family.
pub(super) fn write(command: &Command) -> Option<serde_json::Result<Vec<u8>>> {
    let text = |text: &Option<Text>| text.as_ref().map(Text::to_string);
    Some(match command {
        Command::TokenCreate { name, node, uses, key, expires_ms } => serde_json::to_vec(&TokenCreate {
            name: name.to_string(),
            node: node.as_ref().map(write_node),
            uses: uses.iter().map(|one| one.to_string()).collect(),
            key: key.to_string(),
            expires_ms: *expires_ms,
        }),
        Command::TokenRemove { name } => serde_json::to_vec(&TokenRemove { name: name.to_string() }),
        Command::PackageRegister { name, version, branch, url, sha256, size, minisign, manifest } => serde_json::to_vec(&PackageRegister {
            name: name.to_string(),
            version: version.to_string(),
            branch: text(branch),
            url: url.to_string(),
            sha256: sha256.to_string(),
            size: *size,
            minisign: minisign.as_ref().map(ToString::to_string),
            manifest: write_manifest(manifest),
        }),
        Command::PackageWithdraw { name, version, reason } => {
            serde_json::to_vec(&PackageWithdraw { name: name.to_string(), version: version.to_string(), reason: reason.to_string() })
        }
        Command::TemplateSet { node, name, kind, settings } => serde_json::to_vec(&TemplateSet {
            node: write_node(node),
            name: name.to_string(),
            kind: kind.to_string(),
            settings: write_settings(settings),
        }),
        Command::TemplateRemove { node, name } => serde_json::to_vec(&TemplateRemove { node: write_node(node), name: name.to_string() }),
        Command::RunStart { node, template, settings } => {
            serde_json::to_vec(&RunStart { node: write_node(node), template: template.to_string(), settings: write_settings(settings) })
        }
        Command::RunOperate { run, operation } => {
            let run = run.to_string();
            match operation {
                Operation::Approve => serde_json::to_vec(&RunApprove { run }),
                Operation::Pause => serde_json::to_vec(&RunPause { run }),
                Operation::Resume => serde_json::to_vec(&RunResume { run }),
                Operation::Stop => serde_json::to_vec(&RunStop { run }),
                Operation::Retry => serde_json::to_vec(&RunRetry { run }),
                Operation::RollBack { fast } => serde_json::to_vec(&RunRollBack { run, fast: *fast }),
            }
        }
        Command::RunReport { run, server, attempt, state, step, message } => serde_json::to_vec(&RunReport {
            run: run.to_string(),
            server: server.to_string(),
            attempt: *attempt,
            state: state.to_string(),
            step: text(step),
            message: text(message),
        }),
        Command::RunStep { run } => serde_json::to_vec(&RunStep { run: run.to_string() }),
        Command::TimerFire { run, due_ms } => serde_json::to_vec(&TimerFire { run: run.to_string(), due_ms: *due_ms }),
        _ => return None,
    })
}

pub(crate) fn write_manifest(manifest: &Manifest) -> PackageManifest {
    PackageManifest {
        hooks: manifest.hooks.iter().map(|(hook, script)| (hook.to_string(), script.to_string())).collect(),
        user: manifest.user.as_ref().map(Text::to_string),
        unit: manifest.unit.as_ref().map(Text::to_string),
        health: manifest.health.as_ref().map(|health| PackageHealth {
            check: match &health.check {
                Check::Http { port, path } => HealthCheck::Http { port: *port, path: path.to_string() },
                Check::Tcp { port } => HealthCheck::Tcp { port: *port },
                Check::Command(command) => HealthCheck::Command { command: command.to_string() },
            },
            stays_ms: health.stays_ms,
            within_ms: health.within_ms,
        }),
    }
}

pub(crate) fn write_settings(settings: &Settings) -> JobSettings {
    JobSettings {
        package: settings.package.as_ref().map(ToString::to_string),
        version: settings.version.as_ref().map(ToString::to_string),
        script: settings.script.as_ref().map(ToString::to_string),
        user: settings.user.as_ref().map(Text::to_string),
        output_bytes_max: settings.output_bytes_max,
        batches: settings.batches.as_ref().map(ToString::to_string),
        failures: settings.failures.map(|failures| failures.to_string()),
        on_failure: settings.on_failure.map(|what| what.to_string()),
        pause_ms: settings.pause_ms,
        timeout_ms: settings.timeout_ms,
        progress_ms: settings.progress_ms,
        approval: settings.approval,
        canaries: settings.canaries.as_ref().map(|names| names.iter().map(ToString::to_string).collect()),
    }
}
