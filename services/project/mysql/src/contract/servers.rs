//! Questions about servers.

use loki_domain::{Server, ServerRef, ServerState};

use super::World;
use super::given::*;
use crate::Readers;
use crate::port::{Page, ServerFilter};

fn named(name: &str) -> ServerRef {
    ServerRef::Name(name.parse().expect("a name"))
}

pub async fn servers_are_found_by_id_and_name(world: &dyn World) {
    let mut story = Story::new();
    // `b` was given to three machines, all of which retired, the one with the smallest id last
    for number in [3, 2, 1] {
        story.accept(vec![set_server(server(number, "b", ServerState::Online))]);
    }
    for number in [2, 3, 1] {
        story.accept(vec![set_server(server(number, "b", ServerState::Retired))]);
    }
    // of those called `a` one lives, and is neither the first nor the last in any order
    for (number, state) in [(11, ServerState::Retired), (12, ServerState::Maintenance), (13, ServerState::Retired)] {
        story.accept(vec![set_server(server(number, "a", state))]);
    }
    let readers = told(world, &story).await;
    let find = async |server: &ServerRef| readers.state.server(server, None).await.expect("read").value.map(|view| view.server);
    assert_eq!(find(&named("a")).await, Some(server(12, "a", ServerState::Maintenance)));
    assert_eq!(find(&named("b")).await, Some(server(1, "b", ServerState::Retired)));
    assert_eq!(find(&named("c")).await, None);
    assert_eq!(find(&ServerRef::Id(server_id(13))).await, Some(server(13, "a", ServerState::Retired)));
    assert_eq!(find(&ServerRef::Id(server_id(99))).await, None);
}

pub async fn a_server_says_where_it_is_mounted(world: &dyn World) {
    let mut story = Story::new();
    story.accept(vec![
        set_node(node(1, 0, "acme")),
        set_node(node(2, 1, "shop")),
        set_node(node(3, 1, "ads")),
        set_node(node(4, 0, "zeta")),
    ]);
    story.accept(vec![set_server(server(1, "web01", ServerState::Online)), set_server(server(2, "web02", ServerState::Online))]);
    story.accept(vec![set_mount(mount(4, 1)), set_mount(mount(2, 1)), set_mount(mount(3, 1)), set_mount(mount(3, 2))]);
    let readers = told(world, &story).await;
    let found = readers.state.server(&named("web01"), None).await.expect("read").value.expect("found");
    let mounts: Vec<_> = found.mounts.iter().map(|view| (view.path.to_string(), view.mount)).collect();
    assert_eq!(mounts, [("/acme/ads".into(), mount(3, 1)), ("/acme/shop".into(), mount(2, 1)), ("/zeta".into(), mount(4, 1))]);
    story.accept(vec![]);
}

async fn list(readers: &Readers, filter: &ServerFilter, limit: usize) -> Vec<String> {
    let mut page = Page::first(limit);
    let mut seen = Vec::new();
    loop {
        let part = readers.state.servers(filter, &page, None).await.expect("read").value;
        assert!(part.items.len() <= limit);
        seen.extend(part.items.into_iter().map(|server| server.name.to_string()));
        let Some(next) = part.next else { return seen };
        page.cursor = Some(next);
    }
}

pub async fn servers_come_in_pages(world: &dyn World) {
    let mut story = Story::new();
    story.accept((0..50).map(|i| set_server(server(200 - i, &format!("web{:02}", i / 2), ServerState::Online))).collect());
    let readers = told(world, &story).await;
    // two of each name, as a compacted log may have them for a while
    let expected: Vec<String> = (0..50).map(|i| format!("web{:02}", i / 2)).collect();
    for limit in [1, 7, 50, 1_000] {
        assert_eq!(list(&readers, &ServerFilter::default(), limit).await, expected, "pages of {limit}");
    }
    let all = readers.state.servers(&ServerFilter::default(), &Page::first(50), None).await.expect("read").value;
    assert_eq!((all.items.len(), all.next), (50, None));
}

pub async fn servers_are_filtered(world: &dyn World) {
    let mut story = Story::new();
    let special =
        Server { idc: Some(text("sh")), labels: labels(&[("role", "db"), ("os", "linux")]), ..server(1, "db01", ServerState::Offline) };
    let other = Server { idc: Some(text("SH")), labels: labels(&[("role", "db")]), ..server(2, "db02", ServerState::Online) };
    story.accept(vec![
        set_server(special),
        set_server(other),
        set_server(Server { idc: Some(text("sh ")), ..server(3, "web01", ServerState::Online) }),
        set_server(server(4, "web02", ServerState::Retired)),
    ]);
    let readers = told(world, &story).await;
    let filters = [
        (ServerFilter::default(), vec!["db01", "db02", "web01"]),
        (ServerFilter { state: Some(ServerState::Online), ..ServerFilter::default() }, vec!["db02", "web01"]),
        (ServerFilter { state: Some(ServerState::Retired), ..ServerFilter::default() }, vec!["web02"]),
        (ServerFilter { idc: Some(text("sh")), ..ServerFilter::default() }, vec!["db01"]),
        (ServerFilter { idc: Some(text("sh ")), ..ServerFilter::default() }, vec!["web01"]),
        (ServerFilter { name_prefix: Some("web".into()), ..ServerFilter::default() }, vec!["web01"]),
        (ServerFilter { name_prefix: Some("db0".into()), state: Some(ServerState::Offline), ..ServerFilter::default() }, vec!["db01"]),
        (ServerFilter { labels: labels(&[("role", "db")]), ..ServerFilter::default() }, vec!["db01", "db02"]),
        (ServerFilter { labels: labels(&[("role", "db"), ("os", "linux")]), ..ServerFilter::default() }, vec!["db01"]),
        (ServerFilter { labels: labels(&[("role", "web")]), ..ServerFilter::default() }, vec![]),
    ];
    for (filter, expected) in filters {
        for limit in [1, 10] {
            assert_eq!(list(&readers, &filter, limit).await, expected, "{filter:?}");
        }
    }
}
