//! One point as a collector sends it, and what is wrong with it in OpenTSDB's words (`IncomingDataPoint.validate`, `Tags.validateString`,
//! `TSDB.addPoint`).
//!
//! Taken are the points that OpenTSDB takes, but for names that it would change: of the letters beyond ISO 8859-1 it keeps a `?`.

use std::fmt::Display;

use loki_domain::series::{NAME_CHARS_MAX, TAGS_MAX};
use loki_domain::{Instant, Metric, Sample, Series, Tags, Value};
use serde::Serialize;
use serde_json::{Map, json};

/// A point before it is looked at. What is absent stays so, and is not in the answer either.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Point {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    pub timestamp: i64,
    /// Digits, as they were sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_object")]
    pub tags: Option<Vec<(String, Option<String>)>>,
}

/// Why a value is none: told apart because the two protocols word it differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// It is no number, and why.
    Number(String),
    Other(String),
}

impl Point {
    /// What OpenTSDB looks at first, over HTTP.
    pub fn missing(&self) -> Option<&'static str> {
        let is_empty = |text: &Option<String>| text.as_deref().is_none_or(str::is_empty);
        if is_empty(&self.metric) {
            Some("Metric name was empty")
        } else if self.timestamp <= 0 {
            Some("Invalid timestamp")
        } else if is_empty(&self.value) {
            Some("Empty value")
        } else if self.tags.as_ref().is_none_or(Vec::is_empty) {
            Some("Missing tags")
        } else {
            None
        }
    }

    /// The sample, or why there is none.
    pub fn sample(&self) -> Result<Sample, Wrong> {
        let metric = self.metric.as_deref().unwrap_or_default();
        let text = self.value.as_deref().unwrap_or_default();
        let value = number(text).map_err(Wrong::Number)?;
        let other = |message: String| Wrong::Other(message);
        let value = Value::new(value)
            .map_err(|_| other(format!("value is NaN or Infinite: {text} for metric={metric} timestamp={}", self.timestamp)))?;
        let tags = self.tags.as_deref().unwrap_or_default();
        let at = Instant::new(self.timestamp).map_err(|_| {
            other(format!("bad timestamp={} when trying to add value={text} to metric={metric}, tags={}", self.timestamp, listed(tags)))
        })?;
        let series = series(metric, tags).map_err(other)?;
        Ok(Sample { series, at, value })
    }
}

fn series(metric: &str, tags: &[(String, Option<String>)]) -> Result<Series, String> {
    if tags.is_empty() {
        return Err(format!("Need at least one tag (metric={metric}, tags={{}})"));
    }
    if tags.len() > TAGS_MAX {
        return Err(format!("Too many tags: {} maximum allowed: {TAGS_MAX}, tags: {}", tags.len(), listed(tags)));
    }
    check("metric name", Some(metric))?;
    for (name, value) in tags {
        let shown = value.as_deref().unwrap_or("null");
        check(format_args!("tag name with value [{shown}]"), Some(name))?;
        check(format_args!("tag value with key [{name}]"), value.as_deref())?;
    }
    // what is left is what these refuse and the words above do not tell
    let metric: Metric = metric.parse().map_err(|invalid| format!("Invalid metric name: {invalid}"))?;
    let pairs = tags.iter().map(|(name, value)| (name.as_str(), value.as_deref().unwrap_or_default()));
    let tags = Tags::new(pairs).map_err(|invalid| format!("Invalid tags: {invalid}"))?;
    Ok(Series::new(metric, tags))
}

fn check(what: impl Display, name: Option<&str>) -> Result<(), String> {
    let Some(name) = name else { return Err(format!("Invalid {what}: null")) };
    if name.is_empty() {
        return Err(format!("Invalid {what}: empty string"));
    }
    let is_good = |letter: char| {
        letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '/') || (letter.is_alphabetic() && u32::from(letter) <= 0xff)
    };
    match name.chars().find(|letter| !is_good(*letter)) {
        Some(letter) => Err(format!("Invalid {what} (\"{name}\"): illegal character: {letter}")),
        None if name.chars().count() > NAME_CHARS_MAX => Err(format!("Invalid {what}: longer than {NAME_CHARS_MAX} characters")),
        None => Ok(()),
    }
}

/// A number as OpenTSDB reads one (`Tags.parseLong`, Java's `Double.parseDouble` as far as collectors write it).
fn number(text: &str) -> Result<f64, String> {
    if text.contains(['.', 'e', 'E']) {
        let is_decimal = text.chars().all(|letter| letter.is_ascii_digit() || matches!(letter, '.' | '-' | '+' | 'e' | 'E'));
        return text.parse().ok().filter(|_| is_decimal).ok_or_else(|| format!("For input string: \"{text}\""));
    }
    whole(text).map(|number| number as f64)
}

/// An integer as OpenTSDB reads one, and says why it does not.
pub fn whole(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if text.is_empty() {
        return Err("Empty string".to_owned());
    }
    if digits.is_empty() {
        return Err(format!("Just a sign, no value: {text}"));
    }
    if digits.len() > 19 {
        return Err(format!("Value too long: {text}"));
    }
    match digits.chars().find(|letter| !letter.is_ascii_digit()) {
        Some(letter) => Err(format!("Invalid character '{letter}' in {text}")),
        None => text.parse().map_err(|_| format!("Overflow in {text}")),
    }
}

/// As Java prints a map.
pub(crate) fn listed(tags: &[(String, Option<String>)]) -> String {
    let pairs: Vec<String> = tags.iter().map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or("null"))).collect();
    format!("{{{}}}", pairs.join(", "))
}

#[expect(clippy::ref_option, reason = "what serde calls it with")]
fn as_object<S: serde::Serializer>(tags: &Option<Vec<(String, Option<String>)>>, serializer: S) -> Result<S::Ok, S::Error> {
    let object: Map<String, serde_json::Value> = tags.iter().flatten().map(|(name, value)| (name.clone(), json!(value))).collect();
    object.serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(metric: &str, timestamp: i64, value: &str, tags: &[(&str, &str)]) -> Point {
        Point {
            metric: Some(metric.to_owned()),
            timestamp,
            value: Some(value.to_owned()),
            tags: Some(tags.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect()),
        }
    }

    fn told(point: &Point) -> String {
        match (point.missing(), point.sample()) {
            (Some(missing), _) => missing.to_owned(),
            (None, Ok(sample)) => format!("{} {} {}", sample.series, sample.at, sample.value),
            (None, Err(Wrong::Number(why))) => format!("number: {why}"),
            (None, Err(Wrong::Other(message))) => message,
        }
    }

    #[test]
    fn good_points_have_one_spelling() {
        let one = told(&point("m", 1_700_000_000, "1", &[("b", "2"), ("a", "1")]));
        assert_eq!(one, "m{a=1,b=2} 1700000000 1.0");
        assert_eq!(told(&point("m", 1_700_000_000_000, "1.0e0", &[("a", "1"), ("b", "2")])), one);
    }

    #[test]
    fn what_is_wrong_is_told_as_opentsdb_tells_it() {
        let host = [("host", "a")];
        let nine: Vec<(String, String)> = (0..9).map(|n| (format!("k{n}"), "v".to_owned())).collect();
        let nine: Vec<(&str, &str)> = nine.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let cases = [
            (point("", 1, "1", &host), "Metric name was empty"),
            (point("m", 0, "1", &host), "Invalid timestamp"),
            (point("m", 1, "", &host), "Empty value"),
            (point("m", 1, "1", &[]), "Missing tags"),
            (point("m", 1, "x", &host), "number: Invalid character 'x' in x"),
            (point("m", 1, "-", &host), "number: Just a sign, no value: -"),
            (point("m", 1, "9223372036854775808", &host), "number: Overflow in 9223372036854775808"),
            (point("m", 1, "1.2.3", &host), "number: For input string: \"1.2.3\""),
            (point("m", 1, "1e400", &host), "value is NaN or Infinite: 1e400 for metric=m timestamp=1"),
            (point("a b", 1, "1", &host), "Invalid metric name (\"a b\"): illegal character:  "),
            (point("m", 1, "1", &[("a:b", "c")]), "Invalid tag name with value [c] (\"a:b\"): illegal character: :"),
            (point("m", 1, "1", &[("a", "支")]), "Invalid tag value with key [a] (\"支\"): illegal character: 支"),
            (point("m", 1, "1", &[("a", "")]), "Invalid tag value with key [a]: empty string"),
            (
                point("m", 1, "1", &nine),
                "Too many tags: 9 maximum allowed: 8, tags: {k0=v, k1=v, k2=v, k3=v, k4=v, k5=v, k6=v, k7=v, k8=v}",
            ),
            (
                point("m", 10_000_000_000_000, "1", &host),
                "bad timestamp=10000000000000 when trying to add value=1 to metric=m, tags={host=a}",
            ),
        ];
        for (point, message) in cases {
            assert_eq!(told(&point), message, "{point:?}");
        }
        let null = Point { tags: Some(vec![("a".to_owned(), None)]), ..point("m", 1, "1", &host) };
        assert_eq!(told(&null), "Invalid tag value with key [a]: null");
    }

    #[test]
    fn whole_numbers_reach_to_both_ends() {
        assert_eq!(whole("9223372036854775807"), Ok(i64::MAX));
        assert_eq!(whole("-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(whole("+5"), Ok(5));
        assert!(whole("").is_err() && whole("12345678901234567890").unwrap_err().starts_with("Value too long"));
    }

    proptest::proptest! {
        /// Whatever passes here passes the domain's own rules, and nothing panics.
        #[test]
        fn nothing_slips_through(metric in "\\PC{0,8}", name in "\\PC{0,4}", value in "\\PC{0,6}", digits in "[0-9+.eE-]{0,9}", at in proptest::num::i64::ANY) {
            let given = point(&metric, at, &digits, &[(&name, &value)]);
            if given.missing().is_none() && let Ok(sample) = given.sample() {
                proptest::prop_assert_eq!(sample.series.to_string(), format!("{metric}{{{name}={value}}}"));
                proptest::prop_assert_eq!(Instant::new(sample.at.sent()), Ok(sample.at));
            }
        }
    }
}
