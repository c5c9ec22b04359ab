//! Rates: the change per second between one point of a series and the one before.

use crate::store::Point;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct RateOptions {
    /// The series only grows; when it falls, it began again.
    pub(super) counter: bool,
    /// Where a counter begins again.
    pub(super) counter_max: i64,
    /// A rate above it, after a fall, is a restart and counts as 0; 0: none is.
    pub(super) reset_value: i64,
    /// A fall has no rate at all.
    pub(super) drop_resets: bool,
}

impl Default for RateOptions {
    fn default() -> Self {
        Self { counter: false, counter_max: i64::MAX, reset_value: 0, drop_resets: false }
    }
}

/// OpenTSDB counts the first point from 0 in 1970. Nobody is answered that rate, but other series are added up with it until the second one
/// comes, so it is here too.
pub(super) fn apply(points: &[Point], options: &RateOptions) -> Vec<Point> {
    let mut before: Point = (0, 0.0);
    let mut rates = Vec::with_capacity(points.len());
    for &(at, value) in points {
        let seconds = (at - before.0) as f64 / 1_000.0;
        let mut change = value - before.1;
        let mut fell = false;
        if options.counter && change < 0.0 {
            fell = true;
            change = options.counter_max as f64 - before.1 + value;
        }
        before = (at, value);
        if fell && options.drop_resets {
            continue;
        }
        let rate = change / seconds;
        let restarted = fell && options.reset_value > 0 && rate > options.reset_value as f64;
        rates.push((at, if restarted { 0.0 } else { rate }));
    }
    rates
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTS: [Point; 4] = [(10_000, 10.0), (20_000, 30.0), (30_000, 5.0), (32_000, 6.0)];

    fn rates(options: RateOptions) -> Vec<Point> {
        apply(&POINTS, &options)
    }

    #[test]
    fn a_rate_is_per_second() {
        assert_eq!(rates(RateOptions::default()), [(10_000, 1.0), (20_000, 2.0), (30_000, -2.5), (32_000, 0.5)]);
    }

    #[test]
    fn a_counter_that_falls_began_again() {
        let counter = RateOptions { counter: true, counter_max: 35, ..RateOptions::default() };
        assert_eq!(rates(counter.clone())[2], (30_000, 1.0));
        assert_eq!(rates(RateOptions { reset_value: 1, ..counter.clone() })[2], (30_000, 1.0));
        assert_eq!(rates(RateOptions { counter_max: 40, reset_value: 1, ..counter.clone() })[2], (30_000, 0.0));
        let dropped = rates(RateOptions { drop_resets: true, ..counter });
        assert_eq!(dropped, [(10_000, 1.0), (20_000, 2.0), (32_000, 0.5)]);
    }
}
