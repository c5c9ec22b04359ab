//! Writes entities, keys and rejections as scenarios write them.

use loki_core::State;
use loki_domain::{
    Domain, DomainId, Entity, Expectation, Job, Key, Labels, Membership, MembershipId, NodeId, Rejection, Run, ServerId, Source, Text,
};

use super::language::Names;

pub(crate) fn entity(entity: &Entity, state: &State, names: &Names) -> String {
    let mut words = vec![key(&entity.key(), state, names)];
    match entity {
        Entity::Node(node) => {
            labels(&mut words, "labels", &node.labels);
            words.extend(node.contacts.iter().map(|contact| format!("contacts={contact}")));
            labels(&mut words, "defaults", &node.defaults);
        }
        Entity::Server(server) => {
            words.push(server.state.to_string());
            words.extend(server.serial.iter().map(|serial| format!("serial={serial}")));
            words.extend(server.addresses.iter().map(|address| format!("addresses={address}")));
            words.extend(server.idc.iter().map(|idc| format!("idc={idc}")));
            labels(&mut words, "labels", &server.labels);
        }
        Entity::Mount(mount) => {
            words.push(match mount.source {
                Source::Manual => "by hand".to_owned(),
                Source::Membership(id) => format!("by {}", membership(id, names)),
            });
            words.extend(mount.ratio.map(|ratio| format!("ratio={}", ratio.ppm())));
            words.extend(mount.offline.then(|| "offline".to_owned()));
        }
        Entity::Membership(rule) => rule_words(&mut words, rule, state),
        Entity::Domain(domain) => domain_words(&mut words, domain, state),
        Entity::Token(token) => {
            words.push(token.node.map_or_else(|| "/".to_owned(), |id| node(id, state)));
            words.extend(token.uses.iter().map(|one| one.to_string()));
            words.extend(token.expires_ms.map(|end| format!("expires={end}")));
        }
        Entity::Package(package) => words.extend(package.withdrawn.iter().map(|reason| format!("withdrawn={reason}"))),
        Entity::Template(template) => words.push(template.kind.to_string()),
        Entity::Run(run) => run_words(&mut words, run, state),
        Entity::Batch(batch) => words.extend(batch.servers.iter().map(|id| server(*id, state))),
        Entity::Task(task) => {
            words.extend([task.direction.to_string(), task.state.to_string(), format!("attempt={}", task.attempt)]);
            words.extend(task.step.iter().map(|step| format!("step={step}")));
        }
        Entity::Timer(timer) => words.push(timer.due_ms.to_string()),
    }
    words.join(" ")
}

fn run_words(words: &mut Vec<String>, run: &Run, state: &State) {
    words.push(run.state.to_string());
    words.push(format!("batch={}/{}", run.batch, run.batches));
    if let Job::Deploy { from: Some(from), .. } = &run.job {
        words.extend(state.packages().get(from).map(|from| format!("from={}", from.version)));
    }
    words.extend(run.next_ms.map(|next_ms| format!("next={next_ms}")));
    words.extend(run.why.iter().map(|why| format!("({why})")));
}

fn rule_words(words: &mut Vec<String>, rule: &Membership, state: &State) {
    words.push(node(rule.node, state));
    words.extend(rule.pattern.iter().map(|pattern| format!("pattern={pattern}")));
    labels(words, "labels", &rule.labels);
    if let Some(sweep) = rule.sweep {
        words.push(if sweep.removing { "removing" } else { "sweeping" }.to_owned());
    }
}

/// What is as it is by default is left out.
fn domain_words(words: &mut Vec<String>, domain: &Domain, state: &State) {
    words.push(node(domain.node, state));
    let Expectation { statuses, body, within } = &domain.expect;
    if *statuses != Default::default() {
        words.extend(statuses.iter().map(|status| format!("status={status}")));
    }
    words.extend(body.iter().map(|body| format!("body={body}")));
    if *within != Default::default() {
        words.push(format!("within={}", within.ms()));
    }
}

pub(crate) fn key(key: &Key, state: &State, names: &Names) -> String {
    match key {
        Key::Node(id) => format!("node {}", node(*id, state)),
        Key::Server(id) => format!("server {}", server(*id, state)),
        Key::Mount(at, id) => format!("mount {} {}", node(*at, state), server(*id, state)),
        Key::Membership(id) => format!("membership {}", membership(*id, names)),
        Key::Domain(id) => format!("domain {}", domain(*id, state)),
        Key::Token(id) => format!("token {}", state.tokens().get(id).map_or_else(|| id.to_string(), |token| token.name.to_string())),
        Key::Package(id) => match state.packages().get(id) {
            Some(package) => format!("package {} {}", package.name, package.version),
            None => format!("package {id}"),
        },
        Key::Template(id) => match state.templates().get(id) {
            Some(template) => format!("template {} {}", template.name, node(template.node, state)),
            None => format!("template {id}"),
        },
        Key::Run(id) => match state.runs().get(id) {
            Some(run) => format!("run {} {}", run.template, node(run.node, state)),
            None => format!("run {id}"),
        },
        Key::Batch(_, number) => format!("batch {number}"),
        Key::Task(_, id) => format!("task {}", server(*id, state)),
        Key::Timer(_) => "timer".to_owned(),
    }
}

pub(crate) fn rejection(rejection: &Rejection, state: &State, names: &Names) -> String {
    let conflict = rejection.conflict.as_ref().map(|text| {
        let in_the_way: Key = text.parse().expect("a conflict is a key");
        assert!(state.get(&in_the_way).is_some(), "{text} is not there");
        format!(" ({})", key(&in_the_way, state, names))
    });
    format!("rejected {} {}{}", rejection.code.as_str(), rejection.field, conflict.unwrap_or_default())
}

fn node(id: NodeId, state: &State) -> String {
    state.tree().path(id).to_string()
}

fn server(id: ServerId, state: &State) -> String {
    state.servers().get(&id).map_or_else(|| id.to_string(), |server| server.name.to_string())
}

/// Its URL, and the vendor where it is not one's own servers; by its id when it is gone.
fn domain(id: DomainId, state: &State) -> String {
    let Some(domain) = state.domains().get(&id) else { return id.to_string() };
    let vendor = Some(&domain.site.vendor).filter(|vendor| **vendor != Default::default());
    domain.site.url() + &vendor.map(|vendor| format!(" of {vendor}")).unwrap_or_default()
}

/// A rule without a name of its own is `rule`.
fn membership(id: MembershipId, names: &Names) -> String {
    names.iter().find(|(_, key)| **key == Key::Membership(id)).map_or_else(|| "rule".to_owned(), |(name, _)| name.clone())
}

fn labels(words: &mut Vec<String>, field: &str, labels: &Labels) {
    words.extend(labels.iter().map(|(key, value): (&str, &Text)| format!("{field}.{key}={value}")));
}
