//! `POST /api/put?details`: samples as OpenTSDB takes them, and what became of each.

use std::io::Write;

use async_trait::async_trait;
use flate2::Compression;
use flate2::write::GzEncoder;
use loki_domain::Sample;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use super::{Samples, Taken};
use crate::client::{Answer, Client, Failure, printable};

/// Reasons that are told; there may be one per point.
const REASONS_MAX: usize = 3;

pub(crate) struct HttpSamples {
    client: Client,
}

#[derive(Serialize)]
struct Point<'s> {
    metric: &'s str,
    timestamp: i64,
    value: f64,
    tags: Tags<'s>,
}

struct Tags<'s>(&'s loki_domain::Tags);

/// OpenTSDB's answer to `details`; a point that is not named in `errors` is stored.
#[derive(Deserialize)]
struct Details {
    failed: usize,
    #[serde(default)]
    errors: Vec<PointError>,
}

#[derive(Deserialize)]
struct PointError {
    #[serde(default)]
    datapoint: serde_json::Value,
    error: String,
}

impl HttpSamples {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl Samples for HttpSamples {
    async fn send(&self, samples: Vec<Sample>) -> Result<Taken, Failure> {
        let body = body(&samples).map_err(|error| Failure::now(format!("samples cannot be written: {error}")))?;
        let answer = self.client.post(&["api", "put"], &[("details", "")], body).await?;
        taken(&answer, samples.len())
    }
}

impl Serialize for Tags<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.iter().len()))?;
        for (name, value) in self.0.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// A JSON list under gzip.
fn body(samples: &[Sample]) -> std::io::Result<Vec<u8>> {
    let points: Vec<Point<'_>> = samples
        .iter()
        .map(|Sample { series, at, value }| Point {
            metric: series.metric.as_str(),
            timestamp: at.sent(),
            value: value.get(),
            tags: Tags(&series.tags),
        })
        .collect();
    let mut gzip = GzEncoder::new(Vec::with_capacity(2_048), Compression::fast());
    serde_json::to_writer(&mut gzip, &points)?;
    gzip.flush()?;
    gzip.finish()
}

fn taken(answer: &Answer, points: usize) -> Result<Taken, Failure> {
    let details = serde_json::from_slice::<Details>(&answer.body).ok();
    match (answer.status, details) {
        (200..300 | 400, Some(details)) => Ok(Taken {
            refused: details.failed.min(points),
            reasons: details.errors.iter().take(REASONS_MAX).map(|of| printable(&format!("{}: {}", of.error, of.datapoint))).collect(),
        }),
        (200..300, None) => Ok(Taken::default()),
        // the request itself is wrong, and would be the next time
        (400 | 413 | 422, _) => Ok(Taken { refused: points, reasons: vec![answer.told()] }),
        // everything else is mended by somebody: a token, a proxy, an upgrade
        _ => Err(answer.failure()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::points::of_vantage;

    #[test]
    fn a_body_is_what_opentsdb_takes() {
        let samples = [of_vantage("bj", 1_700_000_000_000, true).unwrap(), of_vantage("bj", 1_700_000_001_500, false).unwrap()];
        let mut text = String::new();
        GzDecoder::new(&*body(&samples).unwrap()).read_to_string(&mut text).unwrap();
        let point = |at: i64, value: &str| {
            format!(r#"{{"metric":"domain.vantage.ok","timestamp":{at},"value":{value},"tags":{{"vantage":"bj"}}}}"#)
        };
        assert_eq!(text, format!("[{},{}]", point(1_700_000_000, "1.0"), point(1_700_000_001_500, "0.0")));
    }

    #[test]
    fn each_point_is_answered_for() {
        let told = |status, body: &str| taken(&Answer::of(status, body), 7);
        assert_eq!(told(204, ""), Ok(Taken::default()));
        assert_eq!(told(200, r#"{"success":7,"failed":0,"errors":[]}"#), Ok(Taken::default()));
        let some = r#"{"success":5,"failed":2,"errors":[{"datapoint":{"metric":"a b"},"error":"bad metric"},{"error":"too old"}]}"#;
        let taken = told(400, some).unwrap();
        assert_eq!((taken.refused, taken.reasons[0].as_str(), taken.reasons.len()), (2, r#"bad metric: {"metric":"a b"}"#, 2));
        for status in [400, 413, 422] {
            let taken = told(status, r#"{"code":"bad_json","detail":"no JSON"}"#).unwrap();
            assert_eq!((taken.refused, taken.reasons), (7, vec![format!("{status} bad_json: no JSON")]));
        }
        for status in [301, 401, 403, 404, 429, 500, 503] {
            assert!(told(status, "").is_err(), "{status}");
        }
    }
}
