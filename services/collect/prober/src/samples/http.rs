//! Samples as OpenTSDB's `/api/put` takes them.

use std::io::Write;

use async_trait::async_trait;
use flate2::Compression;
use flate2::write::GzEncoder;
use loki_client::{Client, Failure, Taken};
use loki_domain::Sample;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::Samples;

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

impl HttpSamples {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl Samples for HttpSamples {
    async fn send(&self, samples: Vec<Sample>) -> Result<Taken, Failure> {
        let body = body(&samples).map_err(|error| Failure::away(format!("samples cannot be written: {error}")))?;
        self.client.put(body, samples.len()).await
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
}
