//! The cases. Each is a promise of `port` in a sentence.

use bytes::Bytes;
use loki_domain::{Sample, Series};

use super::{World, at, sample, series};
use crate::error::StoreError;
use crate::port::{Found, Newest, Request, SeriesStore};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A whole second, a while ago.
fn lately(world: &dyn World) -> i64 {
    (world.now_ms() - 2 * HOUR_MS).div_euclid(1_000) * 1_000
}

async fn put(store: &dyn SeriesStore, samples: &[Sample]) {
    assert_eq!(store.put(samples).await, Ok(Vec::new()));
}

async fn found(store: &dyn SeriesStore, samples: &[Sample]) -> Vec<Found> {
    let points: Vec<_> = samples.iter().map(|sample| (sample.series.clone(), sample.at)).collect();
    store.find(&points).await.expect("an answer")
}

fn values(samples: &[Sample]) -> Vec<Found> {
    samples.iter().map(|sample| Found::Value(sample.value)).collect()
}

pub async fn what_was_put_is_found(world: &dyn World) {
    let (store, metric, ms) = (world.store(), world.metric(), lately(world));
    let (one, other) = (series(&metric, &[("host", "a"), ("core", "0")]), series(&metric, &[("host", "b"), ("core", "0")]));
    let fewer = series(&metric, &[("host", "a")]);
    let samples = [
        sample(&one, ms, 1.5),
        sample(&one, ms + 1_000, 2.0),
        sample(&other, ms, 3.0),
        sample(&fewer, ms, 4.0),
        sample(&one, ms - DAY_MS, 5.0),
    ];
    put(&*store, &samples).await;
    assert_eq!(found(&*store, &samples).await, values(&samples));
    assert_eq!(store.find(&[]).await, Ok(Vec::new()));
    assert_eq!(store.put(&[]).await, Ok(Vec::new()));
}

pub async fn a_point_is_found_at_exactly_its_instant(world: &dyn World) {
    let (store, ms) = (world.store(), lately(world));
    let of = series(&world.metric(), &[("host", "a")]);
    let samples = [sample(&of, ms, 1.0), sample(&of, ms + 1, 2.0), sample(&of, ms + 999, 3.0)];
    put(&*store, &samples).await;
    assert_eq!(found(&*store, &samples).await, values(&samples));
    let beside = [sample(&of, ms - 1, 0.0), sample(&of, ms + 2, 0.0), sample(&of, ms + 1_000, 0.0)];
    assert_eq!(found(&*store, &beside).await, [Found::Nothing; 3]);
}

pub async fn values_come_back_as_they_were(world: &dyn World) {
    let (store, ms) = (world.store(), lately(world));
    let of = series(&world.metric(), &[("host", "a")]);
    let numbers = [0.0, 1.0, -1.0, 12.0, 0.1, 1e-300, 1.7e308, 4_294_967_297.0, 16_777_217.0, -2.5e-7, 1.0 / 3.0];
    let samples: Vec<_> = numbers.iter().zip(0..).map(|(number, index)| sample(&of, ms + index * 1_000, *number)).collect();
    put(&*store, &samples).await;
    assert_eq!(found(&*store, &samples).await, values(&samples));
}

pub async fn putting_again_changes_nothing(world: &dyn World) {
    let (store, ms) = (world.store(), lately(world));
    let of = series(&world.metric(), &[("host", "a")]);
    let samples = [sample(&of, ms, 1.5), sample(&of, ms + 500, 0.1)];
    for _ in 0..3 {
        put(&*store, &samples).await;
        assert_eq!(found(&*store, &samples).await, values(&samples));
    }
}

pub async fn what_was_never_stored_is_not_there(world: &dyn World) {
    let (store, metric, ms) = (world.store(), world.metric(), lately(world));
    // no name is known
    let name = format!("{metric}.unknown");
    let unknown = series(&metric, &[("host", &name), (&name, "x")]);
    assert_eq!(found(&*store, &[sample(&unknown, ms, 1.0)]).await, [Found::Nothing]);
    let known = [sample(&series(&metric, &[("host", "a"), ("core", "0")]), ms, 1.0), sample(&series(&metric, &[("host", "b")]), ms, 2.0)];
    put(&*store, &known).await;
    // some names are, and some questions are answered beside
    let mixed: Vec<Sample> = [
        vec![("host", "a"), ("core", "1")],
        vec![("host", "a"), ("core", "0")],
        vec![("host", name.as_str()), ("core", "0")],
        vec![("host", "b"), ("core", "0")],
        vec![("host", "a")],
        vec![("host", "b")],
        vec![(name.as_str(), "b")],
    ]
    .iter()
    .map(|tags| sample(&series(&metric, tags), ms, 1.0))
    .collect();
    let expected = [
        Found::Nothing,
        Found::Value(known[0].value),
        Found::Nothing,
        Found::Nothing,
        Found::Nothing,
        Found::Value(known[1].value),
        Found::Nothing,
    ];
    assert_eq!(found(&*store, &mixed).await, expected);
}

pub async fn many_points_are_found_in_one_call(world: &dyn World) {
    let (store, metric, ms) = (world.store(), world.metric(), lately(world));
    let of: Vec<Series> = (0..100).map(|host| series(&metric, &[("host", &format!("web{host}"))])).collect();
    let mut samples: Vec<_> = of.iter().zip(0..).map(|(of, index)| sample(of, ms + index * 500, index as f64)).collect();
    samples.extend((0..200).map(|minute| sample(&of[0], ms - DAY_MS + minute * 60_000, minute as f64)));
    put(&*store, &samples).await;
    let twice: Vec<Sample> = samples.iter().chain(&samples[..10]).cloned().collect();
    assert_eq!(found(&*store, &twice).await, values(&twice));
}

pub async fn series_that_differ_in_several_tags_are_all_found(world: &dyn World) {
    let (store, metric, ms) = (world.store(), world.metric(), lately(world));
    let of: Vec<Series> =
        (0..12).map(|number| series(&metric, &[("host", &format!("h{}", number / 3)), ("core", &format!("c{}", number % 3))])).collect();
    let samples: Vec<_> = of.iter().zip(0..).map(|(of, index)| sample(of, ms + index * 500, index as f64)).collect();
    put(&*store, &samples).await;
    assert_eq!(found(&*store, &samples).await, values(&samples));
    let newest: Vec<Newest> = samples.iter().map(|sample| Newest::At(sample.at)).collect();
    assert_eq!(store.newest(&of).await, Ok(newest));
}

pub async fn the_newest_point_is_told(world: &dyn World) {
    let (store, metric, ms) = (world.store(), world.metric(), lately(world));
    let now_ms = world.now_ms();
    let instants = [now_ms - 5 * DAY_MS, ms - 20 * HOUR_MS - 1, ms, now_ms - 60_000, now_ms + 60_000];
    let of: Vec<Series> = (0..instants.len()).map(|host| series(&metric, &[("host", &format!("web{host}"))])).collect();
    let mut samples = Vec::new();
    for (of, newest) in of.iter().zip(instants) {
        samples.extend([sample(of, newest, 1.0), sample(of, newest - 1_000, 2.0), sample(of, newest - DAY_MS, 3.0)]);
    }
    put(&*store, &samples).await;
    let expected: Vec<_> = instants.iter().map(|ms| Newest::At(at(*ms))).collect();
    assert_eq!(store.newest(&of).await, Ok(expected));
    assert_eq!(store.newest(&[]).await, Ok(Vec::new()));
}

pub async fn a_series_without_points_has_no_newest(world: &dyn World) {
    let (store, metric, ms) = (world.store(), world.metric(), lately(world));
    let known = series(&metric, &[("host", "a"), ("core", "0")]);
    assert_eq!(store.newest(std::slice::from_ref(&known)).await, Ok(vec![Newest::Never]));
    put(&*store, &[sample(&known, ms, 1.0), sample(&series(&metric, &[("host", "b"), ("core", "1")]), ms, 1.0)]).await;
    // its names are known, it is not: how far back that is known is the store's affair
    let other = series(&metric, &[("host", "a"), ("core", "1")]);
    let newest = store.newest(&[known, other]).await.expect("an answer");
    assert_eq!(newest[0], Newest::At(at(ms)));
    match newest[1] {
        Newest::Never => {}
        Newest::NotAfter(since) => assert!(since.ms() <= world.now_ms() - 7 * DAY_MS, "{since:?}"),
        Newest::At(at) => panic!("it has no point at {at}"),
    }
}

pub async fn readers_answer_what_was_put(world: &dyn World) {
    let (store, metric, ms) = (world.store(), world.metric(), lately(world));
    let Some(reader) = world.reader() else { return };
    let of = series(&metric, &[("host", "a")]);
    put(&*store, &[sample(&of, ms, 1.5), sample(&of, ms + 500, 2.5)]).await;
    let query = format!("start={}&end={}&ms=true&m=none:{metric}", ms / 1_000 - 1, ms / 1_000 + 1);
    let body = format!(
        r#"{{"start":{},"end":{},"msResolution":true,"queries":[{{"aggregator":"none","metric":"{metric}"}}]}}"#,
        ms / 1_000 - 1,
        ms / 1_000 + 1
    );
    let asked = [
        Request { method: "GET".to_owned(), path: "query".to_owned(), query, ..Request::default() },
        Request {
            method: "POST".to_owned(),
            path: "query".to_owned(),
            content_type: Some("application/json".to_owned()),
            body: body.into(),
            ..Request::default()
        },
    ];
    for request in asked {
        let answer = reader.answer(request).await.expect("an answer");
        assert_eq!(answer.status, 200);
        let json: serde_json::Value = serde_json::from_slice(&answer.bytes(1 << 20).await.expect("a body")).expect("JSON");
        assert_eq!(json[0]["dps"], serde_json::json!({ms.to_string(): 1.5, (ms + 500).to_string(): 2.5}));
    }
    let wrong = Request { method: "GET".to_owned(), path: "query".to_owned(), query: "m=none:x".to_owned(), ..Request::default() };
    let answer = reader.answer(wrong).await.expect("an answer");
    assert_eq!(answer.status, 400);
    assert!(matches!(answer.bytes(1).await, Err(StoreError::TooLarge { limit: 1 })));
}

pub async fn readers_change_nothing(world: &dyn World) {
    let Some(reader) = world.reader() else { return };
    let point = format!(r#"[{{"metric":"{}","timestamp":{},"value":1,"tags":{{"host":"a"}}}}]"#, world.metric(), lately(world) / 1_000);
    for (method, path, query, body) in [
        ("POST", "put", "", point.as_str()),
        ("DELETE", "query", "start=1h-ago&m=sum:x", ""),
        ("GET", "query", "start=1h-ago&m=sum:x&method_override=DELETE", ""),
        ("POST", "query", "", r#"{"start":"1h-ago","delete":true,"queries":[]}"#),
        ("GET", "dropcaches", "", ""),
    ] {
        let of = |text: &str| text.to_owned();
        let body = Bytes::copy_from_slice(body.as_bytes());
        let request = Request { method: of(method), path: of(path), query: of(query), body, ..Request::default() };
        assert!(matches!(reader.answer(request).await, Err(StoreError::Refused(_) | StoreError::Unknown(_))), "{method} {path}");
    }
}
