//! What a command changes, or why it changes nothing.
//!
//! One file per family of commands; `lookup` finds what a command names, `ratio` and `reconcile` are the two rules that several commands must
//! keep: the traffic ratios of a node, and the mounts that membership rules ask for.
//!
//! A command that asks for what is already so is accepted without facts: its sender wanted a state and has it. Facts of one command have
//! different keys, and are in an order in which a parent comes before its children.

mod domain;
mod lookup;
mod membership;
mod mount;
mod node;
mod package;
mod permit;
mod ratio;
mod reconcile;
mod run;
mod server;
mod template;
mod token;

use loki_domain::{Code, Command, Entity, Key, Package, Rejection};

use crate::State;
use crate::identity::{NewIds, Origin};

/// One command has at most so many facts: stores apply a command in one step.
pub const FACTS_MAX: usize = 1_000;

/// What became true: an entity's new state, or its removal.
pub type Fact = (Key, Option<Entity>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    pub facts: Vec<Fact>,
    /// More work of the same kind than one command may do: the decider appends this to the commands.
    pub follow: Option<Command>,
}

impl Decision {
    fn nothing() -> Self {
        Self::default()
    }

    fn facts(facts: Vec<Fact>) -> Self {
        Self { facts, follow: None }
    }

    fn entity(entity: Entity) -> Self {
        Self::facts(vec![now(entity)])
    }
}

type Decided = Result<Decision, Rejection>;

/// Decides one command; `at_ms` is its time.
pub fn decide(state: &State, command: &Command, origin: &Origin<'_>, at_ms: i64) -> Decided {
    let ids = NewIds::of(*origin);
    let decision = match command {
        Command::NodeCreate { path, parents, labels, contacts, defaults, again } => {
            let new = node::New { path, parents: *parents, labels, contacts, defaults, again: *again };
            node::create(state, new, ids)
        }
        Command::NodeRename { node, name } => node::rename(state, node, name),
        Command::NodeMove { node, to } => node::move_to(state, node, to),
        Command::NodeRemove { node } => node::remove(state, node),
        Command::NodeSet { node, labels, contacts, defaults } => node::set(state, node, labels, contacts.as_deref(), defaults),
        Command::ServerRegister { name, serial, addresses, idc, labels, state: condition } => {
            let new = server::New { name, serial, addresses, idc, labels, state: *condition };
            server::register(state, new, ids)
        }
        Command::ServerUpdate { server, name, serial, addresses, idc, labels } => {
            let changes = server::Changes { name, serial, addresses, idc, labels };
            server::update(state, server, changes)
        }
        Command::ServerState { server, state: condition } => server::set_state(state, server, *condition),
        Command::ServerRetire { server } => server::retire(state, server),
        Command::ServerMount { server, node, offline, ratio } => mount::mount(state, server, node, *offline, *ratio),
        Command::ServerUnmount { server, node } => mount::unmount(state, server, node),
        Command::ServerWeigh { node, mounts } => mount::weigh(state, node, mounts),
        Command::MembershipSet { membership: None, node, pattern, labels, again } => {
            membership::create(state, node.as_ref(), membership::Test { pattern, labels }, *again, ids)
        }
        Command::MembershipSet { membership: Some(_), again: Some(_), .. } => {
            Err(Rejection::new(Code::Invalid, "again", "a rule is either changed, as `membership`, or made again: leave one of them out"))
        }
        Command::MembershipSet { membership: Some(id), node, pattern, labels, again: None } => {
            membership::replace(state, id, node.as_ref(), membership::Test { pattern, labels })
        }
        Command::MembershipRemove { membership } => membership::remove(state, membership),
        Command::MembershipSweep { membership } => membership::sweep(state, membership),
        Command::DomainSet { site, node, expect, again } => domain::set(state, site, node, expect, *again, ids),
        Command::DomainRemove { site } => domain::remove(state, site),
        Command::TokenCreate { name, node, uses, key, expires_ms } => {
            let new = token::New { name, node: node.as_ref(), uses, key: *key, expires_ms: *expires_ms };
            token::create(state, new, origin, at_ms)
        }
        Command::TokenRemove { name } => token::remove(state, name, origin, at_ms),
        Command::PackageRegister { name, version, branch, url, sha256, size, minisign, manifest } => {
            let new = Package {
                id: package::NO_ID,
                name: name.clone(),
                version: version.clone(),
                branch: branch.clone(),
                url: url.clone(),
                sha256: *sha256,
                size: *size,
                minisign: minisign.clone(),
                manifest: manifest.clone(),
                withdrawn: None,
            };
            package::register(state, new, origin, at_ms)
        }
        Command::PackageWithdraw { name, version, reason } => package::withdraw(state, name, version, reason, origin, at_ms),
        Command::TemplateSet { node, name, kind, settings } => template::set(state, node, name, *kind, settings, origin, at_ms),
        Command::TemplateRemove { node, name } => template::remove(state, node, name, origin, at_ms),
        Command::RunStart { node, template, settings } => run::start(state, node, template, settings, origin, at_ms),
        Command::RunOperate { run, operation } => run::operate(state, *run, *operation, origin, at_ms),
        Command::RunReport { run, server, attempt, state: said, step, message } => {
            let report = run::Report { run: *run, server: *server, attempt: *attempt, state: *said, step, message };
            run::report(state, &report, at_ms)
        }
        Command::RunStep { run } | Command::TimerFire { run, .. } => run::step(state, *run, at_ms),
    }?;
    if decision.facts.len() > FACTS_MAX {
        let message = format!("the command would have {} facts, at most {FACTS_MAX} are allowed: split it", decision.facts.len());
        return Err(Rejection::new(Code::TooLarge, subject(command), message));
    }
    Ok(decision)
}

/// The field that names what a command is about: what is too large as a whole is rejected under it.
pub fn subject(command: &Command) -> &'static str {
    match command {
        Command::NodeCreate { .. } => "path",
        Command::NodeRename { .. } | Command::NodeMove { .. } | Command::NodeRemove { .. } | Command::NodeSet { .. } => "node",
        Command::ServerRegister { .. } => "name",
        Command::ServerUpdate { .. } | Command::ServerState { .. } | Command::ServerRetire { .. } => "server",
        Command::ServerMount { .. } | Command::ServerUnmount { .. } => "server",
        Command::ServerWeigh { .. } => "mounts",
        Command::MembershipSet { .. } | Command::MembershipRemove { .. } | Command::MembershipSweep { .. } => "membership",
        Command::DomainSet { .. } | Command::DomainRemove { .. } => "name",
        Command::TokenCreate { .. } | Command::TokenRemove { .. } => "name",
        Command::PackageRegister { .. } | Command::PackageWithdraw { .. } => "name",
        Command::TemplateSet { .. } | Command::TemplateRemove { .. } => "name",
        Command::RunStart { .. } => "node",
        Command::RunOperate { .. } | Command::RunReport { .. } | Command::RunStep { .. } | Command::TimerFire { .. } => "run",
    }
}

fn now(entity: Entity) -> Fact {
    (entity.key(), Some(entity))
}

fn gone(key: Key) -> Fact {
    (key, None)
}
