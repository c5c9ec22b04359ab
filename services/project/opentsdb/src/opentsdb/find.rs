//! Looks points up, in as few questions as there are hours and kinds of series among them.

use std::collections::{BTreeMap, BTreeSet};

use loki_domain::{Instant, Series, Value};

use super::OpenTsdb;
use super::question::{Failure, HOUR_MS, Question, together};
use crate::error::StoreError;
use crate::port::Found;

/// A question, and the points that it is about.
#[derive(Debug, Clone)]
pub(super) struct Look<'s> {
    question: Question<'s>,
    points: Vec<usize>,
}

/// A row of OpenTSDB holds one hour of one series: so does a question, of several series that can be asked about together. That hour is all that it
/// reads, and that may fail for two values at one instant.
pub(super) fn looks(points: &[(Series, Instant)]) -> Vec<Look<'_>> {
    let mut hours: BTreeMap<i64, BTreeMap<&Series, Vec<usize>>> = BTreeMap::new();
    for (index, (series, at)) in points.iter().enumerate() {
        hours.entry(at.ms().div_euclid(HOUR_MS)).or_default().entry(series).or_default().push(index);
    }
    let mut looks = Vec::new();
    for of in hours.into_values() {
        for series in together(of.keys().copied()) {
            let indexes = series.iter().filter_map(|series| of.get(series)).flatten().copied().collect();
            looks.push(about(series, indexes, points));
        }
    }
    looks
}

fn about<'s>(series: Vec<&'s Series>, indexes: Vec<usize>, points: &[(Series, Instant)]) -> Look<'s> {
    let instants = indexes.iter().map(|index| points[*index].1.ms());
    let ms = instants.fold((i64::MAX, i64::MIN), |(start, end), ms| (start.min(ms), end.max(ms)));
    Look { question: Question { series, ms, hours: false }, points: indexes }
}

impl OpenTsdb {
    /// Values by the index of their point. What is not named is not there.
    pub(super) async fn look(&self, look: Look<'_>, points: &[(Series, Instant)]) -> Result<Vec<(usize, Found)>, StoreError> {
        let mut found = Vec::new();
        let mut rest = vec![look];
        while let Some(Look { mut question, points: mut indexes }) = rest.pop() {
            let lines = match self.ask(&question).await {
                Ok(Ok(lines)) => lines,
                Ok(Err(Failure::NoSuchSeries)) => continue,
                Ok(Err(Failure::NoSuchValue(value))) => {
                    let before = question.series.len();
                    question = question.without_value(&value);
                    if question.series.len() == before {
                        return Err(StoreError::Away(format!("it does not know the tag value `{value}`, which it was not asked for")));
                    }
                    indexes.retain(|index| question.series.contains(&&points[*index].0));
                    rest.push(Look { question, points: indexes });
                    continue;
                }
                Ok(Err(Failure::Conflict { .. })) if question.series.len() == 1 => {
                    found.extend(indexes.into_iter().map(|index| (index, Found::Conflicting)));
                    continue;
                }
                Ok(Err(Failure::Conflict { .. })) | Err(StoreError::TooLarge { .. }) if question.series.len() > 1 => {
                    for half in question.halves() {
                        let of: BTreeSet<&Series> = half.series.iter().copied().collect();
                        let indexes = indexes.iter().copied().filter(|index| of.contains(&points[*index].0)).collect();
                        rest.push(Look { question: half, points: indexes });
                    }
                    continue;
                }
                Err(StoreError::TooLarge { .. }) if indexes.len() > 1 => {
                    let (one, other) = indexes.split_at(indexes.len() / 2);
                    for half in [one, other] {
                        rest.push(about(question.series.clone(), half.to_vec(), points));
                    }
                    continue;
                }
                Ok(Err(other)) => return Err(StoreError::Away(format!("{other:?}"))),
                Err(error) => return Err(error),
            };
            let mut wanted: BTreeMap<(&Series, i64), Vec<usize>> = BTreeMap::new();
            for index in indexes {
                let (series, at) = &points[index];
                wanted.entry((series, at.ms())).or_default().push(index);
            }
            for line in lines {
                let Some(series) = question.series.iter().find(|series| line.is_of(series)) else { continue };
                for (ms, number) in line.points() {
                    let Some(indexes) = wanted.get(&(*series, ms)) else { continue };
                    // what is no number was written by somebody else, and is another value than any of ours
                    let value = Value::new(number).map_or(Found::Conflicting, Found::Value);
                    found.extend(indexes.iter().map(|index| (*index, value)));
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use loki_domain::Tags;

    use super::*;

    #[test]
    fn one_question_for_an_hour_of_series_of_the_same_tags() {
        let point = |metric: &str, tag: &str, host: usize, second: i64| {
            let tags = Tags::new([(tag, format!("web{host}").as_str())]).unwrap();
            (Series::new(metric.parse().unwrap(), tags), Instant::new(second).unwrap())
        };
        let mut points: Vec<_> = (0..100).map(|host| point("m", "host", host, 3_600 + host as i64)).collect();
        points.extend([
            point("m", "host", 0, 3_600 + 500),
            point("m", "host", 0, 7_200),
            point("m", "rack", 0, 3_600),
            point("n", "host", 0, 3_600),
        ]);
        let looks = looks(&points);
        let mut sizes: Vec<_> = looks.iter().map(|look| (look.question.series.len(), look.points.len())).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [(1, 1), (1, 1), (1, 1), (36, 36), (64, 65)]);
        let mut all: Vec<usize> = looks.iter().flat_map(|look| look.points.iter().copied()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..points.len()).collect::<Vec<_>>());
        assert_eq!(looks.iter().map(|look| look.question.ms.1).max(), Some(7_200_000));
    }
}
