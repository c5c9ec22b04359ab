//! Points on their way: as the body of `/api/put`, and as they lie in the spool.
//!
//! Both are JSON under gzip, which makes a tenth of it. In the spool the list's brackets are left out, so that several rounds are put together
//! by a comma, and read by nobody.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use loki_domain::Sample;

/// Points of one request, at most: as many as one record of the log holds.
pub(crate) const POINTS_MAX: u32 = 1_000;
/// One batch of so many points has a tenth of it.
pub(crate) const BYTES_MAX: u64 = 4 << 20;

/// At least one point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) points: u32,
    /// The points with commas between them.
    json: Vec<u8>,
}

impl Batch {
    /// `None` without a sample.
    pub(crate) fn new(samples: &[Sample]) -> Option<Self> {
        let mut json = Vec::with_capacity(samples.len() * 128);
        for Sample { series, at, value } in samples {
            let comma = if json.is_empty() { "" } else { "," };
            // writing to a vector does not fail, and no name has a sign that JSON escapes
            let _ = write!(json, "{comma}{{\"metric\":\"{}\",\"timestamp\":{at},\"value\":{value},\"tags\":{{", series.metric);
            for (index, (name, value)) in series.tags.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                let _ = write!(json, "{comma}\"{name}\":\"{value}\"");
            }
            json.extend_from_slice(b"}}");
        }
        let points = u32::try_from(samples.len()).unwrap_or(u32::MAX);
        (points > 0).then_some(Self { points, json })
    }

    /// All of them in one; `None` when there is none.
    pub(crate) fn joined(batches: impl IntoIterator<Item = Self>) -> Option<Self> {
        batches.into_iter().reduce(|mut all, next| {
            all.json.push(b',');
            all.json.extend_from_slice(&next.json);
            all.points = all.points.saturating_add(next.points);
            all
        })
    }

    /// A JSON list under gzip.
    pub(crate) fn body(&self) -> std::io::Result<Vec<u8>> {
        gzip(&[b"[", &self.json, b"]"])
    }

    /// As it lies in the spool.
    pub(crate) fn packed(&self) -> std::io::Result<Vec<u8>> {
        gzip(&[&self.json])
    }

    /// # Errors
    /// It was not packed here, or is too large.
    pub(crate) fn unpacked(points: u32, packed: &[u8]) -> std::io::Result<Self> {
        let mut json = Vec::with_capacity(packed.len() * 8);
        GzDecoder::new(packed).take(BYTES_MAX + 1).read_to_end(&mut json)?;
        if json.len() as u64 > BYTES_MAX {
            return Err(std::io::Error::other("a batch of the spool is larger than any that was put there"));
        }
        Ok(Self { points, json })
    }
}

fn gzip(parts: &[&[u8]]) -> std::io::Result<Vec<u8>> {
    // the fast level: a host has better things to do, and the difference is a few percent
    let mut gzip = GzEncoder::new(Vec::with_capacity(2_048), Compression::fast());
    for part in parts {
        gzip.write_all(part)?;
    }
    gzip.finish()
}

#[cfg(test)]
mod tests {
    use loki_domain::sample::{Instant, Value};
    use loki_domain::{Series, Tags};

    use super::*;

    fn sample(metric: &str, tags: &[(&str, &str)], ms: i64, value: f64) -> Sample {
        let series = Series::new(metric.parse().unwrap(), Tags::new(tags.iter().copied()).unwrap());
        Sample { series, at: Instant::new(ms).unwrap(), value: Value::new(value).unwrap() }
    }

    fn text(batch: &Batch) -> String {
        let mut text = String::new();
        GzDecoder::new(&*batch.body().unwrap()).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_body_is_what_opentsdb_takes() {
        let one = Batch::new(&[
            sample("host.up", &[("host", "web01")], 1_700_000_010_000, 1.0),
            sample("host.disk.used", &[("mount", "/"), ("host", "web01")], 1_700_000_010_050, 2.5),
        ]);
        let body = r#"[{"metric":"host.up","timestamp":1700000010,"value":1.0,"tags":{"host":"web01"}},{"metric":"host.disk.used","timestamp":1700000010050,"value":2.5,"tags":{"host":"web01","mount":"/"}}]"#;
        let one = one.unwrap();
        assert_eq!((text(&one).as_str(), one.points), (body, 2));
        serde_json::from_str::<Vec<serde_json::Value>>(body).unwrap();
        assert_eq!(Batch::new(&[]), None);
    }

    #[test]
    fn several_rounds_are_one_list() {
        let of = |ms| Batch::new(&[sample("m", &[("host", "a")], ms, 1.0)]).unwrap();
        let spooled = of(1_700_000_000_000).packed().unwrap();
        let first = Batch::unpacked(1, &spooled).unwrap();
        assert_eq!(first, of(1_700_000_000_000));
        let both = Batch::joined([first, of(1_700_000_010_000)]).unwrap();
        let list: Vec<serde_json::Value> = serde_json::from_str(&text(&both)).unwrap();
        assert_eq!((both.points, list.len()), (2, 2));
        assert_eq!(list[1]["timestamp"], 1_700_000_010);
        assert_eq!(Batch::joined([]), None);
    }

    #[test]
    fn what_is_no_batch_is_an_error() {
        assert!(Batch::unpacked(1, b"no gzip").is_err());
        let bomb = gzip(&[&vec![b' '; BYTES_MAX as usize + 1]]).unwrap();
        assert!(bomb.len() < 64 << 10 && Batch::unpacked(1, &bomb).is_err());
    }
}
