//! Domains, in a database of their own: they keep all that is promised of the current state, and answer about parts of the tree.

use std::time::Duration;

use loki_domain::{Entity, Key, Kind, NodeRef, Position, ServerState};
use loki_runner::{Applied, Projection, State, StoreError, Stored, Target};
use loki_wire::{Change, Fact};

use super::World;
use super::given::*;
use crate::port::{DomainFilter, DomainReader, NotReady, Page, ReadError};
use crate::{Database, Projected, domain_reader, forget, migrate, rebuilding};

const KINDS: [Kind; 2] = [Kind::Node, Kind::Domain];

/// `/acme` and under it `shop` with `web`, and `ads` beside it; a domain or two on each.
fn story() -> Story {
    let mut story = Story::new();
    story.accept(vec![
        set_node(node(1, 0, "acme")),
        set_node(node(2, 1, "shop")),
        set_node(node(3, 2, "web")),
        set_node(node(4, 0, "ads")),
    ]);
    story.accept(vec![set_server(server(1, "web01", ServerState::Online)), set_mount(mount(3, 1)), set_membership(membership(1, 3))]);
    story.accept(vec![set_domain(domain(1, 1, "www.example"))]);
    story.accept(vec![set_domain(domain(2, 2, "shop.example:8443"))]);
    story.accept(vec![set_domain(domain(3, 3, "127.0.0.1:8470")), set_domain(domain(4, 3, "api.example"))]);
    story.accept(vec![set_domain(domain(5, 4, "ads.example"))]);
    story
}

fn at(path: &str) -> NodeRef {
    NodeRef::Path(path.parse().expect("a path"))
}

/// Name and path of each, read in parts; `None` when there is no such node.
async fn list(reader: &dyn DomainReader, node: Option<NodeRef>, recursive: bool, limit: usize) -> Option<Vec<String>> {
    let filter = DomainFilter { node, recursive };
    let mut page = Page::first(limit);
    let mut seen = Vec::new();
    loop {
        let part = reader.domains(&filter, &page, None).await.expect("read").value?;
        assert!(part.items.len() <= limit);
        seen.extend(part.items.into_iter().map(|view| format!("{} {}", view.domain.site.name, view.path)));
        let Some(next) = part.next else { return Some(seen) };
        page.cursor = Some(next);
    }
}

async fn domain_lines(reader: &dyn DomainReader) -> Vec<String> {
    lines(reader.dump(None).await.expect("a dump")).await
}

pub async fn domains_are_found_by_their_node(world: &dyn World) {
    let mut story = story();
    let reader = told_domains(world, &story).await;
    let all = [
        "127.0.0.1:8470 /acme/shop/web",
        "ads.example /ads",
        "api.example /acme/shop/web",
        "shop.example:8443 /acme/shop",
        "www.example /acme",
    ];
    let of = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    for limit in [1, 2, 100] {
        let list = async |node, recursive| list(&*reader, node, recursive, limit).await;
        assert_eq!(list(None, false).await, of(&all));
        assert_eq!(list(Some(at("/")), true).await, of(&all));
        assert_eq!(list(Some(at("/")), false).await, of(&[]));
        assert_eq!(list(Some(at("/acme/shop")), false).await, of(&all[3..4]));
        assert_eq!(list(Some(at("/acme/shop")), true).await, of(&[all[0], all[2], all[3]]));
        assert_eq!(list(Some(NodeRef::Id(node_id(1))), true).await, of(&[all[0], all[2], all[3], all[4]]));
        assert_eq!(list(Some(at("/acme/no")), true).await, None);
        assert_eq!(list(Some(NodeRef::Id(node_id(9))), false).await, None);
    }
    let part = reader.domains(&DomainFilter { node: Some(at("/ads")), recursive: false }, &Page::first(9), None).await.expect("read");
    let view = part.value.expect("a node").items.pop().expect("a domain");
    assert_eq!((&view.domain, view.fact), (&domain(5, 4, "ads.example"), story.facts_end() - 1));
    assert_eq!(part.stored.position, story.facts_end());

    // a node is moved with all that is under it, a domain goes to another node, one is removed
    let (end, known) = (story.facts_end(), story.facts.len());
    story.accept(vec![set_node(node(2, 4, "shop"))]);
    story.accept(vec![set_domain(domain(1, 3, "www.example")), remove(Key::Domain(domain_id(5)))]);
    let batch = batch(Target::Main, end, story.facts_end(), &story.facts[known..]);
    assert_eq!(domains(world).apply(batch).await.expect("applied"), Applied::Done);
    let moved = ["127.0.0.1:8470 /ads/shop/web", "api.example /ads/shop/web", "shop.example:8443 /ads/shop", "www.example /ads/shop/web"];
    assert_eq!(list(&*reader, Some(at("/ads")), true, 3).await, of(&moved));
    assert_eq!(list(&*reader, Some(at("/acme")), true, 3).await, of(&[]));
    assert_eq!(domain_lines(&*reader).await, fold_of(&story.facts, &KINDS));
}

pub async fn domains_come_in_pages(world: &dyn World) {
    let mut story = Story::new();
    story.accept(vec![set_node(node(1, 0, "acme")), set_node(node(2, 1, "shop"))]);
    // two of each name, in an order of ids that is not theirs
    story.accept((0..50).map(|i| set_domain(domain(200 - i, 1 + i % 2, &format!("d{:02}.example", i / 2)))).collect());
    let reader = told_domains(world, &story).await;
    let names = |seen: Vec<String>| seen.iter().filter_map(|line| Some(line.split_once(' ')?.0.to_owned())).collect::<Vec<_>>();
    let expected: Vec<String> = (0..50).map(|i| format!("d{:02}.example", i / 2)).collect();
    for limit in [1, 7, 50, 1_000] {
        assert_eq!(names(list(&*reader, Some(at("/acme")), true, limit).await.expect("a node")), expected, "pages of {limit}");
    }
    let page = Page { cursor: Some("nonsense".to_owned()), limit: 1 };
    let refused = reader.domains(&DomainFilter::default(), &page, None).await.err();
    assert!(matches!(refused, Some(ReadError::Invalid { field: "cursor", .. })), "{refused:?}");
}

/// Many changes of few entities of all kinds, applied in batches of all sizes.
pub async fn of_all_facts_only_domains_and_nodes_are_kept(world: &dyn World) {
    let mut story = Story::new();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut roll = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    for _ in 0..400 {
        let (a, b) = (roll(60) as u8, roll(60) as u8);
        let entity = match roll(4) {
            0 => Entity::Node(node(a, b, &format!("n{b}"))),
            1 => Entity::Server(server(a, &format!("s{b}"), ServerState::Online)),
            _ => Entity::Domain(domain(a, b, &format!("d{b}.example"))),
        };
        story.accept(vec![if roll(5) == 0 { remove(entity.key()) } else { Change::Set(entity) }]);
    }
    let mut projection = domains(world);
    fill(&mut projection, &Story::new().facts).await;
    let mut rest = &story.facts[1..];
    let mut from = 1;
    while !rest.is_empty() {
        let (part, later) = rest.split_at((roll(100) as usize + 1).min(rest.len()));
        assert_eq!(projection.apply(batch(Target::Main, from, end(part), part)).await.expect("applied"), Applied::Done);
        (from, rest) = (end(part), later);
    }
    let reader = domain_reader(&cdn_system(world)).expect("settings");
    let (dumped, expected) = (domain_lines(&*reader).await, fold_of(&story.facts, &KINDS));
    assert!(dumped.len() > 60 && dumped.len() < fold(&story.facts).len());
    assert_eq!(dumped, expected);
    world.run("UPDATE domain SET node = 'x' WHERE id = (SELECT id FROM (SELECT MIN(id) AS id FROM domain) AS first)").await;
    assert!(domain_lines(&*reader).await[0].ends_with(" differs: node"));
}

pub async fn domains_are_rebuilt_as_the_state_is(world: &dyn World) {
    let story = story();
    assert_eq!((domains(world).name(), domains(world).stored().await.expect("read")), ("cdn_system", None));
    let reader = told_domains(world, &story).await;
    let end = story.facts_end();
    let stored = Stored { log: log(1), position: end, state: State::Live, ended_ms: ENDED_MS };
    assert_eq!(domains(world).stored().await.expect("read"), Some(stored));
    // asked for from outside
    let config = cdn_system(world);
    forget(&config, Projected::Domains).await.expect("forgotten");
    let mut projection = domains(world);
    assert!(projection.stored().await.expect("read").is_some() && projection.is_asked());
    projection.begin_rebuild(log(1), 0).await.expect("begun");
    assert_eq!(rebuilding(&config, Projected::Domains).await.expect("read"), Some(0));
    assert_eq!(domain_lines(&*reader).await, fold_of(&story.facts, &KINDS), "readers keep what they have until the swap");
    fill(&mut projection, &story.facts).await;
    assert_eq!(domain_lines(&*reader).await, fold_of(&story.facts, &KINDS));
    assert_eq!(world.tables().await, ["domain", "domain_position", "node", "schema_version"]);
    // emptied with the database's own tools
    for table in ["domain", "node", "domain_position"] {
        world.run(&format!("DROP TABLE {table}")).await;
        assert_eq!(projection.stored().await.expect("read"), None, "{table}");
        assert_eq!(reader.dump(None).await.err(), Some(ReadError::NotReady(NotReady::Empty)), "{table}");
        fill(&mut projection, &story.facts).await;
        assert_eq!(domain_lines(&*reader).await, fold_of(&story.facts, &KINDS), "{table}");
    }
    world.empty().await;
    assert_eq!(reader.stored().await.expect("read"), None);
    fill(&mut projection, &story.facts).await;
    assert_eq!(domain_lines(&*reader).await, fold_of(&story.facts, &KINDS));
}

pub async fn domains_are_not_read_before_they_are_there(world: &dyn World) {
    let story = story();
    let reader = domain_reader(&cdn_system(world)).expect("settings");
    let ask = async |at_least| reader.domains(&DomainFilter::default(), &Page::first(9), at_least).await.err();
    assert_eq!(ask(None).await, Some(NotReady::Empty.into()));
    let mut projection = domains(world);
    fill(&mut projection, &story.facts).await;
    assert_eq!(ask(None).await, None);
    let (end, last) = (story.facts_end(), Position::fact(story.facts_end() - 1));
    assert_eq!(ask(Some(last)).await, None);
    let next = Position::fact(end);
    assert_eq!(ask(Some(next)).await, Some(NotReady::Behind { at: next, at_least: next }.into()));
    assert!(matches!(ask(Some(Position::command(0))).await, Some(ReadError::Invalid { field: "after", .. })));
    reader.wait(last, Duration::ZERO).await.expect("passed");
    let write = async { projection.apply(batch::<Fact>(Target::Main, end, end + 1, &[])).await.expect("applied") };
    let (waited, applied) = tokio::join!(reader.wait(next, Duration::from_secs(60)), write);
    assert_eq!((waited, applied), (Ok(()), Applied::Done));
    // its files were replaced by an older copy
    assert_eq!(ask(Some(next)).await, None);
    world.run(&format!("UPDATE domain_position SET position = {end}")).await;
    assert_eq!(ask(None).await, Some(NotReady::SetBack { at: next }.into()));
}

pub async fn all_ways_make_the_same_tables_of_domains(world: &dyn World) {
    assert_eq!(migrate(&cdn_system(world)).await.expect("migrated"), ["0001_create_schema_version", "0002_create_domains"]);
    assert_eq!(migrate(&cdn_system(world)).await.expect("migrated"), Vec::<&str>::new());
    let names = world.tables().await;
    let shapes = async || {
        let mut shapes = Vec::new();
        for name in &names {
            shapes.push(world.shape(name).await);
        }
        shapes
    };
    let migrated = shapes().await;
    fill(&mut domains(world), &story().facts).await;
    assert_eq!(shapes().await, migrated, "rebuilt");
    for name in names.iter().filter(|name| *name != "schema_version") {
        world.run(&format!("DROP TABLE {name}")).await;
    }
    domains(world).begin_rebuild(log(1), 0).await.expect("begun");
    for (name, shape) in names.iter().zip(&migrated) {
        assert_eq!(&world.shape(name).await, shape, "made again: {name}");
    }
}

/// Both have a table `node` and a `schema_version`: in one database each would take the other's for its own.
pub async fn databases_are_not_mixed_up(world: &dyn World) {
    migrate(&cdn_system(world)).await.expect("migrated");
    let tables = world.tables().await;
    let told = migrate(&world.config()).await.expect_err("refused").to_string();
    assert!(told.contains("`0002_create_domains`") && told.contains("`mysql`"), "{told}");
    let begun = state(world).begin_rebuild(log(1), 0).await;
    assert!(matches!(&begun, Err(StoreError::Unusable(text)) if text.contains("another schema")), "{begun:?}");
    assert_eq!(world.tables().await, tables);

    world.empty().await;
    migrate(&world.config()).await.expect("migrated");
    let tables = world.tables().await;
    let told = migrate(&world.config().of(Database::CdnSystem)).await.expect_err("refused").to_string();
    assert!(told.contains("`0002_create_state`") && told.contains("`cdn_system`"), "{told}");
    let begun = domains(world).begin_rebuild(log(1), 0).await;
    assert!(matches!(&begun, Err(StoreError::Unusable(text)) if text.contains("another schema")), "{begun:?}");
    assert_eq!(world.tables().await, tables);
}
