//! `/api/put`: the body, and what its answer says of each point.
//!
//! Without `sync` an answer means that the daemon has the points in its memory, from where a crash takes them. With `sync` and `details` it says
//! point by point what failed; but that is 200 when only HBase failed, and 400 as soon as one point is wrong or late, the rest being stored all the
//! same. So neither status means anything: what counts is in `failed`, `timeouts` and `errors`. Points are named by what they are, not by index.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;

use loki_domain::{Sample, Series};
use serde::Deserialize;

use crate::port::{Refused, Why};

/// A list of points as OpenTSDB reads it. A value is sent as a text with a point, so that no reader makes an integer of it.
pub(super) fn body(samples: &[Sample]) -> Vec<u8> {
    let mut json = Vec::with_capacity(samples.len() * 128 + 2);
    let mut begin = "[{\"metric\":\"";
    for Sample { series, at, value } in samples {
        // the names need no escapes: their rules leave out all that JSON would want to have escaped
        push(&mut json, [begin, series.metric.as_str(), "\",\"timestamp\":"]);
        // writing to a vector does not fail
        let _ = write!(json, "{at}");
        push(&mut json, [",\"value\":\""]);
        let _ = write!(json, "{value}");
        let mut comma = "\",\"tags\":{\"";
        for (name, value) in series.tags.iter() {
            push(&mut json, [comma, name, "\":\"", value]);
            comma = "\",\"";
        }
        push(&mut json, ["\"}}"]);
        begin = ",{\"metric\":\"";
    }
    if samples.is_empty() {
        json.push(b'[');
    }
    json.push(b']');
    json
}

/// Several times as fast as formatting.
fn push<const N: usize>(json: &mut Vec<u8>, texts: [&str; N]) {
    for text in texts {
        json.extend_from_slice(text.as_bytes());
    }
}

/// What an answer with details says.
#[derive(Debug, Deserialize)]
struct Details {
    failed: u64,
    #[serde(default)]
    timeouts: u64,
    errors: Vec<Detail>,
}

#[derive(Debug, Deserialize)]
struct Detail {
    error: String,
    datapoint: Option<Datapoint>,
}

#[derive(Debug, Deserialize)]
struct Datapoint {
    metric: Option<String>,
    timestamp: i64,
    #[serde(default)]
    tags: Option<BTreeMap<String, String>>,
}

/// Which of these points were not stored; `None`: the answer has no details, and is about the request as a whole.
pub(crate) fn refused(samples: &[Sample], answer: &[u8]) -> Option<Vec<Refused>> {
    let details: Details = serde_json::from_slice(answer).ok()?;
    if details.failed == 0 && details.timeouts == 0 && details.errors.is_empty() {
        return Some(Vec::new());
    }
    let mut indexes: HashMap<(String, i64), usize> = HashMap::new();
    for (index, sample) in samples.iter().enumerate() {
        indexes.insert((sample.series.to_string(), sample.at.sent()), index);
    }
    let mut whys: Vec<Option<Why>> = samples.iter().map(|_| None).collect();
    let mut named = 0;
    for Detail { error, datapoint } in details.errors {
        let key = datapoint.map(|point| (name(point.metric.as_deref().unwrap_or_default(), point.tags.as_ref()), point.timestamp));
        if let Some(index) = key.and_then(|key| indexes.get(&key)) {
            named += u64::from(whys[*index].is_none());
            whys[*index] = Some(why(error));
        }
    }
    // Late points are counted by where they are in a list that lacks the wrong ones, so that others are named; and errors of HBase come from several
    // threads into a list that is not made for that, so that some are lost. Then whatever is not named has to be sent again.
    let is_late = details.timeouts > 0;
    if is_late || named < details.failed {
        for (index, place) in whys.iter_mut().enumerate() {
            let unnamed =
                || if is_late { Why::TimedOut } else { Why::Storage(format!("it failed for {} points and names {named}", details.failed)) };
            if index < samples.len() && place.is_none() {
                *place = Some(unnamed());
            }
        }
    }
    Some(whys.into_iter().enumerate().filter_map(|(index, why)| why.map(|why| Refused { index, why })).collect())
}

/// As a series is written.
fn name(metric: &str, tags: Option<&BTreeMap<String, String>>) -> String {
    let tags: Vec<String> = tags.into_iter().flatten().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{metric}{{{}}}", tags.join(","))
}

/// What the words of an error mean. Those that are not known are of the store, lest a good point be taken for a bad one.
fn why(error: String) -> Why {
    const OF_THE_POINT: [&str; 11] = [
        "Metric name was empty",
        "Invalid timestamp",
        "Empty value",
        "Missing tags",
        "Unable to parse value",
        "Unknown metric",
        "Invalid metric",
        "Invalid tag",
        "Need at least one tag",
        "Too many tags",
        "bad timestamp=",
    ];
    if error.starts_with("Please throttle") {
        Why::Throttled
    } else if error.starts_with("Timeout exception") || error.starts_with("Write timedout") {
        Why::TimedOut
    } else if OF_THE_POINT.iter().any(|beginning| error.starts_with(beginning)) {
        Why::Invalid(error)
    } else {
        Why::Storage(error)
    }
}

/// How many of the first points fit into one request.
pub(super) fn piece(samples: &[Sample], bytes_max: usize) -> usize {
    let mut bytes = 2;
    let fits = |sample: &&Sample| {
        bytes += bytes_of(&sample.series) + 96;
        bytes <= bytes_max
    };
    samples.iter().take_while(fits).count().max(1)
}

fn bytes_of(series: &Series) -> usize {
    let tags: usize = series.tags.iter().map(|(name, value)| name.len() + value.len() + 6).sum();
    series.metric.as_str().len() + tags
}

#[cfg(test)]
mod tests {
    use loki_domain::{Instant, Tags, Value};

    use super::*;

    fn sample(host: &str, sent: i64) -> Sample {
        let series = Series::new("m".parse().unwrap(), Tags::new([("host", host), ("core", "0")]).unwrap());
        Sample { series, at: Instant::new(sent).unwrap(), value: Value::new(12.0).unwrap() }
    }

    fn samples() -> Vec<Sample> {
        vec![sample("a", 1), sample("b", 1), sample("a", 1_700_000_000_123), sample("c", 2)]
    }

    fn detail(error: &str, sample: &Sample) -> serde_json::Value {
        let tags: BTreeMap<_, _> = sample.series.tags.iter().collect();
        let point = serde_json::json!({"metric": "m", "timestamp": sample.at.sent(), "value": "12.0", "tags": tags});
        serde_json::json!({"error": error, "datapoint": point})
    }

    fn told(failed: u64, timeouts: Option<u64>, errors: &[serde_json::Value]) -> Vec<(usize, Why)> {
        let mut answer = serde_json::json!({"success": 0, "failed": failed, "errors": errors});
        if let Some(timeouts) = timeouts {
            answer["timeouts"] = timeouts.into();
        }
        let refused = refused(&samples(), answer.to_string().as_bytes()).unwrap();
        refused.into_iter().map(|refused| (refused.index, refused.why)).collect()
    }

    #[test]
    fn values_are_texts_with_a_point() {
        let json = String::from_utf8(body(&samples()[..2])).unwrap();
        let first = r#"{"metric":"m","timestamp":1,"value":"12.0","tags":{"core":"0","host":"a"}}"#;
        assert_eq!(json, format!("[{first},{}]", first.replace("\"a\"", "\"b\"")));
        assert_eq!(body(&samples()[2..3]).iter().filter(|byte| **byte == b'[').count(), 1);
        assert!(json.len() / 2 <= bytes_of(&samples()[0].series) + 96);
        assert_eq!([piece(&samples(), 1), piece(&samples(), 250), piece(&samples(), 10_000)], [1, 2, 4]);
    }

    #[test]
    fn points_are_named_by_what_they_are() {
        let of = samples();
        assert_eq!(told(0, Some(0), &[]), []);
        let invalid = "Invalid tag value (\"x\"): illegal character: é";
        let errors = [detail(invalid, &of[1]), detail("Please throttle", &of[2]), detail("Storage exception: away", &of[3])];
        assert_eq!(
            told(3, None, &errors),
            [(1, Why::Invalid(invalid.to_owned())), (2, Why::Throttled), (3, Why::Storage("Storage exception: away".to_owned()))]
        );
        // HBase was away when a name was to be given a number
        assert_eq!(told(1, None, &[detail("Unexpected exception", &of[0])]), [(0, Why::Storage("Unexpected exception".to_owned()))]);
        // about points of somebody else
        assert_eq!(told(0, None, &[detail("Invalid timestamp", &sample("z", 9))]), []);
    }

    #[test]
    fn what_is_not_named_is_sent_again() {
        let of = samples();
        let lost = told(2, None, &[detail("Storage exception: away", &of[0])]);
        assert_eq!(lost.len(), 4);
        assert!(lost.iter().all(|(_, why)| matches!(why, Why::Storage(_))), "{lost:?}");
        let late =
            told(1, Some(2), &[detail("Invalid timestamp", &of[0]), detail("Write timedout", &of[0]), detail("Write timedout", &of[1])]);
        assert_eq!(late.len(), 4);
        assert!(late[1..].iter().all(|(_, why)| *why == Why::TimedOut), "{late:?}");
    }

    #[test]
    fn an_answer_about_the_whole_request_has_no_details() {
        for answer in ["", "no", r#"{"error":{"code":400,"message":"Chunked request not supported."}}"#] {
            assert_eq!(refused(&samples(), answer.as_bytes()), None, "{answer}");
        }
    }
}
