//! Reads many records one after the other, those of Loki's own writing several times as fast as [`read`](super::read).
//!
//! Nearly all records are written by [`write`](super::write): one order of fields, no space, no escapes. Such a record is read here by itself; and a
//! series whose names were read before is known by their bytes, so that nothing of it is checked or allocated again. Whatever deviates, also by one
//! bad point, is read by [`read`](super::read) from its beginning: it alone says what is wrong, and the two never differ.

use std::collections::HashMap;

use bytes::Bytes;
use loki_domain::{Instant, Sample, Series, Tags, Value};

use super::{POINTS_MAX, RECORD_BYTES_MAX, is_written};
use crate::error::Error;

/// The memory that the reader of one partition is given.
pub const READER_BYTES_MAX: usize = 4 << 20;
/// What a known series takes beside its bytes: its entry in the table, and its names, which others mostly hold as well.
const SERIES_BYTES: usize = 160;

/// Reads records whose series come again and again, such as those of one partition.
#[derive(Debug)]
pub struct Reader {
    /// By the bytes of metric and tags as they are in the record.
    known: HashMap<Box<[u8]>, Series>,
    bytes: usize,
    bytes_max: usize,
    /// The bytes that are looked for.
    names: Vec<u8>,
}

impl Reader {
    /// `bytes_max`: the memory for series that are known. When it is full, all are forgotten.
    pub fn new(bytes_max: usize) -> Self {
        Self { known: HashMap::new(), bytes: 0, bytes_max, names: Vec::new() }
    }

    /// As [`read`](super::read).
    pub fn read(&mut self, value: Option<&Bytes>, headers: &[(String, Bytes)]) -> Result<Vec<Result<Sample, Error>>, Error> {
        let written = value.filter(|value| value.len() <= RECORD_BYTES_MAX && is_written(headers));
        match written.and_then(|value| self.points(value)) {
            Some(points) => Ok(points),
            None => super::read(value, headers),
        }
    }

    /// The points; `None`: this is not what Loki writes.
    fn points(&mut self, value: &[u8]) -> Option<Vec<Result<Sample, Error>>> {
        let mut rest = Rest(value);
        rest.pass(b"{\"points\":[")?;
        let mut points = Vec::with_capacity((value.len() / 100).min(POINTS_MAX));
        loop {
            if points.len() == POINTS_MAX {
                return None;
            }
            points.push(Ok(self.point(&mut rest)?));
            if rest.pass(b",").is_none() {
                break;
            }
        }
        rest.pass(b"]}")?;
        rest.0.is_empty().then_some(points)
    }

    fn point(&mut self, rest: &mut Rest<'_>) -> Option<Sample> {
        rest.pass(b"{\"metric\":\"")?;
        let metric = rest.until(b'"')?;
        rest.pass(b",\"timestamp\":")?;
        let at = rest.time()?;
        rest.pass(b",\"value\":")?;
        let value = rest.number()?;
        rest.pass(b",\"tags\":{")?;
        let tags = rest.until(b'}')?;
        rest.pass(b"}")?;
        Some(Sample { series: self.series(metric, tags)?, at, value })
    }

    fn series(&mut self, metric: &[u8], tags: &[u8]) -> Option<Series> {
        self.names.clear();
        self.names.extend_from_slice(metric);
        // never in a name
        self.names.push(b'"');
        self.names.extend_from_slice(tags);
        if let Some(series) = self.known.get(self.names.as_slice()) {
            return Some(series.clone());
        }
        let series = series(metric, tags)?;
        let bytes = self.names.len() + SERIES_BYTES;
        if self.bytes + bytes > self.bytes_max {
            self.known = HashMap::new();
            self.bytes = 0;
        }
        if bytes <= self.bytes_max {
            self.bytes += bytes;
            self.known.insert(self.names.as_slice().into(), series.clone());
        }
        Some(series)
    }
}

/// Names without escapes: what JSON would want to have escaped may not be in them, nor may a backslash.
fn series(metric: &[u8], tags: &[u8]) -> Option<Series> {
    let metric = std::str::from_utf8(metric).ok()?.parse().ok()?;
    let tags = std::str::from_utf8(tags).ok()?;
    let mut pairs = Vec::with_capacity(4);
    for pair in tags.split(',') {
        pairs.push(pair.strip_prefix('"')?.strip_suffix('"')?.split_once("\":\"")?);
    }
    Some(Series::new(metric, Tags::new(pairs).ok()?))
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// Goes past exactly these bytes.
    fn pass(&mut self, expected: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    /// What comes before this byte; goes past both.
    fn until(&mut self, end: u8) -> Option<&'a [u8]> {
        let length = self.0.iter().position(|byte| *byte == end)?;
        let (before, rest) = self.0.split_at(length);
        self.0 = &rest[1..];
        Some(before)
    }

    fn time(&mut self) -> Option<Instant> {
        let digits = self.digits()?;
        // 13 at most
        let sent = digits.iter().fold(0, |number: i64, digit| number.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
        Instant::new(sent).ok()
    }

    /// By the grammar of JSON: one that is not by it is an error, not another number.
    fn number(&mut self) -> Option<Value> {
        let begin = self.0;
        let _negative = self.pass(b"-");
        self.digits()?;
        if self.pass(b".").is_some() {
            self.some_digits()?;
        }
        if self.pass(b"e").or_else(|| self.pass(b"E")).is_some() {
            let _sign = self.pass(b"-").or_else(|| self.pass(b"+"));
            self.some_digits()?;
        }
        let text = std::str::from_utf8(&begin[..begin.len() - self.0.len()]).ok()?;
        Value::new(text.parse().ok()?).ok()
    }

    /// Without a zero in front.
    fn digits(&mut self) -> Option<&'a [u8]> {
        self.some_digits().filter(|digits| digits.len() == 1 || digits[0] != b'0')
    }

    fn some_digits(&mut self) -> Option<&'a [u8]> {
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(length);
        self.0 = rest;
        (length > 0).then_some(digits)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::write;
    use super::*;

    fn sample(metric: &str, tags: &[(&str, &str)], sent: i64, value: f64) -> Sample {
        let series = Series::new(metric.parse().unwrap(), Tags::new(tags.iter().copied()).unwrap());
        Sample { series, at: Instant::new(sent).unwrap(), value: Value::new(value).unwrap() }
    }

    fn samples() -> Vec<Sample> {
        vec![
            sample("host.cpu.usage", &[("host", "a"), ("core", "0")], 1_700_000_000, -12.5e-9),
            sample("m", &[("größe", "ü/x")], 1_700_000_000_123, 1e300),
            sample("host.cpu.usage", &[("host", "a"), ("core", "0")], 1_700_000_010, 0.0),
        ]
    }

    /// Every record is read twice: once while its series are not known, once when they are.
    fn check(value: &[u8], headers: &[(String, Bytes)]) {
        let value = Bytes::copy_from_slice(value);
        let expected = super::super::read(Some(&value), headers);
        for bytes_max in [0, 300, 1 << 20] {
            let mut reader = Reader::new(bytes_max);
            for _ in 0..2 {
                assert_eq!(reader.read(Some(&value), headers), expected, "{:?}", value);
                assert!(reader.bytes <= bytes_max);
            }
        }
    }

    #[test]
    fn what_loki_writes_is_read_here() {
        let (value, headers) = write(&samples());
        let mut reader = Reader::new(1 << 20);
        let points = reader.points(&value).unwrap();
        assert_eq!(points, samples().into_iter().map(Ok).collect::<Vec<_>>());
        assert_eq!((reader.known.len(), is_written(&headers)), (2, true));
        check(&value, &headers);
        check(&value, &[]);
    }

    #[test]
    fn what_deviates_is_read_as_by_everyone() {
        let point = |value: &str| format!(r#"{{"points":[{{"metric":"m","timestamp":1700000000,"value":{value},"tags":{{"a":"b"}}}}]}}"#);
        let good = point("1.5");
        let (_, headers) = write([]);
        let numbers =
            ["1", "-0", "-0.0", "01", "1.", ".5", "+1", "1e5", "1E+5", "1e", "-", "1e400", "1e-400", "9223372036854775808", "\"1\"", "NaN"];
        for value in numbers {
            check(point(value).as_bytes(), &headers);
        }
        for (from, to) in [
            ("1700000000", "0"),
            ("1700000000", "01700000000"),
            ("1700000000", "99999999999999999999999"),
            ("\"m\"", "\"\""),
            ("\"m\"", "\"a b\""),
            ("\"m\"", "\"\\u0061\""),
            ("{\"a\":\"b\"}", "{}"),
            ("{\"a\":\"b\"}", "{\"a\":\"b\",\"a\":\"c\"}"),
            ("{\"a\":\"b\"}", "{\"a\":\"b,\"}"),
            ("{\"a\":\"b\"}", "{\"a\":\"}\"}"),
            ("{\"a\":\"b\"}", "{\"a\":1}"),
            ("{\"a\":\"b\"}", "{\"z\":\"b\",\"a\":\"c\"}"),
            ("]}", "]} "),
            ("]}", "],\"more\":1}"),
            ("\"tags\"", "\"other\":1,\"tags\""),
            ("{\"points\":[", "{\"points\": ["),
            (good.as_str(), "{\"points\":[]}"),
            (good.as_str(), ""),
        ] {
            assert!(good.contains(from));
            check(good.replace(from, to).as_bytes(), &headers);
        }
        let one = &good[11..good.len() - 2];
        check(format!("{{\"points\":[{}]}}", vec![one; POINTS_MAX + 1].join(",")).as_bytes(), &headers);
        for (name, value) in
            [("ce_type", "node.create"), ("ce_dataschema", "sample.points.v2"), ("content-type", "application/cloudevents+json")]
        {
            let mut headers = headers.clone();
            headers.retain(|(header, _)| header != name);
            headers.push((name.to_owned(), Bytes::from_static(value.as_bytes())));
            check(good.as_bytes(), &headers);
        }
        assert_eq!(Reader::new(0).read(None, &headers), super::super::read(None, &headers));
    }

    proptest! {
        /// Bytes that are changed, taken out or doubled: the same points, or the same error.
        #[test]
        fn both_readers_agree(place in any::<prop::sample::Index>(), step in 0u8..3, byte in prop::sample::select(b" \"\\{}[],:.-+eE019abz\xc3\x00".to_vec())) {
            let (value, headers) = write(&samples());
            let mut value = value.to_vec();
            let place = place.index(value.len());
            match step {
                0 => value[place] = byte,
                1 => value.insert(place, byte),
                _ => {
                    value.remove(place);
                }
            }
            check(&value, &headers);
        }

        #[test]
        fn numbers_are_read_alike(number in prop_oneof![any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(|number| format!("{number:?}")), "-?[0-9]{1,25}(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?"]) {
            let (_, headers) = write([]);
            let value = format!(r#"{{"points":[{{"metric":"m","timestamp":1700000000,"value":{number},"tags":{{"a":"b"}}}}]}}"#);
            check(value.as_bytes(), &headers);
        }
    }
}
