//! Version 1 of the points: OpenTSDB's own shape, in an object that leaves room for more.
//!
//! As OpenTSDB does, a reader takes digits in a text for a number. Written are numbers, and values always with a point or an exponent.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;

use bytes::Bytes;
use loki_domain::{Instant, Metric, Sample, Series, Tags, Value};
use schemars::JsonSchema;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::POINTS_MAX;
use crate::error::{At, Error};
use crate::json::{from_json, read_json};
use crate::shape;

pub const NAME: &str = "sample.points.v1";

/// Points that were measured. Of several about one series and instant the first one counts.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the schema; reading borrows and writing is by hand")]
pub struct Points {
    #[schemars(length(min = 1, max = 1_000))]
    points: Vec<Point>,
}

/// One point.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "as above")]
pub struct Point {
    #[schemars(with = "shape::SeriesName")]
    metric: String,
    /// Seconds since 1970, or milliseconds when it does not fit into 32 bits.
    #[schemars(range(min = 1, max = 9_999_999_999_999_i64))]
    timestamp: i64,
    value: f64,
    #[schemars(with = "shape::Tags")]
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Read<'a> {
    #[serde(borrow)]
    points: Vec<Given<'a>>,
}

/// The same, each point for itself.
#[derive(Deserialize)]
struct ReadEach<'a> {
    #[serde(borrow)]
    points: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Given<'a> {
    #[serde(borrow)]
    metric: Cow<'a, str>,
    timestamp: Number,
    value: Number,
    #[serde(borrow)]
    tags: Pairs<'a>,
}

/// Structured CloudEvents, or a bare point.
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) dataschema: Option<String>,
    #[serde(borrow)]
    pub(super) data: Option<&'a RawValue>,
    #[serde(borrow)]
    metric: Option<&'a RawValue>,
}

/// The event; `None`: it is a bare point, or a list.
pub(super) fn event(value: &[u8]) -> Result<Option<Event<'_>>, Error> {
    if is_list(value) {
        return Ok(None);
    }
    let event: Event<'_> = read_json(value)?;
    Ok(event.metric.is_none().then_some(event))
}

/// Reads the data of an event.
pub(super) fn read(data: &[u8]) -> Result<Vec<Result<Sample, Error>>, Error> {
    match read_json::<Read<'_>>(data) {
        Ok(read) => samples(read.points),
        Err(_) => each(read_json::<ReadEach<'_>>(data)?.points),
    }
}

/// Reads one point, or a list of them.
pub(super) fn read_bare(value: &[u8]) -> Result<Vec<Result<Sample, Error>>, Error> {
    if !is_list(value) {
        return Ok(vec![read_json(value).and_then(sample)]);
    }
    match from_json::<Vec<Given<'_>>>(value) {
        Ok(points) => samples(points),
        Err(_) => each(from_json(value)?),
    }
}

/// Writes what `read` reads. The names need no escapes: their rules leave out all that JSON would want to have escaped.
pub(super) fn write<'s>(samples: impl IntoIterator<Item = &'s Sample>) -> Bytes {
    let mut json = Vec::with_capacity(4_096);
    json.extend_from_slice(b"{\"points\":[");
    for (index, Sample { series, at, value }) in samples.into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // writing to a vector does not fail
        let _ = write!(json, "{comma}{{\"metric\":\"{}\",\"timestamp\":{at},\"value\":{value},\"tags\":{{", series.metric);
        for (index, (name, value)) in series.tags.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(json, "{comma}\"{name}\":\"{value}\"");
        }
        json.extend_from_slice(b"}}");
    }
    json.extend_from_slice(b"]}");
    Bytes::from(json)
}

fn is_list(value: &[u8]) -> bool {
    value.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

fn samples(points: Vec<Given<'_>>) -> Result<Vec<Result<Sample, Error>>, Error> {
    check_count(points.len())?;
    Ok(points.into_iter().map(sample).collect())
}

fn each(points: Vec<&RawValue>) -> Result<Vec<Result<Sample, Error>>, Error> {
    check_count(points.len())?;
    Ok(points.into_iter().map(|point| read_json(point.get().as_bytes()).and_then(sample)).collect())
}

fn check_count(count: usize) -> Result<(), Error> {
    if (1..=POINTS_MAX).contains(&count) {
        return Ok(());
    }
    Err(Error::Value { field: "points".to_owned(), message: format!("a record has 1 to {POINTS_MAX} points, this has {count}") })
}

fn sample(given: Given<'_>) -> Result<Sample, Error> {
    let metric: Metric = given.metric.parse().at("metric")?;
    let tags = Tags::new(given.tags.0.iter().map(|(name, value)| (&**name, &**value))).at("tags")?;
    let at = given.timestamp.whole().at("timestamp").and_then(|number| Instant::new(number).at("timestamp"))?;
    let value = given.value.value().at("value")?;
    Ok(Sample { series: Series::new(metric, tags), at, value })
}

/// A number, or its digits in a text.
enum Number {
    Int(i64),
    Float(f64),
    Text(String),
}

impl Number {
    fn whole(&self) -> Result<i64, loki_domain::Invalid> {
        match self {
            Self::Int(number) => Ok(*number),
            Self::Float(number) => Err(loki_domain::Invalid(format!("a time is a whole number, not {number}"))),
            Self::Text(text) => text.parse().map_err(|_| loki_domain::Invalid(format!("`{}` is no whole number", text.escape_default()))),
        }
    }

    fn value(&self) -> Result<Value, loki_domain::Invalid> {
        match self {
            // as the floats that all values are; integers of more than 53 bits are rounded
            Self::Int(number) => Value::new(*number as f64),
            Self::Float(number) => Value::new(*number),
            Self::Text(text) => text.parse(),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
                Ok(Number::Int(number))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
                Ok(i64::try_from(number).map_or(Number::Float(number as f64), Number::Int))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Number, E> {
                Ok(Number::Float(number))
            }
            fn visit_str<E>(self, text: &str) -> Result<Number, E> {
                Ok(Number::Text(text.to_owned()))
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

/// An object of texts, as it is written: a name that is there twice is seen.
struct Pairs<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(transparent)]
        struct Part<'a>(#[serde(borrow)] Cow<'a, str>);

        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::with_capacity(4);
                while let Some((Part(name), Part(value))) = map.next_entry()? {
                    pairs.push((name, value));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}
