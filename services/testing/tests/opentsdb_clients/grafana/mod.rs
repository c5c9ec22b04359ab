//! Our dashboards in Grafana: every panel has data, whichever version of Grafana's data source asks, and the same data as from OpenTSDB.

mod answer;
mod dashboard;
mod line;
mod request;
mod written;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use self::answer::{Groups, difference, found_tags, groups_by_instant, names};
use self::dashboard::{Dashboard, DataSource, Panel};
use self::line::Line;
use self::request::{Span, aggregators, annotations, filter_types, health, metrics_beginning, tag_names, tag_values};
use self::written::Written;
use crate::sides::{Question, Sides};

/// Of three hosts or domains a user has chosen two.
const CHOSEN: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_shows_what_it_shows_on_opentsdb() {
    let sides = Sides::start();
    let (dashboards, written) = (Dashboard::all(), Written::read());
    let named: BTreeSet<&str> = dashboards.iter().flat_map(Dashboard::metrics).collect();
    sides.put(&written.samples(&named, sides.prefix(), sides.now_ms())).await;
    let mut drawn = 0;
    for dashboard in &dashboards {
        let dashboard = dashboard.with_prefix(sides.prefix());
        let chosen = choose(&sides, &dashboard).await;
        for panel in &dashboard.panels {
            let panel = panel.with(&chosen, &dashboard.interval());
            for line in Line::ALL {
                draw(&sides, &dashboard, &panel, line).await;
            }
            drawn += 1;
        }
    }
    assert!(drawn > 10, "only {drawn} panels were found");
}

/// What the drop-down lists offer, and a choice in each.
async fn choose(sides: &Sides, dashboard: &Dashboard) -> BTreeMap<String, String> {
    let source = DataSource::provisioned();
    let mut chosen = BTreeMap::new();
    for variable in &dashboard.variables {
        let (metric, tag) = variable.tag_values();
        let mut offered = BTreeSet::new();
        // the plug-in asks with the limit 0 where none is set
        for limit in [source.lookup_limit, 0] {
            for question in tag_values(metric, tag, limit) {
                offered = sides.agree(&question, &|body| answer::tag_values(body, tag)).await;
                assert!(offered.len() > CHOSEN, "`{}` of {} offers {offered:?}", variable.name, dashboard.title);
            }
        }
        for question in tag_names(metric) {
            let names = sides.agree(&question, &answer::tag_names).await;
            assert!(names.contains(tag), "{names:?}");
        }
        chosen.insert(variable.name.clone(), offered.into_iter().take(CHOSEN).collect::<Vec<_>>().join("|"));
    }
    assert!(!chosen.is_empty(), "{} has no variable", dashboard.title);
    chosen
}

/// Asks for one panel, and looks at each of its targets.
async fn draw(sides: &Sides, dashboard: &Dashboard, panel: &Panel, line: Line) {
    let span = Span::last(dashboard.seconds(), sides.now_ms());
    let mut found: Vec<Groups> = Vec::new();
    for question in line.questions(panel, span) {
        let (ours, theirs) = sides.ask(&question, &|body| line.decode(body)).await;
        assert_eq!(difference(&ours, &theirs), None, "{line:?} of `{}`: {question:?}", panel.title);
        found.push(ours);
    }
    let groups: Vec<_> = found.into_iter().flatten().collect();
    for target in &panel.targets {
        let of_target: Vec<_> = groups.iter().filter(|group| group.metric == target.metric).collect();
        let what = format!("{line:?} of `{}`, target {}", panel.title, target.ref_id);
        assert!(!of_target.is_empty(), "{what} has no data");
        for group in &of_target {
            assert!(group.points.len() > 20, "{what}: {group:?}");
            assert!(group.points.keys().all(|at| span.contains(*at)), "{what}: {group:?}");
        }
        for filter in target.filters.iter().filter(|filter| filter.group_by) {
            let shown: BTreeSet<&str> = of_target.iter().filter_map(|group| group.tags.get(&filter.tagk)).map(String::as_str).collect();
            match filter.kind.as_str() {
                "literal_or" => assert_eq!(shown, filter.filter.split('|').collect(), "{what}"),
                _ => assert!(shown.len() > 1, "{what} is not told apart by `{}`: {shown:?}", filter.tagk),
            }
        }
    }
    if line.wants_the_query() {
        let named = |group: &answer::Group| panel.targets[group.query_index.expect("`query.index`")].metric == group.metric;
        assert!(groups.iter().all(named), "`{}`: {groups:?}", panel.title);
    }
}

/// What the pages for the data source and for a query ask.
#[tokio::test(flavor = "multi_thread")]
async fn the_editor_offers_what_it_offers_on_opentsdb() {
    let sides = Sides::start();
    let (written, source) = (Written::read(), DataSource::provisioned());
    let named = BTreeSet::from(["host.load.1m", "host.load.5m"]);
    sides.put(&written.samples(&named, sides.prefix(), sides.now_ms())).await;
    for question in health(source.lookup_limit) {
        sides.ask(&question, &answer::names).await;
    }
    let metrics = sides.agree(&metrics_beginning(sides.prefix(), source.lookup_limit), &answer::names).await;
    assert_eq!(metrics, named.iter().map(|metric| format!("{}{metric}", sides.prefix())).collect());
    let nothing = sides.agree(&metrics_beginning(&format!("{}x", sides.prefix()), source.lookup_limit), &answer::names).await;
    assert!(nothing.is_empty());
    for kind in ["tagk", "tagv"] {
        // of the shared OpenTSDB other tests' names are known as well
        let (ours, theirs) = sides.ask(&Question::get(format!("/api/suggest?type={kind}&q=web0&max=100000")), &answer::names).await;
        assert!(theirs.is_superset(&ours), "{ours:?}");
    }

    let (filters, theirs) = sides.ask(&filter_types(), &answer::keys).await;
    // OpenTSDB knows it and does not list it
    assert_eq!(filters.difference(&theirs).collect::<Vec<_>>(), ["not_key"]);
    assert!(filters.is_superset(&theirs), "{theirs:?}");
    let (ours, theirs) = sides.ask(&aggregators(), &answer::names).await;
    assert!(theirs.is_superset(&ours), "{:?}", ours.difference(&theirs));
    for dashboard in Dashboard::all() {
        for target in dashboard.panels.iter().flat_map(|panel| &panel.targets) {
            assert!(ours.contains(&target.aggregator) && ours.contains(&target.downsample_aggregator), "{target:?}");
            assert!(target.filters.iter().all(|filter| filters.contains(&filter.kind)), "{target:?}");
        }
    }
}

/// A dashboard may take annotations from a metric.
#[tokio::test(flavor = "multi_thread")]
async fn a_metric_without_annotations_shows_none() {
    let sides = Sides::start();
    let named = BTreeSet::from(["host.load.1m"]);
    sides.put(&Written::read().samples(&named, sides.prefix(), sides.now_ms())).await;
    let question = annotations(&format!("{}host.load.1m", sides.prefix()), Span::last(3_600, sides.now_ms()));
    let (ours, theirs) = sides.ask(&question, &answer::events).await;
    assert_eq!((ours, theirs), (0, 0));
}

/// Each target and variable by itself, so that a failure names what is to be mended.
#[test]
fn dashboards_ask_for_what_is_written() {
    let written = Written::read();
    for dashboard in Dashboard::all() {
        for (metric, tag) in dashboard.uses() {
            let tags = written.tags(metric).unwrap_or_else(|| panic!("{}: nobody writes `{metric}`", dashboard.title));
            assert!(tags.contains(tag), "{}: `{metric}` has no tag `{tag}`, but {tags:?}", dashboard.title);
        }
    }
}

/// OpenTSDB 2.4, which is what Loki answers as, in seconds: the plug-in takes every instant for seconds, whatever is set.
#[test]
fn what_is_provisioned_is_what_panels_read() {
    let source = DataSource::provisioned();
    assert_eq!((source.kind.as_str(), source.version, source.resolution), ("opentsdb", 4, 1));
    for dashboard in Dashboard::all() {
        assert!(dashboard.panels.iter().all(|panel| panel.source == source.uid), "{}", dashboard.title);
    }
}
