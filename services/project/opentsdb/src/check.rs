//! Finds two values at one instant, which somebody else must have written: `loki series check`.
//!
//! All that OpenTSDB says is that a query over such an hour fails. So queries are made smaller until each names one hour of one series: first by
//! time, then by tags, whose values are found letter by letter with regular expressions, as no list of a metric's series is at hand. Nothing is
//! changed; the runbook says how `tsdb fsck` repairs what is found here.

use loki_domain::{Metric, Series, Tags};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{Error, StoreError};
use crate::port::{Request, SeriesReader};

const HOUR_MS: i64 = 3_600_000;
/// An answer is a count, or an error.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Tag names that are tried.
const TAG_NAMES_MAX: usize = 1_000;
/// Questions of one check. A series costs some hundred.
const QUESTIONS_MAX: u64 = 100_000;

/// An hour of a series that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The beginning of the hour.
    pub hour_ms: i64,
    /// `None`: its tags could not be told, as with tag names that are not suggested.
    pub series: Option<Series>,
    /// What the store says of it.
    pub said: String,
}

/// All conflicts of a metric from `from_ms` up to `to_ms`. `asked` is told how many questions were asked so far.
pub async fn check(
    reader: &dyn SeriesReader,
    metric: &Metric,
    from_ms: i64,
    to_ms: i64,
    asked: impl FnMut(u64) + Send,
) -> Result<Vec<Conflict>, Error> {
    if from_ms >= to_ms {
        return Err(Error::Invalid("the end of a check lies behind its beginning: exchange `--from` and `--to`".to_owned()));
    }
    let mut check = Check { reader, metric, asked: Box::new(asked), questions: 0, tag_names: None };
    let mut conflicts = Vec::new();
    let (first, last) = (from_ms.div_euclid(HOUR_MS), (to_ms - 1).div_euclid(HOUR_MS));
    let mut rest = vec![(first, last)];
    while let Some((first, last)) = rest.pop() {
        let Some(said) = check.fails((first, last), &[]).await? else { continue };
        if first < last {
            let middle = first + (last - first) / 2;
            rest.extend([(middle + 1, last), (first, middle)]);
        } else {
            conflicts.extend(check.hour(first, &said).await?);
        }
    }
    Ok(conflicts)
}

struct Check<'r> {
    reader: &'r dyn SeriesReader,
    metric: &'r Metric,
    asked: Box<dyn FnMut(u64) + Send + 'r>,
    questions: u64,
    /// Asked for when they are first needed.
    tag_names: Option<Vec<String>>,
}

/// What a tag must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Filter {
    Is(String),
    Any,
    Like(String),
    /// There is no other tag than those.
    Only,
}

impl Check<'_> {
    /// The series that fail within an hour that fails.
    async fn hour(&mut self, hour: i64, said: &str) -> Result<Vec<Conflict>, Error> {
        let names = self.tag_names().await?;
        let mut found: Vec<Conflict> = Vec::new();
        // tags in the order of their names, so that each series is come by once
        let mut rest: Vec<Vec<(String, String)>> = vec![Vec::new()];
        while let Some(tags) = rest.pop() {
            let fixed: Vec<_> = tags.iter().map(|(name, value)| (name.clone(), Filter::Is(value.clone()))).collect();
            if !tags.is_empty() {
                let only: Vec<_> = fixed.iter().cloned().chain([(String::new(), Filter::Only)]).collect();
                if let Some(said) = self.fails((hour, hour), &only).await? {
                    let tags = Tags::new(tags.iter().map(|(name, value)| (name.as_str(), value.as_str())));
                    let series = tags.ok().map(|tags| Series::new(self.metric.clone(), tags));
                    found.push(Conflict { hour_ms: hour * HOUR_MS, series, said });
                }
            }
            let after = tags.last().map(|(name, _)| name.clone());
            for name in names.iter().filter(|name| after.as_ref().is_none_or(|after| *name > after)) {
                for value in self.values(hour, &fixed, name).await? {
                    rest.push(tags.iter().cloned().chain([(name.clone(), value)]).collect());
                }
            }
        }
        if found.is_empty() {
            found.push(Conflict { hour_ms: hour * HOUR_MS, series: None, said: said.to_owned() });
        }
        Ok(found)
    }

    /// The values of a tag with which it fails.
    async fn values(&mut self, hour: i64, fixed: &[(String, Filter)], name: &str) -> Result<Vec<String>, Error> {
        let with = |filter: Filter| -> Vec<_> { fixed.iter().cloned().chain([(name.to_owned(), filter)]).collect() };
        if self.fails((hour, hour), &with(Filter::Any)).await?.is_none() {
            return Ok(Vec::new());
        }
        let letters = letters();
        let mut values = Vec::new();
        let mut beginnings = vec![String::new()];
        while let Some(beginning) = beginnings.pop() {
            if !beginning.is_empty() && self.fails((hour, hour), &with(Filter::Is(beginning.clone()))).await?.is_some() {
                values.push(beginning.clone());
            }
            let mut rest: Vec<&[char]> = vec![&letters];
            while let Some(some) = rest.pop() {
                let like = format!("^{}[{}].*$", escaped(beginning.chars()), escaped(some.iter().copied()));
                if self.fails((hour, hour), &with(Filter::Like(like))).await?.is_none() {
                    continue;
                }
                match some {
                    [letter] => beginnings.push(format!("{beginning}{letter}")),
                    _ => {
                        let (one, other) = some.split_at(some.len() / 2);
                        rest.extend([one, other]);
                    }
                }
            }
        }
        Ok(values)
    }

    /// What the store says when two values lie at one instant of these hours; `None` when it answers.
    async fn fails(&mut self, hours: (i64, i64), filters: &[(String, Filter)]) -> Result<Option<String>, Error> {
        let (status, answer) = self.ask("query", question(self.metric, hours, filters)).await?;
        if status == 200 {
            return Ok(None);
        }
        let said = said(&answer);
        if said.contains("Duplicate timestamp") {
            return Ok(Some(said));
        }
        if said.contains("No such name for") {
            return Ok(None);
        }
        Err(StoreError::Away(format!("{status}: {said}")).into())
    }

    async fn tag_names(&mut self) -> Result<Vec<String>, Error> {
        if let Some(names) = &self.tag_names {
            return Ok(names.clone());
        }
        let (status, answer) = self.ask("suggest", json!({"type": "tagk", "max": TAG_NAMES_MAX})).await?;
        if status != 200 {
            return Err(StoreError::Away(format!("{status}: {}", said(&answer))).into());
        }
        let mut names: Vec<String> =
            serde_json::from_slice(&answer).map_err(|error| StoreError::Away(format!("an answer of it cannot be read: {error}")))?;
        names.sort_unstable();
        self.tag_names = Some(names.clone());
        Ok(names)
    }

    async fn ask(&mut self, path: &str, body: Value) -> Result<(u16, bytes::Bytes), Error> {
        self.questions += 1;
        (self.asked)(self.questions);
        if self.questions > QUESTIONS_MAX {
            return Err(Error::Invalid(format!("{QUESTIONS_MAX} questions were not enough: check a shorter time")));
        }
        let request = Request {
            method: "POST".to_owned(),
            path: path.to_owned(),
            content_type: Some("application/json".to_owned()),
            body: body.to_string().into(),
            ..Request::default()
        };
        let answer = self.reader.answer(request).await?;
        Ok((answer.status, answer.bytes(ANSWER_BYTES_MAX).await?))
    }
}

/// A question whose answer is small: how many points there are.
fn question(metric: &Metric, hours: (i64, i64), filters: &[(String, Filter)]) -> Value {
    let only = filters.iter().any(|(_, filter)| *filter == Filter::Only);
    let filters: Vec<Value> = filters
        .iter()
        .filter_map(|(name, filter)| {
            let (kind, text) = match filter {
                Filter::Is(value) => ("literal_or", value.as_str()),
                Filter::Any => ("wildcard", "*"),
                Filter::Like(expression) => ("regexp", expression.as_str()),
                Filter::Only => return None,
            };
            Some(json!({"type": kind, "tagk": name, "filter": text, "groupBy": false}))
        })
        .collect();
    let query =
        json!({"aggregator": "count", "metric": metric.as_str(), "downsample": "0all-count", "filters": filters, "explicitTags": only});
    // the last second would have the next hour read as well; an hour fails as a whole
    json!({"start": hours.0 * 3_600, "end": hours.1 * 3_600 + 3_598, "noAnnotations": true, "queries": [query]})
}

fn said(answer: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Answer {
        error: Told,
    }
    #[derive(Deserialize)]
    struct Told {
        message: String,
    }
    match serde_json::from_slice::<Answer>(answer) {
        Ok(answer) => answer.error.message,
        Err(_) => String::from_utf8_lossy(&answer[..answer.len().min(500)]).into_owned(),
    }
}

/// What a tag's value may be made of: see `loki_domain::series`.
fn letters() -> Vec<char> {
    let may_be = |letter: &char| {
        letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '/') || (!letter.is_ascii() && letter.is_alphabetic())
    };
    (0..=0xff_u8).map(char::from).filter(may_be).collect()
}

/// Each letter as it is, in an expression and in a set of it.
fn escaped(letters: impl Iterator<Item = char>) -> String {
    letters.flat_map(|letter| matches!(letter, '-' | '.' | '/').then_some('\\').into_iter().chain([letter])).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use async_trait::async_trait;
    use regex_lite::Regex;

    use super::*;
    use crate::port::Answer;

    /// Answers like OpenTSDB, of a metric with these hours that fail.
    struct Stored {
        conflicts: Vec<(i64, Series)>,
        asked: Mutex<u64>,
    }

    fn series(tags: &[(&str, &str)]) -> Series {
        Series::new("m".parse().unwrap(), Tags::new(tags.iter().copied()).unwrap())
    }

    fn matches(series: &Series, filter: &Value) -> bool {
        let Some(value) = series.tags.get(filter["tagk"].as_str().unwrap()) else { return false };
        let text = filter["filter"].as_str().unwrap();
        match filter["type"].as_str().unwrap() {
            "literal_or" => value == text,
            "wildcard" => true,
            _ => Regex::new(text).unwrap().is_match(value),
        }
    }

    #[async_trait]
    impl SeriesReader for Stored {
        async fn answer(&self, request: Request) -> Result<Answer, StoreError> {
            crate::read::check(&request)?;
            *self.asked.lock().unwrap() += 1;
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            if request.path == "suggest" {
                return Ok(Answer::whole(200, "application/json", r#"["rack","host","core"]"#));
            }
            let (start, end) = (body["start"].as_i64().unwrap(), body["end"].as_i64().unwrap());
            let query = &body["queries"][0];
            let filters = query["filters"].as_array().unwrap();
            let fails = |(hour_ms, series): &&(i64, Series)| {
                let second = hour_ms / 1_000;
                let only = !query["explicitTags"].as_bool().unwrap() || series.tags.iter().len() == filters.len();
                (start..=end).contains(&second) && only && filters.iter().all(|filter| matches(series, filter))
            };
            Ok(match self.conflicts.iter().find(fails) {
                None => Answer::whole(200, "application/json", "[]"),
                Some(_) => Answer::whole(400, "application/json", r#"{"error":{"code":400,"message":"Duplicate timestamp for key=[1]"}}"#),
            })
        }
    }

    #[tokio::test]
    async fn each_hour_and_series_is_named() {
        let hour = |number: i64| number * HOUR_MS;
        let conflicts = vec![
            (hour(10), series(&[("host", "web01.example"), ("rack", "r-1")])),
            (hour(10), series(&[("host", "web01.example")])),
            (hour(10), series(&[("host", "web02.example")])),
            (hour(500), series(&[("core", "0"), ("host", "ü/_")])),
            (hour(5_000), series(&[("host", "beyond")])),
        ];
        let stored = Stored { conflicts: conflicts.clone(), asked: Mutex::new(0) };
        let mut asked = 0;
        let found = check(&stored, &"m".parse().unwrap(), hour(0), hour(1_000), |questions| asked = questions).await.unwrap();
        let named: BTreeSet<_> = found.iter().map(|conflict| (conflict.hour_ms, conflict.series.clone().unwrap())).collect();
        assert_eq!((named, found.len()), (conflicts[..4].iter().cloned().collect(), 4));
        assert_eq!(asked, *stored.asked.lock().unwrap());
        assert!(asked < 3_000, "{asked}");
    }

    #[tokio::test]
    async fn a_tag_that_is_not_suggested_leaves_the_hour() {
        let stored = Stored { conflicts: vec![(HOUR_MS, series(&[("other", "x")]))], asked: Mutex::new(0) };
        let found = check(&stored, &"m".parse().unwrap(), 0, 10 * HOUR_MS, |_| {}).await.unwrap();
        assert_eq!(found.iter().map(|conflict| (conflict.hour_ms, conflict.series.clone())).collect::<Vec<_>>(), [(HOUR_MS, None)]);
        assert!(check(&stored, &"m".parse().unwrap(), 5, 5, |_| {}).await.is_err());
    }

    #[test]
    fn every_letter_of_a_name_is_found_by_its_expression() {
        for letter in letters() {
            assert!(Tags::new([("k", letter.to_string().as_str())]).is_ok(), "{letter}");
            let like = Regex::new(&format!("^[{}].*$", escaped([letter].into_iter()))).unwrap();
            assert!(like.is_match(&letter.to_string()), "{letter}");
        }
    }
}
