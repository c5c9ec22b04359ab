//! What would cost too much is 413, in OpenTSDB's shape.

use std::time::Duration;

use loki_series::{Limits, Options, Store};
use serde_json::json;
use tempfile::tempdir;

use crate::given::{HOUR, ask, get, put, read};

fn status(limits: Limits, query: &str, body: &str) -> u16 {
    let folder = tempdir().unwrap();
    let store = Store::open(folder.path(), Options { limits, ..Options::default() }).unwrap();
    for host in ["a", "b", "c"] {
        let points: Vec<(i64, f64)> = (0..100).map(|second| (second, 1.5)).collect();
        put(&store, &format!("cpu{{host={host}}}"), &points);
    }
    let (status, answer) = read(&ask(&store, if body.is_empty() { "GET" } else { "POST" }, "query", query, body));
    if status != 200 {
        assert_eq!(answer["error"]["code"], json!(status));
    }
    status
}

#[test]
fn each_limit_is_kept() {
    let query = format!("start={}&end={}&m=none:cpu", HOUR / 1_000, HOUR / 1_000 + 3_000);
    let filled = format!("start={}&end={}&m=none:1s-sum-zero:cpu", HOUR / 1_000, HOUR / 1_000 + 3_000);
    let limits = Limits::default;
    for (limits, query, expected) in [
        (limits(), &query, 200),
        (Limits { points_max: 300, ..limits() }, &query, 200),
        (Limits { points_max: 299, ..limits() }, &query, 413),
        (Limits { points_max: 11_099, ..limits() }, &filled, 413),
        (Limits { points_max: 11_100, ..limits() }, &filled, 200),
        (Limits { series_max: 2, ..limits() }, &query, 413),
        (Limits { answer_bytes_max: 1_000, ..limits() }, &query, 413),
        (Limits { time_max: Duration::ZERO, ..limits() }, &query, 413),
    ] {
        assert_eq!(status(limits.clone(), query, ""), expected, "{limits:?}");
    }
    assert_eq!(status(Limits { body_bytes_max: 10, ..limits() }, "", &"x".repeat(11)), 413);
    assert_eq!(status(Limits { body_bytes_max: 11, ..limits() }, "", &"x".repeat(11)), 400);
}

#[test]
fn names_are_bounded_whatever_is_asked() {
    let folder = tempdir().unwrap();
    let limits = Limits { names_max: 2, ..Limits::default() };
    let store = Store::open(folder.path(), Options { limits, ..Options::default() }).unwrap();
    for host in ["a", "b", "c"] {
        put(&store, &format!("cpu{{host={host}}}"), &[(0, 1.0)]);
    }
    assert_eq!(get(&store, "suggest", "type=tagv&max=100").1, json!(["a", "b"]));
    assert_eq!(get(&store, "search/lookup", "m=cpu&limit=0").1["totalResults"], json!(2));
}
