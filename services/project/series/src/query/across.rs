//! Aggregation across series: at every instant at which one of them has a value, one value of all that are under way.
//!
//! A series is under way from its first point to its last. Where it has no value of its own, the aggregator's interpolation says what it
//! counts for; of rates, the last one counts on.

use super::Problem;
use super::aggregator::{Aggregator, Interpolation};
use crate::store::Point;

/// Calls `each` with the instants in order; `wanted` says whether the value of an instant matters.
pub(super) fn aggregate(
    series: &[Vec<Point>],
    aggregator: &Aggregator,
    rates: bool,
    from: i64,
    wanted: impl Fn(i64) -> bool,
    mut each: impl FnMut(i64, f64) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut tracks: Vec<Track<'_>> = series.iter().map(|points| Track::new(points, rates, from)).collect();
    let mut values = Vec::with_capacity(tracks.len());
    loop {
        tracks.retain(|track| !track.points.is_empty());
        let Some(at) = tracks.iter().map(|track| track.points[0].0).min() else { return Ok(()) };
        for track in &mut tracks {
            track.move_to(at);
        }
        if wanted(at) {
            values.clear();
            values.extend(tracks.iter().filter_map(|track| track.value(at, aggregator.interpolation, rates)));
            each(at, finite(aggregator.apply(&mut values))?)?;
        }
    }
}

struct Track<'p> {
    current: Option<Point>,
    /// What is still to come.
    points: &'p [Point],
}

impl<'p> Track<'p> {
    fn new(points: &'p [Point], rates: bool, from: i64) -> Self {
        let points = &points[points.partition_point(|(at, _)| *at < from)..];
        let mut track = Self { current: None, points };
        if rates {
            // the first rate is from 1970, and only a second one begins the series
            match points {
                [first, rest @ ..] if !rest.is_empty() => (track.current, track.points) = (Some(*first), rest),
                _ => track.points = &[],
            }
        }
        track
    }

    fn move_to(&mut self, at: i64) {
        if let [next, rest @ ..] = self.points
            && next.0 == at
        {
            (self.current, self.points) = (Some(*next), rest);
        }
    }

    fn value(&self, at: i64, interpolation: Interpolation, rates: bool) -> Option<f64> {
        let (before, value) = self.current?;
        let next = self.points.first();
        match next {
            Some((after, next)) if before != at && !rates => Some(match interpolation {
                Interpolation::Linear => value + (at - before) as f64 * (next - value) / (after - before) as f64,
                Interpolation::Zero => 0.0,
                Interpolation::Highest => f64::MAX,
                Interpolation::Lowest => -f64::MAX,
                Interpolation::Previous => value,
            }),
            _ => Some(value),
        }
    }
}

fn finite(value: f64) -> Result<f64, Problem> {
    if value.is_infinite() { Err(Problem::new(500, format!("Got Infinity: {value}"), "")) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aggregated(name: &str, series: &[&[Point]], rates: bool) -> Vec<Point> {
        let series: Vec<Vec<Point>> = series.iter().map(|points| points.to_vec()).collect();
        let mut found = Vec::new();
        let aggregator = Aggregator::named(name).unwrap();
        let each = |at, value| {
            found.push((at, value));
            Ok(())
        };
        aggregate(&series, &aggregator, rates, 0, |_| true, each).unwrap();
        found
    }

    const ONE: &[Point] = &[(10, 1.0), (30, 3.0)];
    const OTHER: &[Point] = &[(20, 10.0), (40, 20.0)];

    #[test]
    fn between_two_points_a_series_lies_on_the_line() {
        assert_eq!(aggregated("sum", &[ONE, OTHER], false), [(10, 1.0), (20, 12.0), (30, 18.0), (40, 20.0)]);
        assert_eq!(aggregated("avg", &[ONE, OTHER], false), [(10, 1.0), (20, 6.0), (30, 9.0), (40, 20.0)]);
    }

    #[test]
    fn other_interpolations_count_for_nothing_or_the_last() {
        assert_eq!(aggregated("zimsum", &[ONE, OTHER], false), [(10, 1.0), (20, 10.0), (30, 3.0), (40, 20.0)]);
        assert_eq!(aggregated("mimmin", &[ONE, OTHER], false), [(10, 1.0), (20, 10.0), (30, 3.0), (40, 20.0)]);
        assert_eq!(aggregated("mimmax", &[ONE, OTHER], false), [(10, 1.0), (20, 10.0), (30, 3.0), (40, 20.0)]);
        assert_eq!(aggregated("pfsum", &[ONE, OTHER], false), [(10, 1.0), (20, 11.0), (30, 13.0), (40, 20.0)]);
        assert_eq!(aggregated("count", &[ONE, OTHER], false), [(10, 1.0), (20, 2.0), (30, 2.0), (40, 1.0)]);
    }

    #[test]
    fn a_series_of_rates_counts_from_before_its_first_answer() {
        let rates: &[Point] = &[(10, 0.5), (20, 1.0), (40, 2.0)];
        let late: &[Point] = &[(30, 0.25), (40, 8.0)];
        assert_eq!(aggregated("sum", &[rates, late], true), [(20, 1.25), (40, 10.0)]);
        assert_eq!(aggregated("sum", &[&rates[..1]], true), []);
    }

    #[test]
    fn infinity_is_no_answer() {
        let huge: &[Point] = &[(10, f64::MAX)];
        let result = aggregate(&[huge.to_vec(), huge.to_vec()], &Aggregator::named("sum").unwrap(), false, 0, |_| true, |_, _| Ok(()));
        assert_eq!(result.unwrap_err().status, 500);
    }
}
