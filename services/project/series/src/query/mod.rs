//! `/api/query`: from the request to its answer.
//!
//! A question is read ([`uri`], [`body`]), checked ([`plan`]), and answered part by part: the series are chosen and grouped ([`select`]); each
//! series' points are downsampled ([`downsample`]), then turned into rates ([`rate`]), and the series of a group are aggregated ([`across`]).
//! That order, and which points take part, are OpenTSDB's.

mod across;
mod aggregator;
mod asked;
mod body;
mod budget;
mod downsample;
mod filter;
mod json;
mod parameters;
mod plan;
mod problem;
mod rate;
mod scalar;
mod select;
mod time;
mod uri;
mod write;

use std::sync::Arc;

pub(crate) use self::aggregator::Aggregator;
use self::asked::Asked;
pub(crate) use self::body::unreadable;
use self::budget::Budget;
pub(crate) use self::json::Json;
pub(crate) use self::parameters::Parameters;
use self::plan::{MetricPlan, Plan, Span};
pub(crate) use self::problem::Problem;
pub(crate) use self::scalar::{Text, Whole};
pub(crate) use self::uri::parse_tag;
use self::write::Writer;
use crate::store::{Entry, Point, Store};

/// A question of a URL, or of a body when there is one to be read.
pub(crate) fn answer(store: &Store, parameters: &Parameters, body: Option<&[u8]>, now_ms: i64) -> Result<Json, Problem> {
    let asked: Asked = match body {
        None => uri::parse(parameters)?,
        Some(body) => body::parse(body)?,
    };
    let plan = Plan::new(asked, now_ms)?;
    let mut budget = Budget::new(&store.options().limits);
    let mut writer = Writer::new(&plan, parameters.has("arrays"));
    for (index, metric) in plan.metrics.iter().enumerate() {
        answer_metric(store, &plan, index, metric, &mut budget, &mut writer)?;
    }
    Ok(writer.finish())
}

fn answer_metric(
    store: &Store,
    plan: &Plan,
    index: usize,
    metric: &MetricPlan,
    budget: &mut Budget<'_>,
    writer: &mut Writer<'_>,
) -> Result<(), Problem> {
    let groups = {
        let dictionary = store.dictionary();
        let selected = select::select(&dictionary, metric, budget)?;
        select::group(&dictionary, metric, selected)
    };
    for group in groups {
        let mut members = Vec::with_capacity(group.len());
        let mut series = Vec::with_capacity(group.len());
        for entry in group {
            if let Some(points) = read(store, &entry, metric, plan.asked, budget)? {
                series.push(points);
                members.push(entry);
            }
        }
        if members.is_empty() {
            continue;
        }
        writer.begin(index, metric, &members);
        let wanted = |at: i64| (plan.asked.from..=plan.asked.to).contains(&at);
        let mut instants = 0u32;
        let each = |at, value| {
            instants = instants.wrapping_add(1);
            if instants.is_multiple_of(1_024) {
                budget.check_time()?;
                budget.check_bytes(writer.len())?;
            }
            writer.point(at, value);
            Ok(())
        };
        across::aggregate(&series, &metric.aggregator, metric.rate.is_some(), metric.scan.from, wanted, each)?;
        writer.end();
        budget.check_bytes(writer.len())?;
    }
    Ok(())
}

/// A series' points, downsampled and as rates; nothing when it has none in what is scanned.
fn read(store: &Store, entry: &Arc<Entry>, plan: &MetricPlan, asked: Span, budget: &mut Budget<'_>) -> Result<Option<Vec<Point>>, Problem> {
    budget.check_time()?;
    let points = store.points(entry.id, plan.scan.from, plan.scan.to - 1, budget.points_left())?;
    let mut points = points.ok_or_else(|| budget.too_many_points())?;
    if points.is_empty() {
        return Ok(None);
    }
    budget.take_points(points.len() as u64)?;
    if let Some(downsample) = &plan.downsample {
        budget.take_points(downsample.filled(plan.scan))?;
        points = downsample.apply(&points, plan.scan, asked);
    }
    if let Some(options) = &plan.rate {
        points = rate::apply(&points, options);
    }
    Ok(Some(points))
}
