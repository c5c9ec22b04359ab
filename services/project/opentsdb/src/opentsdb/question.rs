//! `/api/query` for the sink's own questions: exactly these series, each for itself.
//!
//! The answer is all or nothing. A name that was never stored fails it (the message says which one), and so does an hour of one series in which
//! two values lie at one instant. Hence questions are small, and whoever asks takes away what failed and asks again.
//!
//! And not all of it is always answered. With `explicitTags` OpenTSDB looks at rows by HBase's fuzzy filter, which it builds wrongly when two tags have
//! several values each: of `host=a|b,core=0|1` it passes over `host=b,core=1`, and says nothing. So the series of a question differ in one tag.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use loki_domain::Series;
use serde::{Deserialize, Deserializer};
use serde_json::json;

/// Series of one question: their values are listed in one filter per tag, and each of them is a scan of the hour.
pub(super) const SERIES_MAX: usize = 64;
pub(super) const HOUR_MS: i64 = 3_600_000;

/// Some series of one metric with the same tag names, which differ in one tag at most: [`together`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question<'s> {
    pub(super) series: Vec<&'s Series>,
    /// Milliseconds; both ends belong to it.
    pub(super) ms: (i64, i64),
    /// Counts per hour, instead of the points themselves.
    pub(super) hours: bool,
}

impl Question<'_> {
    /// The body. `None`: there is nothing to ask about.
    pub(super) fn body(&self) -> Option<Vec<u8>> {
        let first = self.series.first()?;
        let filters: Vec<_> = first
            .tags
            .iter()
            .map(|(name, _)| {
                let values: BTreeSet<&str> = self.series.iter().filter_map(|series| series.tags.get(name)).collect();
                let values: Vec<&str> = values.into_iter().collect();
                json!({"type": "literal_or", "tagk": name, "filter": values.join("|"), "groupBy": false})
            })
            .collect();
        let mut query = json!({"aggregator": "none", "metric": first.metric.as_str(), "filters": filters, "explicitTags": true});
        if self.hours {
            query["downsample"] = "1h-count".into();
        }
        let (start, end) = self.times();
        let body = json!({"start": start, "end": end, "msResolution": true, "noAnnotations": true, "queries": [query]});
        Some(body.to_string().into_bytes())
    }

    /// The end must lie behind the start, and should not lie in the last second of an hour if nothing that is asked for does: OpenTSDB reads the
    /// next hour as well then. What has at most ten digits is taken for seconds.
    fn times(&self) -> (i64, i64) {
        const ELEVEN_DIGITS: i64 = 10_000_000_000;
        let (start, end) = match self.ms {
            (start, end) if start < end => (start, end),
            (start, end) if (end + 1) % 1_000 == 0 => (start - 1, end),
            (start, end) => (start, end + 1),
        };
        if start < ELEVEN_DIGITS { (start.div_euclid(1_000), end.div_euclid(1_000) + 1) } else { (start, end) }
    }

    /// The same without those series that have this tag value.
    pub(super) fn without_value(&self, value: &str) -> Self {
        let mut rest = self.clone();
        rest.series.retain(|series| series.tags.iter().all(|(_, of)| of != value));
        rest
    }

    /// Both halves of it.
    pub(super) fn halves(&self) -> [Self; 2] {
        let (one, other) = self.series.split_at(self.series.len() / 2);
        [one, other].map(|series| Self { series: series.to_vec(), ..*self })
    }
}

/// Series by what may be asked in one question.
pub(super) fn together<'s>(series: impl IntoIterator<Item = &'s Series>) -> Vec<Vec<&'s Series>> {
    let mut kinds: BTreeMap<(&str, Vec<&str>), Vec<&Series>> = BTreeMap::new();
    for of in series {
        kinds.entry((of.metric.as_str(), of.tags.iter().map(|(name, _)| name).collect())).or_default().push(of);
    }
    let mut questions = Vec::new();
    for ((_, names), of) in kinds {
        // fewest questions: the tag with the most values is the one that differs
        let values = |name: &&&str| of.iter().filter_map(|series| series.tags.get(name)).collect::<BTreeSet<_>>().len();
        let differs = names.iter().max_by_key(values).copied();
        let mut alike: BTreeMap<Vec<&str>, Vec<&Series>> = BTreeMap::new();
        for series in of {
            let others = series.tags.iter().filter(|(name, _)| Some(*name) != differs).map(|(_, value)| value).collect();
            alike.entry(others).or_default().push(series);
        }
        questions.extend(alike.into_values().flat_map(|of| of.chunks(SERIES_MAX).map(<[_]>::to_vec).collect::<Vec<_>>()));
    }
    questions
}

/// One series of an answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    tags: BTreeMap<String, String>,
    dps: Vec<(i64, Number)>,
}

impl Line {
    pub(crate) fn is_of(&self, series: &Series) -> bool {
        series.tags.iter().len() == self.tags.len()
            && series.tags.iter().all(|(name, value)| self.tags.get(name).is_some_and(|of| of == value))
    }

    /// Milliseconds and values.
    pub(crate) fn points(&self) -> impl Iterator<Item = (i64, f64)> {
        self.dps.iter().map(|(ms, number)| (*ms, number.0))
    }
}

/// A number, or a text that says that it is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(f64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(number) => Ok(Self(number)),
            Written::Text(text) => text.parse().map(Self).map_err(serde::de::Error::custom),
        }
    }
}

/// Why a question was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No point has this metric, or this tag name.
    NoSuchSeries,
    NoSuchValue(String),
    /// Two values lie at one instant; where in the hour, if it says so.
    Conflict {
        offset_ms: Option<i64>,
    },
    Other(String),
}

/// Reads what a question is answered.
pub(crate) fn lines(answer: &[u8]) -> serde_json::Result<Vec<Line>> {
    serde_json::from_slice(answer)
}

/// Reads an answer that is none.
pub(crate) fn failure(answer: &[u8]) -> Failure {
    #[derive(Deserialize)]
    struct Answer {
        error: Told,
    }
    #[derive(Deserialize)]
    struct Told {
        #[serde(default)]
        message: String,
        #[serde(default)]
        details: Option<String>,
    }
    let text = match serde_json::from_slice::<Answer>(answer) {
        Ok(Answer { error }) => format!("{} {}", error.message, error.details.unwrap_or_default()),
        Err(_) => String::from_utf8_lossy(&answer[..answer.len().min(500)]).into_owned(),
    };
    let quoted = |beginning: &str| Some(text.split_once(beginning)?.1.split_once('\'')?.0.to_owned());
    if text.contains("No such name for 'metrics'") || text.contains("No such name for 'tagk'") {
        return Failure::NoSuchSeries;
    }
    if let Some(value) = quoted("No such name for 'tagv': '") {
        return Failure::NoSuchValue(value);
    }
    if let Some((_, rest)) = text.split_once("Duplicate timestamp") {
        let digits = rest.split_once("ms_offset=").map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
        return Failure::Conflict { offset_ms: digits.and_then(|digits| digits.parse().ok()) };
    }
    Failure::Other(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use loki_domain::Tags;

    use super::*;

    fn series(tags: &[(&str, &str)]) -> Series {
        Series::new("m".parse().unwrap(), Tags::new(tags.iter().copied()).unwrap())
    }

    #[test]
    fn a_question_lists_the_values_of_each_tag() {
        let (one, other) = (series(&[("host", "a"), ("core", "0")]), series(&[("host", "b"), ("core", "0")]));
        let question = Question { series: vec![&one, &other], ms: (5_000, 5_500), hours: false };
        let body: serde_json::Value = serde_json::from_slice(&question.body().unwrap()).unwrap();
        assert_eq!((&body["start"], &body["end"]), (&json!(5), &json!(6)));
        let query = &body["queries"][0];
        assert_eq!((&query["filters"][0]["filter"], &query["filters"][1]["filter"]), (&json!("0"), &json!("a|b")));
        assert_eq!(query["explicitTags"], json!(true));
        assert_eq!(question.without_value("a").series, [&other]);
        assert_eq!(question.without_value("0").body(), None);
        assert_eq!(question.halves().map(|half| half.series.len()), [1, 1]);
    }

    #[test]
    fn the_series_of_a_question_differ_in_one_tag() {
        let tags = |host: &'static str, core: &'static str| series(&[("host", host), ("core", core)]);
        let of = [tags("a", "0"), tags("b", "0"), tags("b", "1"), tags("c", "1"), series(&[("host", "a")]), series(&[("host", "b")])];
        let told: Vec<Vec<String>> =
            together(&of).iter().map(|some| some.iter().map(|series| series.tags.get("host").unwrap().into()).collect()).collect();
        assert_eq!(told, [["a", "b"], ["b", "c"], ["a", "b"]]);
        let of: Vec<Series> = (0..=SERIES_MAX).map(|host| series(&[("host", &format!("web{host}")), ("core", "0")])).collect();
        assert_eq!(together(&of).iter().map(Vec::len).collect::<Vec<_>>(), [SERIES_MAX, 1]);
    }

    #[test]
    fn the_next_hour_is_left_alone() {
        let of = |start, end| Question { series: Vec::new(), ms: (start, end), hours: false }.times();
        let hour = 1_700_000_000_000 / HOUR_MS * HOUR_MS;
        assert_eq!(of(hour, hour), (hour, hour + 1));
        assert_eq!(of(hour + 3_598_999, hour + 3_598_999), (hour + 3_598_998, hour + 3_598_999));
        assert_eq!(of(hour, hour + 5), (hour, hour + 5));
        assert_eq!(of(1_000, 1_000), (1, 2));
    }

    #[test]
    fn lines_are_told_apart_by_all_their_tags() {
        let answer = r#"[{"metric":"m","tags":{"host":"a","core":"0"},"aggregateTags":[],"dps":[[1000,12],[2000,12.5],[2500,104504.33333333333],[3000,"NaN"]]}]"#;
        let lines: Vec<Line> = serde_json::from_str(answer).unwrap();
        assert!(lines[0].is_of(&series(&[("host", "a"), ("core", "0")])));
        assert!(!lines[0].is_of(&series(&[("host", "a")])) && !lines[0].is_of(&series(&[("host", "b"), ("core", "0")])));
        let points: Vec<_> = lines[0].points().collect();
        assert_eq!(points[..3], [(1000, 12.0), (2000, 12.5), (2500, 313_513.0 / 3.0)]);
        assert!(points[3].1.is_nan());
    }

    #[test]
    fn failures_say_what_to_take_away() {
        let of = |message: &str| failure(json!({"error": {"code": 400, "message": message}}).to_string().as_bytes());
        assert_eq!(of("No such name for 'metrics': 'm'"), Failure::NoSuchSeries);
        assert_eq!(of("No such name for 'tagv': 'web01'"), Failure::NoSuchValue("web01".to_owned()));
        let conflict = "Duplicate timestamp for key=[0, 1], ms_offset=1800000, older=[1], newer=[2]; set tsd…";
        assert_eq!(of(conflict), Failure::Conflict { offset_ms: Some(1_800_000) });
        assert_eq!(of("Sorry"), Failure::Other("Sorry".to_owned()));
        assert_eq!(failure(b"<html>"), Failure::Other("<html>".to_owned()));
    }
}
