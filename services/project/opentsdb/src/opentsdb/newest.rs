//! How new a series is. OpenTSDB keeps no such thing, so it is looked for backwards, in steps: nearly all series that are asked about are of today.

use std::collections::{BTreeMap, HashMap};

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use loki_domain::{Instant, Series};

use super::question::{Failure, HOUR_MS, Question, together};
use super::{AT_ONCE, OpenTsdb};
use crate::error::StoreError;
use crate::port::Newest;

/// How far ahead of this machine's clock a point may be dated and is seen all the same.
const AHEAD_MS: i64 = 24 * HOUR_MS;
/// The first steps back; the last one is a setting.
const STEPS_MS: [i64; 2] = [HOUR_MS, 26 * HOUR_MS];

/// What is known of the series of a step.
enum Step {
    At(i64),
    /// No point of a series of that name was ever stored.
    Never,
    /// Two values at one instant hide the rest.
    Unclear,
}

impl OpenTsdb {
    pub(super) async fn newest_of(&self, series: &[Series]) -> Result<Vec<Newest>, StoreError> {
        let now_ms = self.clock.now_ms();
        let look_back_ms = i64::try_from(self.config.look_back.as_millis()).unwrap_or(i64::MAX / 2);
        let until_ms = now_ms + AHEAD_MS;
        let mut newest: HashMap<&Series, Newest> = HashMap::new();
        let mut rest: Vec<&Series> = series.iter().collect();
        let (mut to_ms, mut from_ms) = (until_ms, now_ms);
        let steps = STEPS_MS.into_iter().filter(|step_ms| *step_ms < look_back_ms).chain([look_back_ms]);
        for (number, step_ms) in steps.enumerate() {
            from_ms = (now_ms - step_ms).max(0).div_euclid(1_000) * 1_000;
            for (of, step) in self.step(&rest, (from_ms, to_ms), number > 0).await? {
                let known = match step {
                    Step::At(ms) => instant(ms).map_or(Newest::NotAfter(not_before(until_ms)), Newest::At),
                    Step::Never => Newest::Never,
                    Step::Unclear => Newest::NotAfter(not_before(until_ms)),
                };
                newest.insert(of, known);
            }
            rest.retain(|of| !newest.contains_key(of));
            if rest.is_empty() {
                break;
            }
            to_ms = from_ms;
        }
        Ok(series.iter().map(|of| newest.get(of).copied().unwrap_or(Newest::NotAfter(not_before(from_ms)))).collect())
    }

    /// The newest points of these series within a time; of hours first where there may be many.
    async fn step<'s>(&self, series: &[&'s Series], ms: (i64, i64), by_hour: bool) -> Result<Vec<(&'s Series, Step)>, StoreError> {
        let found = self.newest_points(questions(series, ms, by_hour)).await?;
        if !by_hour {
            return Ok(found);
        }
        let (mut known, mut hours) = (Vec::new(), BTreeMap::<i64, Vec<&'s Series>>::new());
        for (of, step) in found {
            match step {
                Step::At(ms) => hours.entry(ms.div_euclid(HOUR_MS)).or_default().push(of),
                other => known.push((of, other)),
            }
        }
        let questions =
            hours.into_iter().flat_map(|(hour, of)| questions(&of, (hour * HOUR_MS, (hour + 1) * HOUR_MS - 1), false)).collect();
        known.extend(self.newest_points(questions).await?);
        Ok(known)
    }

    async fn newest_points<'s>(&self, questions: Vec<Question<'s>>) -> Result<Vec<(&'s Series, Step)>, StoreError> {
        let asked: Vec<BoxFuture<'_, _>> = questions.into_iter().map(|question| self.newest_point(question).boxed()).collect();
        let answers: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
        let mut found = Vec::new();
        for answer in answers {
            found.extend(answer?);
        }
        Ok(found)
    }

    async fn newest_point<'s>(&self, question: Question<'s>) -> Result<Vec<(&'s Series, Step)>, StoreError> {
        let mut found = Vec::new();
        let mut rest = vec![question];
        while let Some(question) = rest.pop() {
            match self.ask(&question).await {
                Ok(Ok(lines)) => {
                    for line in lines {
                        let of = question.series.iter().find(|series| line.is_of(series));
                        let newest = line.points().map(|(ms, _)| ms).max();
                        found.extend(of.zip(newest).map(|(of, ms)| (*of, Step::At(ms))));
                    }
                }
                Ok(Err(Failure::NoSuchSeries)) => found.extend(question.series.iter().map(|of| (*of, Step::Never))),
                Ok(Err(Failure::NoSuchValue(value))) => {
                    let known = question.without_value(&value);
                    if known.series.len() == question.series.len() {
                        return Err(StoreError::Away(format!("it does not know the tag value `{value}`, which it was not asked for")));
                    }
                    found.extend(question.series.iter().filter(|of| !known.series.contains(of)).map(|of| (*of, Step::Never)));
                    rest.push(known);
                }
                Ok(Err(Failure::Conflict { .. })) | Err(StoreError::TooLarge { .. }) => match question.series.as_slice() {
                    [of] => found.push((of, Step::Unclear)),
                    _ => rest.extend(question.halves()),
                },
                Ok(Err(Failure::Other(why))) => return Err(StoreError::Away(why)),
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

fn questions<'s>(series: &[&'s Series], ms: (i64, i64), hours: bool) -> Vec<Question<'s>> {
    together(series.iter().copied()).into_iter().map(|series| Question { series, ms, hours }).collect()
}

fn instant(ms: i64) -> Option<Instant> {
    let sent = if ms % 1_000 == 0 { ms / 1_000 } else { ms };
    Instant::new(sent).ok().filter(|at| at.ms() == ms)
}

/// An instant at that time, or the first one there is.
fn not_before(ms: i64) -> Instant {
    let first = || Instant::new(1).expect("one second after the beginning of 1970 is an instant");
    instant(ms.max(1_000).div_euclid(1_000) * 1_000).unwrap_or_else(first)
}
