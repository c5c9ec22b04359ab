//! A question that was checked: what to read, and what to make of it.

use super::aggregator::Aggregator;
use super::asked::{Asked, Part};
use super::downsample::{self, Downsample};
use super::filter::Filter;
use super::problem::Problem;
use super::rate::RateOptions;
use super::time::{parse_time, parse_zone};

/// A time from `from` up to, and mostly not with, `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: i64,
    pub(super) to: i64,
}

pub(super) struct Plan {
    /// What is answered, with its end.
    pub(super) asked: Span,
    pub(super) ms: bool,
    pub(super) show_query: bool,
    pub(super) show_tsuids: bool,
    pub(super) metrics: Vec<MetricPlan>,
}

pub(super) struct MetricPlan {
    pub(super) metric: String,
    pub(super) aggregator: Aggregator,
    pub(super) downsample: Option<Downsample>,
    /// As it was written.
    pub(super) downsample_text: String,
    /// With or without options.
    pub(super) rate: Option<RateOptions>,
    pub(super) rate_options: Option<RateOptions>,
    pub(super) filters: Vec<Filter>,
    pub(super) explicit_tags: bool,
    /// What is read, without its end: OpenTSDB has rows of an hour, and all points of the rows that the question touches take part in rates and
    /// interpolation, although they are not answered.
    pub(super) scan: Span,
}

const HOUR_MS: i64 = 3_600_000;
/// OpenTSDB takes no more than 13 digits.
const TIME_MAX: i64 = 9_999_999_999_999;

impl Plan {
    pub(super) fn new(mut asked: Asked, now_ms: i64) -> Result<Self, Problem> {
        asked.drop_repeated();
        if asked.delete {
            return Err(Problem::new(400, "Bad request", "Deleting data is not enabled"));
        }
        if asked.use_calendar {
            return Err(Problem::bad("`useCalendar` is not supported: leave it out, intervals are counted from 1970"));
        }
        if asked.start.is_empty() {
            return Err(Problem::bad("Missing start time"));
        }
        let zone = parse_zone(Some(&asked.timezone))?;
        let from = parse_time(&asked.start, &zone, now_ms)?;
        let to = if asked.end.is_empty() { now_ms } else { parse_time(&asked.end, &zone, now_ms)? };
        if to <= from {
            return Err(Problem::bad(format!("End time [{to}] must be greater than the start time [{from}]")));
        }
        if from < 0 || to > TIME_MAX {
            return Err(Problem::bad(format!("Invalid timestamp: {}", if from < 0 { from } else { to })));
        }
        if asked.parts.is_empty() {
            return Err(Problem::bad("Missing queries"));
        }
        let span = Span { from, to };
        let metrics = asked.parts.into_iter().map(|part| MetricPlan::new(part, span)).collect::<Result<_, Problem>>()?;
        Ok(Self { asked: span, ms: asked.ms, show_query: asked.show_query, show_tsuids: asked.show_tsuids, metrics })
    }
}

impl MetricPlan {
    fn new(part: Part, asked: Span) -> Result<Self, Problem> {
        if let Some(unsupported) = part.unsupported {
            return Err(Problem::bad(format!("`{unsupported}` is not supported")));
        }
        if part.aggregator.is_empty() {
            return Err(Problem::bad("Missing the aggregation function"));
        }
        let aggregator = Aggregator::named(&part.aggregator);
        let aggregator = aggregator.ok_or_else(|| Problem::bad(format!("No such aggregation function: {}", part.aggregator)))?;
        if part.metric.is_empty() {
            return Err(Problem::bad("Missing the metric or tsuids, provide at least one"));
        }
        let downsample = if part.downsample.is_empty() { None } else { Some(downsample::parse(&part.downsample)?) };
        let scan = scanned(asked, downsample.as_ref().and_then(|downsample| downsample.interval));
        Ok(Self {
            metric: part.metric,
            aggregator,
            downsample,
            downsample_text: part.downsample,
            rate: part.rate.then(|| part.rate_options.clone().unwrap_or_default()),
            rate_options: part.rate_options,
            filters: part.filters,
            explicit_tags: part.explicit_tags,
            scan,
        })
    }
}

/// Whole hours around what is asked, and around the intervals that it touches; in whole seconds, as OpenTSDB computes it.
fn scanned(asked: Span, interval: Option<i64>) -> Span {
    let down = |at: i64, step: i64| at - at % step;
    // what has at most 32 bits is taken for seconds there
    let seconds = |at: i64| if at > i64::from(u32::MAX) { at / 1_000 * 1_000 } else { at.saturating_mul(1_000) };
    let from = seconds(asked.from);
    let to = if asked.to > i64::from(u32::MAX) { seconds(asked.to) + 1_000 } else { seconds(asked.to) };
    match interval {
        None => Span { from: down(from, HOUR_MS), to: down(to, HOUR_MS) + HOUR_MS },
        Some(interval) => {
            let begin = from - down(from % interval, 1_000);
            let end = to + down(interval - to % interval, 1_000);
            Span { from: down(begin, HOUR_MS), to: down(end + HOUR_MS - 1, HOUR_MS) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 472_000 * HOUR_MS;

    #[test]
    fn whole_hours_are_scanned() {
        let asked = Span { from: HOUR + 1, to: HOUR + HOUR_MS - 1 };
        // the end is counted up to the next second first
        assert_eq!(scanned(asked, None), Span { from: HOUR, to: HOUR + 2 * HOUR_MS });
        let asked = Span { from: HOUR + 1, to: HOUR + HOUR_MS - 1_001 };
        assert_eq!(scanned(asked, None), Span { from: HOUR, to: HOUR + HOUR_MS });
    }

    #[test]
    fn whole_intervals_are_scanned() {
        let asked = Span { from: HOUR + 1, to: HOUR + 2 };
        let day = 24 * HOUR_MS;
        let scan = scanned(asked, Some(day));
        assert_eq!((scan.from, scan.to), (HOUR / day * day, HOUR / day * day + day));
        assert_eq!(scanned(asked, Some(60_000)), Span { from: HOUR, to: HOUR + HOUR_MS });
    }

    fn plan(text: &str) -> Result<Plan, Problem> {
        let parameters = super::super::parameters::Parameters::parse(text)?;
        Plan::new(super::super::uri::parse(&parameters)?, 1_700_000_000_000)
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (text, message) in [
            ("m=sum:a", "Missing parameter <code>start</code>"),
            ("start=1h-ago", "Missing sub queries"),
            ("start=1h-ago&end=2h-ago&m=sum:a", "End time [1699992800000] must be greater than the start time [1699996400000]"),
            ("start=1h-ago&m=total:a", "No such aggregation function: total"),
            ("start=1h-ago&m=sum:1m-total:a", "No such downsampling function: total"),
        ] {
            assert_eq!(plan(text).map(|_| ()).unwrap_err(), Problem::bad(message), "{text}");
        }
    }

    #[test]
    fn repeated_parts_are_answered_once() {
        let plan = plan("start=1h-ago&m=sum:a{h=*}&m=sum:a{h=*}&m=avg:a").unwrap();
        assert_eq!(plan.metrics.iter().map(|metric| metric.aggregator.name).collect::<Vec<_>>(), ["sum", "avg"]);
    }
}
