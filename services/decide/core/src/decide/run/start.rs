//! A new run: what it does, to which servers, in which batches.

use std::collections::{BTreeMap, BTreeSet};

use loki_domain::run::{BATCHES_MAX, SERVERS_MAX};
use loki_domain::{
    Batch, Batches, Code, Failures, Job, Key, NodeId, NodeRef, OnFailure, PackageId, PackageName, Plan, Rejection, Run, RunId, RunState,
    ServerId, ServerName, ServerState, Settings, TemplateName, job,
};

use super::super::{Decided, lookup, package, permit, template};
use super::before;
use super::step::{GRACE_MS, Step};
use crate::State;
use crate::identity::{NewIds, Origin};

/// What holds where nothing is said.
const PAUSE_MS: u32 = 10_000;
const TIMEOUT_MS: u32 = 600_000;
const OUTPUT_BYTES_MAX: u32 = 1 << 20;

pub(in super::super) fn start(
    state: &State,
    node: &NodeRef,
    name: &TemplateName,
    given: &Settings,
    origin: &Origin<'_>,
    at_ms: i64,
) -> Decided {
    let node = lookup::node(state, node, "node")?;
    let (kind, settings) = template::at(state, node.id, name)?;
    let token = permit::check(state, origin, at_ms, template::use_of(kind), Some(node.id))?;
    check_approval(name, &settings, given)?;
    let settings = given.over(&settings);
    template::check(&settings, kind)?;
    let wanted = wanted(state, kind, &settings)?;
    let servers = servers(state, node.id, settings.canaries.as_deref().unwrap_or_default())?;
    let job = job(state, node.id, wanted, &servers);
    if let Job::Deploy { name, .. } = &job {
        check_free(state, node.id, name, &servers, None)?;
    }
    let plan = plan(&settings);
    let sizes = plan.batches.sizes(servers.len());
    if sizes.len() > BATCHES_MAX {
        let message = format!(
            "these would be {} batches of {} servers, at most {BATCHES_MAX} may be: use larger ones, such as `25%`",
            sizes.len(),
            servers.len()
        );
        return Err(Rejection::new(Code::Limit, "settings.batches", message));
    }
    let id = NewIds::of(*origin).run(|id| state.runs().get(id).is_some());
    let mut rest = servers.iter().copied();
    let batches: Vec<Batch> =
        (0..).zip(&sizes).map(|(number, size)| Batch { run: id, number, servers: rest.by_ref().take(*size).collect() }).collect();
    let waits = settings.approval.unwrap_or(false);
    let run = Run {
        id,
        node: node.id,
        template: name.clone(),
        job,
        plan,
        by: token.name.clone(),
        state: if waits { RunState::AwaitingApproval } else { RunState::Running },
        why: None,
        servers: u32::try_from(servers.len()).unwrap_or(u32::MAX),
        batches: u32::try_from(batches.len()).unwrap_or(u32::MAX),
        batch: 0,
        begun_ms: at_ms,
        since_ms: at_ms,
        next_ms: None,
        forgiven: 0,
        again_ms: None,
        ended_ms: None,
    };
    Ok(Step::first(state, run, batches, at_ms).decided())
}

/// An approval that a template asks for is not for whoever starts a run to leave out.
fn check_approval(name: &TemplateName, template: &Settings, given: &Settings) -> Result<(), Rejection> {
    if template.approval == Some(true) && given.approval == Some(false) {
        let message = format!("the template `{name}` asks for an approval: leave it out, and have the run approved");
        return Err(Rejection::new(Code::Invalid, "settings.approval", message));
    }
    Ok(())
}

/// What is to be done, whatever is there.
enum Wanted {
    Deploy { package: PackageId, name: PackageName },
    Script(Job),
}

fn wanted(state: &State, kind: job::Kind, settings: &Settings) -> Result<Wanted, Rejection> {
    let missing = |field: &str| Rejection::new(Code::Invalid, format!("settings.{field}"), format!("`{kind}` needs it: nobody has set it"));
    match kind {
        job::Kind::Deploy => {
            let name = settings.package.as_ref().ok_or_else(|| missing("package"))?;
            let version = settings.version.as_ref().ok_or_else(|| missing("version"))?;
            let package = package::find(state, name, version)?;
            package::check_offered(package, "settings.version")?;
            Ok(Wanted::Deploy { package: package.id, name: name.clone() })
        }
        job::Kind::Script => {
            let script = settings.script.clone().ok_or_else(|| missing("script"))?;
            let output_bytes_max = settings.output_bytes_max.unwrap_or(OUTPUT_BYTES_MAX);
            Ok(Wanted::Script(Job::Script { script, user: settings.user.clone(), output_bytes_max }))
        }
    }
}

fn job(state: &State, node: NodeId, wanted: Wanted, servers: &[ServerId]) -> Job {
    match wanted {
        Wanted::Deploy { package, name } => {
            let number = match state.runs().last_of(node, &name).map(|last| &last.job) {
                Some(Job::Deploy { number, .. }) => number.saturating_add(1),
                _ => 1,
            };
            let good = before::good(state, node, &name, servers);
            Job::Deploy { package, name, from: good, good, number, fast: false }
        }
        Wanted::Script(job) => job,
    }
}

fn plan(settings: &Settings) -> Plan {
    let timeout_ms = settings.timeout_ms.unwrap_or(TIMEOUT_MS);
    Plan {
        batches: settings.batches.clone().unwrap_or_else(Batches::one_by_one),
        failures: settings.failures.unwrap_or(Failures::Servers(0)),
        on_failure: settings.on_failure.unwrap_or(OnFailure::Pause),
        pause_ms: settings.pause_ms.unwrap_or(PAUSE_MS),
        timeout_ms,
        // whoever gives a server longer waits for it as long
        progress_ms: settings.progress_ms.unwrap_or_else(|| timeout_ms.max(TIMEOUT_MS).saturating_add(GRACE_MS)),
    }
}

/// Every online server that is mounted on the node or below it: those that come first, then the others by name.
fn servers(state: &State, node: NodeId, canaries: &[ServerName]) -> Result<Vec<ServerId>, Rejection> {
    let mut found: BTreeMap<&ServerName, ServerId> = BTreeMap::new();
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        open.extend(state.tree().children(Some(node)));
        let mounted = state.mounts().of_node(node).filter_map(|mount| state.servers().get(&mount.server));
        for server in mounted.filter(|server| server.state == ServerState::Online) {
            found.insert(&server.name, server.id);
        }
    }
    if found.is_empty() {
        return Err(Rejection::new(Code::NotFound, "node", format!("no online server is under `{}`", lookup::path(state, node))));
    }
    if found.len() > SERVERS_MAX {
        let message = format!("{} servers are under it, a run has at most {SERVERS_MAX}: start one for each node below", found.len());
        return Err(Rejection::new(Code::Limit, "node", message));
    }
    let mut servers = Vec::with_capacity(found.len());
    for (index, name) in canaries.iter().enumerate() {
        if canaries[..index].contains(name) {
            return Err(Rejection::new(Code::Invalid, "settings.canaries", format!("`{name}` is there twice: give it once")));
        }
        let not_there = || Rejection::new(Code::NotFound, "settings.canaries", format!("no online server `{name}` is under the node"));
        servers.push(found.remove(name).ok_or_else(not_there)?);
    }
    servers.extend(found.into_values());
    Ok(servers)
}

/// No other run may be putting the same package onto one of these servers.
pub(super) fn check_free(
    state: &State,
    node: NodeId,
    name: &PackageName,
    servers: &[ServerId],
    own: Option<RunId>,
) -> Result<(), Rejection> {
    let servers: BTreeSet<ServerId> = servers.iter().copied().collect();
    for run in state.runs().unfinished().filter(|run| Some(run.id) != own) {
        let same = matches!(&run.job, Job::Deploy { name: other, .. } if other == name);
        let batches = || (0..run.batches).filter_map(|number| state.runs().batch(run.id, number));
        if same && (run.node == node || batches().any(|batch| batch.servers.iter().any(|server| servers.contains(server)))) {
            let message = format!("`{name}` is being deployed to `{}`: let that run end first", lookup::path(state, run.node));
            return Err(Rejection::new(Code::RunPending, "node", message).in_the_way(Key::Run(run.id)));
        }
    }
    Ok(())
}
