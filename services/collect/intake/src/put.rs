//! `POST /api/put`: one point or a list of them, gzip or not, answered as OpenTSDB 2.4 answers (`PutDataPointRpc`).
//!
//! The parameters are OpenTSDB's: `details` lists what is wrong with which point, `summary` counts. `sync` and `sync_timeout` change nothing: the
//! answer always waits until the log has the points.

use std::io::Read;

use bytes::Bytes;
use loki_domain::Sample;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::append::Intake;
use crate::error::Error;
use crate::metrics::{self, Via};
use crate::point::{Point, Wrong};

/// What gzip begins with: some clients compress and do not say so.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A request.
#[derive(Debug, Clone, Default)]
pub struct Put {
    pub body: Bytes,
    /// The parameter is there, whatever its value.
    pub details: bool,
    pub summary: bool,
    /// `sync_timeout` was given, above 0.
    pub timeouts: bool,
}

/// What is answered: a status, and JSON unless it is 204.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub body: Option<Value>,
}

/// Each point of a request, as it came.
type Points = Vec<Option<Point>>;

impl Put {
    /// Takes the good points into the log, and says which are bad. An error: the log did not take them, and the whole request is to be sent again.
    /// `body_max`: what the body may unpack to.
    pub async fn run(self, intake: &Intake, body_max: usize) -> Result<Answer, Error> {
        let points = match unpack(self.body.clone(), body_max).and_then(|body| read(&body)) {
            Ok(points) => points,
            Err(answer) => return Ok(answer),
        };
        let mut samples: Vec<Sample> = Vec::with_capacity(points.len());
        let mut errors = Vec::new();
        for point in points {
            match judge(point.as_ref()) {
                Ok(sample) => samples.push(sample),
                Err(error) => errors.push(json!({ "error": error, "datapoint": point })),
            }
        }
        intake.append(&samples, Via::Http).await?;
        metrics::refused(Via::Http, errors.len());
        Ok(self.answer(samples.len(), errors))
    }

    fn answer(&self, taken: usize, errors: Vec<Value>) -> Answer {
        let failed = errors.len();
        let status = if failed > 0 { 400 } else { 200 };
        if !self.details && !self.summary {
            return match failed {
                0 => Answer { status: 204, body: None },
                _ => error(
                    400,
                    "One or more data points had errors",
                    Some(r#"Please see the TSD logs or append "details" to the put request"#),
                ),
            };
        }
        let mut body = Map::new();
        body.insert("success".to_owned(), taken.into());
        body.insert("failed".to_owned(), failed.into());
        if self.timeouts {
            body.insert("timeouts".to_owned(), 0.into());
        }
        if self.details {
            body.insert("errors".to_owned(), errors.into());
        }
        Answer { status, body: Some(Value::Object(body)) }
    }
}

/// OpenTSDB's shape of an error.
pub fn error(status: u16, message: &str, details: Option<&str>) -> Answer {
    let mut body = json!({ "code": status, "message": message });
    if let Some(details) = details {
        body["details"] = details.into();
    }
    Answer { status, body: Some(json!({ "error": body })) }
}

fn judge(point: Option<&Point>) -> Result<Sample, String> {
    let Some(point) = point else { return Err("Unexpected null datapoint encountered in set.".to_owned()) };
    if let Some(missing) = point.missing() {
        return Err(missing.to_owned());
    }
    point.sample().map_err(|wrong| match wrong {
        Wrong::Number(_) => "Unable to parse value to a number".to_owned(),
        Wrong::Other(message) => message,
    })
}

fn unpack(body: Bytes, max: usize) -> Result<Bytes, Answer> {
    if !body.starts_with(&GZIP) {
        return Ok(body);
    }
    let mut unpacked = Vec::new();
    // several members one after the other are one body (RFC 1952, section 2.2)
    let mut reader = flate2::read::MultiGzDecoder::new(&body[..]).take(max as u64 + 1);
    match reader.read_to_end(&mut unpacked) {
        Ok(_) if unpacked.len() > max => {
            Err(error(413, &format!("the body unpacks to more than {max} bytes: send fewer points at once"), None))
        }
        Ok(_) => Ok(Bytes::from(unpacked)),
        Err(reason) => Err(error(400, &format!("the body begins as gzip and cannot be unpacked: {reason}"), None)),
    }
}

fn read(body: &[u8]) -> Result<Points, Answer> {
    let body = body.trim_ascii();
    let bad = |reason: String| error(400, "Unable to parse the given JSON", Some(&reason));
    let points: Points = match body.first() {
        None => return Err(error(400, "Missing request content", None)),
        Some(b'{') => vec![Some(serde_json::from_slice::<Given>(body).map_err(|reason| bad(reason.to_string()))?.0)],
        Some(b'[') => {
            let list: Vec<Option<Given>> = serde_json::from_slice(body).map_err(|reason| bad(reason.to_string()))?;
            list.into_iter().map(|given| given.map(|given| given.0)).collect()
        }
        Some(_) => return Err(error(400, "The JSON must start as an object or an array", None)),
    };
    if points.is_empty() {
        return Err(error(400, "No datapoints found in content", None));
    }
    Ok(points)
}

/// A point as Jackson reads one: texts for numbers and numbers for texts, null for what is absent, other fields passed over, the last of a name
/// counts.
struct Given(Point);

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields<'a> {
            #[serde(borrow, default)]
            metric: Option<&'a RawValue>,
            #[serde(borrow, default)]
            timestamp: Option<&'a RawValue>,
            #[serde(borrow, default)]
            value: Option<&'a RawValue>,
            #[serde(default)]
            tags: Option<Pairs>,
        }
        let fields = Fields::deserialize(deserializer)?;
        let wrong = serde::de::Error::custom::<String>;
        Ok(Self(Point {
            metric: fields.metric.map(|raw| text("metric", raw)).transpose().map_err(wrong)?.flatten(),
            timestamp: fields.timestamp.map(timestamp).transpose().map_err(wrong)?.unwrap_or(0),
            value: fields.value.map(|raw| text("value", raw)).transpose().map_err(wrong)?.flatten(),
            tags: fields.tags.map(|pairs| pairs.0),
        }))
    }
}

/// The text of a scalar, as it was written when it is a number.
fn text(field: &str, raw: &RawValue) -> Result<Option<String>, String> {
    match raw.get().as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw.get()).map(Some).map_err(|reason| format!("`{field}`: {reason}")),
        Some(b'{' | b'[') => Err(format!("`{field}` is a text or a number")),
        Some(b'n') => Ok(None),
        _ => Ok(Some(raw.get().to_owned())),
    }
}

fn timestamp(raw: &RawValue) -> Result<i64, String> {
    let wrong = || format!("`timestamp` is a whole number, not {}", raw.get());
    let Some(text) = text("timestamp", raw)? else { return Ok(0) };
    let text = text.trim();
    match text.parse::<i64>() {
        Ok(number) => Ok(number),
        // a fraction is cut off, where it is a number
        Err(_) if !raw.get().starts_with('"') => {
            let number: f64 = text.parse().map_err(|_| wrong())?;
            if number.abs() < i64::MAX as f64 { Ok(number as i64) } else { Err(wrong()) }
        }
        Err(_) if text.is_empty() => Ok(0),
        Err(_) => Err(wrong()),
    }
}

/// Tags in their order.
struct Pairs(Vec<(String, Option<String>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of texts")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs: Vec<(String, Option<String>)> = Vec::with_capacity(4);
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    let value = text(&name, value).map_err(serde::de::Error::custom)?;
                    match pairs.iter_mut().find(|(known, _)| *known == name) {
                        Some(pair) => pair.1 = value,
                        None => pairs.push((name, value)),
                    }
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}
