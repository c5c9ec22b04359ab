//! Questions about tokens, packages, templates and runs.

use std::collections::BTreeMap;

use loki_domain::{
    Batch, Direction, Entity, Job, Key, NodeRef, Package, Run, RunId, RunState, ServerState, Signature, Task, TaskState, Token,
};
use loki_wire::Change;

use super::World;
use super::deploys::entity;
use super::given::*;
use crate::Readers;
use crate::port::{Listed, Page, RunFilter};

fn token(number: u8, name: &str, node: u8) -> Token {
    match entity(0, number, node) {
        Entity::Token(token) => Token { name: name.parse().expect("a name"), ..token },
        other => panic!("{other:?}"),
    }
}

fn package(number: u8, name: &str, version: &str) -> Package {
    match entity(1, number, 1) {
        Entity::Package(package) => {
            Package { name: name.parse().expect("a name"), version: version.parse().expect("a version"), ..*package }
        }
        other => panic!("{other:?}"),
    }
}

fn set_package(package: Package) -> Change {
    Change::Set(Entity::Package(Box::new(package)))
}

fn template(number: u8, node: u8, name: &str) -> Change {
    match entity(2, number, node) {
        Entity::Template(mut template) => {
            template.name = name.parse().expect("a name");
            Change::Set(Entity::Template(template))
        }
        other => panic!("{other:?}"),
    }
}

/// A run of a script on a node.
fn run(number: u8, node: u8, state: RunState, begun_ms: i64) -> Run {
    match entity(3, number, node) {
        Entity::Run(run) => Run { state, begun_ms, ..*run },
        other => panic!("{other:?}"),
    }
}

fn set_run(run: Run) -> Change {
    Change::Set(Entity::Run(Box::new(run)))
}

fn task(run: RunId, server: u8, state: TaskState) -> Change {
    match entity(5, 1, 0) {
        Entity::Task(task) => Change::Set(Entity::Task(loki_domain::Task { run, server: server_id(server), state, ..task })),
        other => panic!("{other:?}"),
    }
}

fn of_batch(batch: u32, change: Change) -> Change {
    match change {
        Change::Set(Entity::Task(task)) => Change::Set(Entity::Task(loki_domain::Task { batch, ..task })),
        other => panic!("{other:?}"),
    }
}

fn path(path: &str) -> NodeRef {
    NodeRef::Path(path.parse().expect("a path"))
}

/// All of a list, read in pages of this size.
async fn all<T>(limit: usize, mut read: impl AsyncFnMut(&Page) -> Listed<T>) -> Vec<T> {
    let mut page = Page::first(limit);
    let mut seen = Vec::new();
    loop {
        let part = read(&page).await;
        assert!(part.items.len() <= limit);
        seen.extend(part.items);
        let Some(next) = part.next else { return seen };
        page.cursor = Some(next);
    }
}

pub async fn tokens_come_in_pages(world: &dyn World) {
    let mut story = Story::new();
    story.accept(vec![set_node(node(1, 0, "acme")), set_node(node(2, 1, "shop"))]);
    let tokens = [token(4, "ann", 2), token(2, "ci", 0), token(9, "ops", 7), token(1, "zoe", 1)];
    story.accept(tokens.iter().rev().map(|token| Change::Set(Entity::Token(token.clone()))).collect());
    let readers = told(world, &story).await;
    for limit in [1, 3, 100] {
        let seen = all(limit, async |page| readers.deploys.tokens(page, None).await.expect("read").value).await;
        let paths: Vec<_> = seen.iter().map(|view| view.path.as_ref().map(ToString::to_string)).collect();
        // the node of `ops` is gone
        assert_eq!(paths, [Some("/acme/shop".to_owned()), None, None, Some("/acme".to_owned())]);
        assert_eq!(seen.into_iter().map(|view| view.token).collect::<Vec<_>>(), tokens);
    }
}

pub async fn packages_are_found_by_name_and_version(world: &dyn World) {
    let mut story = Story::new();
    let all_packages = [package(5, "api", "1.0"), package(3, "web", "1.0"), package(8, "web", "1.1"), package(1, "web-2", "0")];
    story.accept(all_packages.iter().rev().cloned().map(set_package).collect());
    let withdrawn = Package { withdrawn: Some(text("broken")), ..all_packages[2].clone() };
    story.accept(vec![set_package(withdrawn.clone())]);
    let readers = told(world, &story).await;
    let named = |name: &str| name.parse().expect("a name");
    let of = async |name: Option<&str>, limit: usize| {
        let name = name.map(named);
        let seen = all(limit, async |page| readers.deploys.packages(name.as_ref(), page, None).await.expect("read").value).await;
        seen.into_iter().map(|view| format!("{} {}", view.package.name, view.package.version)).collect::<Vec<_>>()
    };
    for limit in [1, 2, 100] {
        assert_eq!(of(None, limit).await, ["api 1.0", "web 1.0", "web 1.1", "web-2 0"], "pages of {limit}");
        assert_eq!(of(Some("web"), limit).await, ["web 1.0", "web 1.1"], "pages of {limit}");
    }
    assert_eq!(of(Some("db"), 9).await, Vec::<String>::new());
    let find = async |name: &str, version: &str| {
        let version = version.parse().expect("a version");
        readers.deploys.package(&named(name), &version, None).await.expect("read").value.map(|view| view.package)
    };
    assert_eq!(find("web", "1.1").await, Some(withdrawn));
    assert_eq!(find("web", "1.2").await, None);
    assert_eq!(find("we", "1.1").await, None);
}

pub async fn a_node_has_the_nearest_templates(world: &dyn World) {
    let mut story = Story::new();
    story.accept(vec![set_node(node(1, 0, "acme")), set_node(node(2, 1, "shop")), set_node(node(3, 1, "ads"))]);
    story.accept(vec![template(1, 1, "web"), template(2, 1, "clean-up"), template(3, 2, "web"), template(4, 3, "other")]);
    let readers = told(world, &story).await;
    let of = async |node: &NodeRef| {
        let found = readers.deploys.templates(node, None).await.expect("read").value?;
        Some(found.into_iter().map(|view| format!("{} of {}", view.template.name, view.path)).collect::<Vec<_>>())
    };
    assert_eq!(of(&path("/acme")).await.expect("a node"), ["clean-up of /acme", "web of /acme"]);
    assert_eq!(of(&path("/acme/shop")).await.expect("a node"), ["clean-up of /acme", "web of /acme/shop"]);
    assert_eq!(of(&NodeRef::Id(node_id(3))).await.expect("a node"), ["clean-up of /acme", "other of /acme/ads", "web of /acme"]);
    assert_eq!(of(&path("/acme/db")).await, None);
}

async fn listed(readers: &Readers, filter: &RunFilter, limit: usize) -> Vec<i64> {
    let read = async |page: &Page| readers.deploys.runs(filter, page, None).await.expect("read").value.expect("a node");
    all(limit, read).await.into_iter().map(|view| view.run.begun_ms).collect()
}

pub async fn runs_come_newest_first_and_are_filtered(world: &dyn World) {
    let mut story = Story::new();
    story.accept(vec![set_node(node(1, 0, "acme")), set_node(node(2, 1, "shop")), set_node(node(3, 2, "web"))]);
    let runs = [
        run(1, 3, RunState::Succeeded, 10),
        run(9, 2, RunState::Running, 20),
        run(2, 1, RunState::Paused, 30),
        // two at once, and one of a node that is gone
        run(3, 3, RunState::Failed, 40),
        run(4, 3, RunState::RollingBack, 40),
        run(5, 7, RunState::Cancelled, 50),
    ];
    story.accept(runs.iter().cloned().map(set_run).collect());
    let readers = told(world, &story).await;
    let of = |node: &str| RunFilter { node: Some(path(node)), ..RunFilter::default() };
    let filters = [
        (RunFilter::default(), vec![50, 40, 40, 30, 20, 10]),
        (of("/"), vec![50, 40, 40, 30, 20, 10]),
        (of("/acme"), vec![40, 40, 30, 20, 10]),
        (of("/acme/shop"), vec![40, 40, 20, 10]),
        (RunFilter { unfinished: true, ..RunFilter::default() }, vec![40, 30, 20]),
        (RunFilter { unfinished: true, ..of("/acme/shop/web") }, vec![40]),
        (RunFilter { state: Some(RunState::Failed), ..RunFilter::default() }, vec![40]),
        (RunFilter { state: Some(RunState::Failed), unfinished: true, ..RunFilter::default() }, vec![]),
    ];
    for (filter, expected) in filters {
        for limit in [1, 2, 100] {
            assert_eq!(listed(&readers, &filter, limit).await, expected, "{filter:?}, pages of {limit}");
        }
    }
    let missing = readers.deploys.runs(&of("/acme/db"), &Page::first(1), None).await.expect("read").value;
    assert_eq!(missing, None);
    let found = readers.deploys.run(runs[0].id, None).await.expect("read").value.expect("found");
    assert_eq!((found.view.run, found.view.path.map(|path| path.to_string())), (runs[0].clone(), Some("/acme/shop/web".to_owned())));
    let found = readers.deploys.run(runs[5].id, None).await.expect("read").value.expect("found");
    assert_eq!((found.view.path, found.package, found.tasks), (None, None, BTreeMap::new()));
    assert_eq!(readers.deploys.run(RunId::MIN, None).await.expect("read").value, None);
}

pub async fn a_run_says_what_came_of_it(world: &dyn World) {
    let mut story = Story::new();
    let (old, new) = (package(1, "web", "1.0"), package(2, "web", "1.1"));
    let job = Job::Deploy { package: new.id, name: new.name.clone(), from: Some(old.id), good: Some(old.id), number: 2, fast: false };
    let run = Run { job, batches: 3, batch: 1, ..run(7, 1, RunState::Running, 10) };
    let batches = [(0, vec![5]), (1, vec![2, 9]), (2, vec![3])].map(|(number, servers): (u32, Vec<u8>)| Batch {
        run: run.id,
        number,
        servers: servers.into_iter().map(server_id).collect(),
    });
    story.accept(vec![set_node(node(1, 0, "acme")), set_server(server(2, "web02", ServerState::Online)), set_package(old.clone())]);
    story.accept(vec![set_package(new.clone()), set_run(run.clone()), set_run(self::run(8, 1, RunState::Running, 11))]);
    story.accept(batches.iter().rev().map(|batch| Change::Set(Entity::Batch(batch.clone()))).collect());
    story.accept(vec![
        of_batch(0, task(run.id, 5, TaskState::Succeeded)),
        of_batch(1, task(run.id, 2, TaskState::Running)),
        of_batch(1, task(run.id, 9, TaskState::Pending)),
        task(RunId::from_digest(&[8; 32]), 2, TaskState::Failed),
    ]);
    story.accept(vec![of_batch(1, task(run.id, 9, TaskState::Succeeded)), of_batch(2, task(run.id, 3, TaskState::Pending))]);
    story.accept(vec![remove(Key::Task(run.id, server_id(3)))]);
    let readers = told(world, &story).await;
    let found = readers.deploys.run(run.id, None).await.expect("read").value.expect("found");
    assert_eq!((found.package, found.from), (Some(new), Some(old)));
    assert_eq!(found.tasks, BTreeMap::from([(TaskState::Running, 1), (TaskState::Succeeded, 2)]));
    assert_eq!(found.batch, BTreeMap::from([(TaskState::Running, 1), (TaskState::Succeeded, 1)]));
    for limit in [1, 2, 100] {
        let read = async |page: &Page| readers.deploys.batches(run.id, page, None).await.expect("read").value.expect("a run");
        assert_eq!(all(limit, read).await, batches);
        let read = async |page: &Page| readers.deploys.tasks(run.id, &[], page, None).await.expect("read").value.expect("a run");
        let tasks: Vec<_> =
            all(limit, read).await.into_iter().map(|view| (view.name.map(|name| name.to_string()), view.task.state)).collect();
        let (running, succeeded) = (TaskState::Running, TaskState::Succeeded);
        assert_eq!(tasks, [(Some("web02".to_owned()), running), (None, succeeded), (None, succeeded)]);
    }
    for (states, expected) in [
        (&[TaskState::Succeeded][..], vec![5, 9]),
        (&[TaskState::Running, TaskState::Succeeded], vec![2, 5, 9]),
        (&[TaskState::Failed, TaskState::Unknown], vec![]),
    ] {
        for limit in [1, 100] {
            let read = async |page: &Page| readers.deploys.tasks(run.id, states, page, None).await.expect("read").value.expect("a run");
            let servers: Vec<_> = all(limit, read).await.into_iter().map(|view| view.task.server).collect();
            assert_eq!(servers, expected.iter().copied().map(server_id).collect::<Vec<_>>(), "{states:?}");
        }
    }
    for missing in [
        readers.deploys.batches(RunId::MIN, &Page::first(1), None).await.map(|answer| answer.value.is_none()),
        readers.deploys.tasks(RunId::MIN, &[], &Page::first(1), None).await.map(|answer| answer.value.is_none()),
    ] {
        assert_eq!(missing, Ok(true));
    }
}

pub async fn a_server_is_told_its_signed_open_tasks(world: &dyn World) {
    let mut story = Story::new();
    let (old, new) = (package(1, "web", "1.0"), package(2, "web", "1.1"));
    let job = Job::Deploy { package: new.id, name: new.name.clone(), from: Some(old.id), good: Some(old.id), number: 2, fast: false };
    let deploy = Run { job, ..run(7, 1, RunState::Running, 10) };
    let script = run(8, 1, RunState::Running, 11);
    let signed = |run: RunId, server: u8, state: TaskState, direction: Direction| match task(run, server, state) {
        Change::Set(Entity::Task(task)) => Task { direction, signature: Some(Signature([server; 64])), ..task },
        other => panic!("{other:?}"),
    };
    let back = signed(deploy.id, 5, TaskState::Running, Direction::Back);
    let there = signed(script.id, 5, TaskState::Pending, Direction::Forward);
    let set = |task: &Task| Change::Set(Entity::Task(task.clone()));
    story.accept(vec![set_package(old.clone()), set_package(new), set_run(deploy.clone()), set_run(script.clone())]);
    story.accept(vec![set(&there), set(&back), set(&signed(script.id, 6, TaskState::Succeeded, Direction::Forward))]);
    // one that is not signed, and one whose run is not there yet
    story.accept(vec![task(script.id, 7, TaskState::Pending), set(&signed(RunId::MIN, 8, TaskState::Pending, Direction::Forward))]);
    let readers = told(world, &story).await;
    let of = async |server: u8| readers.deploys.told(server_id(server), None).await.expect("read").value;
    let found = of(5).await;
    let documents = [
        loki_wire::task::document(&script, &there, None).expect("a document"),
        loki_wire::task::document(&deploy, &back, Some(&old)).expect("a document"),
    ];
    assert_eq!(found.iter().map(|told| told.document.clone().into_bytes()).collect::<Vec<_>>(), documents);
    assert!(found.iter().all(|told| told.signature == Signature([5; 64])) && found[0].fact < found[1].fact);
    for server in [6, 7, 8, 9] {
        assert_eq!(of(server).await, [], "{server}");
    }
}
