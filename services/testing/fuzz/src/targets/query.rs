//! OpenTSDB's questions, to the embedded store.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use loki_domain::{Instant, Sample, Series, Tags, Value};
use loki_series::{Answer, Limits, Options, Request, Store};
use serde_json::Value as Json;

use super::first_line;

/// The moment of all questions, and when the points begin, ten seconds from one to the next.
const NOW_MS: i64 = 1_700_003_600_000;
const BEGIN_MS: i64 = 1_700_000_000_000;
const STEP_MS: i64 = 10_000;
const POINTS: i64 = 60;

/// Points of a few series; kept until the process ends.
static STORE: LazyLock<(tempfile::TempDir, Store)> = LazyLock::new(|| {
    let folder = tempfile::Builder::new().prefix("loki-fuzz-").tempdir().unwrap();
    let limits = Limits {
        points_max: 100_000,
        series_max: 1_000,
        body_bytes_max: 64 << 10,
        answer_bytes_max: 4 << 20,
        names_max: 1_000,
        time_max: Duration::from_secs(5),
    };
    let store = Store::open(folder.path(), Options { limits, ..Options::default() }).unwrap();
    let mut samples = Vec::new();
    for (metric, host, core) in [("cpu", "web1", "0"), ("cpu", "web1", "1"), ("cpu", "web2", "0"), ("mem", "web1", "0")] {
        let series = Series::new(metric.parse().unwrap(), Tags::new([("host", host), ("core", core)]).unwrap());
        for number in 0..POINTS {
            let (at, value) = (Instant::new(BEGIN_MS + number * STEP_MS).unwrap(), Value::new(number as f64 - 7.5).unwrap());
            samples.push(Sample { series: series.clone(), at, value });
        }
    }
    store.put(&samples).unwrap();
    (folder, store)
});

/// Answered with JSON and a status that is no fault of the server, the same whenever it is asked again.
pub(crate) fn query(input: &[u8]) {
    let (line, body) = first_line(input);
    let line = String::from_utf8_lossy(line);
    let (method, target) = line.split_once(' ').unwrap_or(("GET", &line));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        body: Bytes::copy_from_slice(body),
        now_ms: NOW_MS,
    };
    let answer = answer(&request);
    assert!((200..500).contains(&answer.0), "{answer:?}");
    assert_eq!(self::answer(&request), answer);
}

/// Status and body, without how long it took.
fn answer(request: &Request) -> (u16, Json) {
    let Answer { status, body } = STORE.1.answer(request);
    let mut json = if body.is_empty() { Json::Null } else { serde_json::from_slice(&body).unwrap() };
    if let Some(time) = json.get_mut("time") {
        *time = Json::Null;
    }
    (status, json)
}
