//! Stores and samples for tests.

use bytes::Bytes;
use loki_domain::sample::{Instant, Value};
use loki_domain::series::Tags;
use loki_domain::{Sample, Series};
use loki_series::{Answer, Options, Request, Store};
use serde_json::Value as Json;
use tempfile::TempDir;

/// 2023-11-14 22:00:00, a whole hour.
pub(crate) const HOUR: i64 = 1_699_999_200_000;
pub(crate) const NOW: i64 = HOUR + 2 * 3_600_000;

pub(crate) fn open(folder: &TempDir) -> Store {
    Store::open(folder.path(), Options::default()).expect("a store")
}

/// `metric{name=value,…}`.
pub(crate) fn series(written: &str) -> Series {
    let (metric, tags) = written.split_once('{').expect("tags");
    let tags = tags.trim_end_matches('}').split(',').map(|tag| tag.split_once('=').expect("a tag"));
    Series::new(metric.parse().expect("a metric"), Tags::new(tags).expect("tags"))
}

pub(crate) fn instant(ms: i64) -> Instant {
    let sent = if ms % 1_000 == 0 { ms / 1_000 } else { ms };
    Instant::new(sent).expect("an instant")
}

pub(crate) fn sample(series: &Series, at: i64, value: f64) -> Sample {
    Sample { series: series.clone(), at: instant(at), value: Value::new(value).expect("a number") }
}

/// Points by seconds after [`HOUR`].
pub(crate) fn put(store: &Store, written: &str, points: &[(i64, f64)]) {
    let series = series(written);
    let samples: Vec<Sample> = points.iter().map(|(second, value)| sample(&series, HOUR + second * 1_000, *value)).collect();
    store.put(&samples).expect("put");
}

pub(crate) fn ask(store: &Store, method: &str, path: &str, query: &str, body: &str) -> Answer {
    let body = Bytes::copy_from_slice(body.as_bytes());
    store.answer(&Request { method: method.to_owned(), path: path.to_owned(), query: query.to_owned(), body, now_ms: NOW })
}

pub(crate) fn read(answer: &Answer) -> (u16, Json) {
    let json = serde_json::from_slice(&answer.body);
    (answer.status, json.unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(&answer.body))))
}

pub(crate) fn get(store: &Store, path: &str, query: &str) -> (u16, Json) {
    read(&ask(store, "GET", path, query, ""))
}
