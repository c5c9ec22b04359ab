//! The functions that make one number of several, as OpenTSDB computes them for floats.
//!
//! Samples are stored as floats, so what OpenTSDB does with whole numbers does not occur. NaN stands for a value that a fill policy put in;
//! most functions leave it out. The percentiles named `ep…` have an estimation of their own only for whole numbers: for floats OpenTSDB
//! computes all of them alike.

/// What a series counts for at an instant at which it has no value of its own, between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interpolation {
    Linear,
    Zero,
    Highest,
    Lowest,
    Previous,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Function {
    Sum,
    Min,
    Max,
    Avg,
    Median,
    None,
    Multiply,
    Deviation,
    Difference,
    SquareSum,
    Count,
    First,
    Last,
    Percentile(f64),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Aggregator {
    pub(super) name: &'static str,
    pub(super) function: Function,
    pub(super) interpolation: Interpolation,
}

const fn aggregator(name: &'static str, function: Function, interpolation: Interpolation) -> Aggregator {
    Aggregator { name, function, interpolation }
}

const fn percentile(name: &'static str, percent: f64) -> Aggregator {
    aggregator(name, Function::Percentile(percent), Interpolation::Linear)
}

const ALL: &[Aggregator] = &[
    aggregator("sum", Function::Sum, Interpolation::Linear),
    aggregator("avg", Function::Avg, Interpolation::Linear),
    aggregator("min", Function::Min, Interpolation::Linear),
    aggregator("max", Function::Max, Interpolation::Linear),
    aggregator("count", Function::Count, Interpolation::Zero),
    aggregator("dev", Function::Deviation, Interpolation::Linear),
    aggregator("diff", Function::Difference, Interpolation::Linear),
    aggregator("first", Function::First, Interpolation::Zero),
    aggregator("last", Function::Last, Interpolation::Zero),
    aggregator("median", Function::Median, Interpolation::Linear),
    aggregator("mimmax", Function::Max, Interpolation::Lowest),
    aggregator("mimmin", Function::Min, Interpolation::Highest),
    aggregator("mult", Function::Multiply, Interpolation::Linear),
    aggregator("none", Function::None, Interpolation::Zero),
    aggregator("pfsum", Function::Sum, Interpolation::Previous),
    aggregator("squareSum", Function::SquareSum, Interpolation::Zero),
    aggregator("zimsum", Function::Sum, Interpolation::Zero),
    percentile("p50", 50.0),
    percentile("p75", 75.0),
    percentile("p90", 90.0),
    percentile("p95", 95.0),
    percentile("p99", 99.0),
    percentile("p999", 99.9),
    percentile("ep50r3", 50.0),
    percentile("ep75r3", 75.0),
    percentile("ep90r3", 90.0),
    percentile("ep95r3", 95.0),
    percentile("ep99r3", 99.0),
    percentile("ep999r3", 99.9),
    percentile("ep50r7", 50.0),
    percentile("ep75r7", 75.0),
    percentile("ep90r7", 90.0),
    percentile("ep95r7", 95.0),
    percentile("ep99r7", 99.0),
    percentile("ep999r7", 99.9),
];

impl Aggregator {
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        ALL.iter().map(|aggregator| aggregator.name)
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        ALL.iter().find(|aggregator| aggregator.name == name).copied()
    }

    /// The values in the order of the series, or of time; there is at least one. They may be left in another order.
    pub(super) fn apply(&self, values: &mut [f64]) -> f64 {
        let numbers = values.iter().copied().filter(|value| !value.is_nan());
        let some = values.iter().any(|value| !value.is_nan());
        match self.function {
            Function::Count => numbers.count() as f64,
            Function::Multiply => values.iter().product(),
            Function::First | Function::None => values[0],
            Function::Last => values[values.len() - 1],
            _ if !some => f64::NAN,
            Function::Sum => numbers.fold(0.0, |sum, value| sum + value),
            Function::SquareSum => numbers.fold(0.0, |sum, value| sum + value * value),
            Function::Avg => {
                let (sum, count) = numbers.fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
                sum / f64::from(count)
            }
            Function::Min => numbers.fold(f64::INFINITY, |least, value| if value < least { value } else { least }),
            Function::Max => numbers.fold(f64::NEG_INFINITY, |most, value| if value > most { value } else { most }),
            Function::Deviation => deviation(numbers),
            Function::Difference => difference(values),
            Function::Median => {
                let sorted = sort_numbers(values);
                sorted[sorted.len() / 2]
            }
            Function::Percentile(percent) => percentile_of(sort_numbers(values), percent),
        }
    }
}

/// Welford's: of all values, not of a sample.
fn deviation(numbers: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in numbers {
        count += 1.0;
        let off = value - mean;
        mean += off / count;
        squares += off * (value - mean);
    }
    if count < 2.0 { 0.0 } else { (squares / count).sqrt() }
}

/// The last value less the first number; 0 when there is nothing after it.
fn difference(values: &[f64]) -> f64 {
    let first = values.iter().position(|value| !value.is_nan()).unwrap_or(0);
    if first + 1 == values.len() { 0.0 } else { values[values.len() - 1] - values[first] }
}

fn sort_numbers(values: &mut [f64]) -> &[f64] {
    values.sort_unstable_by(f64::total_cmp);
    // NaN of either sign is at an end
    let start = values.iter().position(|value| !value.is_nan()).unwrap_or(values.len());
    let end = values.iter().rposition(|value| !value.is_nan()).map_or(start, |last| last + 1);
    &values[start..end]
}

/// The estimation that the NIST handbook describes: between the neighbours of `percent` of one more than there are.
fn percentile_of(sorted: &[f64], percent: f64) -> f64 {
    let count = sorted.len();
    let position = percent * (count as f64 + 1.0) / 100.0;
    let below = position.floor();
    if count == 1 || position < 1.0 {
        sorted[0]
    } else if position >= count as f64 {
        sorted[count - 1]
    } else {
        let (lower, upper) = (sorted[below as usize - 1], sorted[below as usize]);
        lower + (position - below) * (upper - lower)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(name: &str, values: &[f64]) -> f64 {
        Aggregator::named(name).unwrap().apply(&mut values.to_vec())
    }

    #[test]
    fn each_function_by_hand() {
        let values = [4.0, f64::NAN, 1.0, 3.0, 2.0];
        for (name, result) in [
            ("sum", 10.0),
            ("zimsum", 10.0),
            ("avg", 2.5),
            ("min", 1.0),
            ("mimmax", 4.0),
            ("count", 4.0),
            ("median", 3.0),
            ("diff", -2.0),
            ("squareSum", 30.0),
            ("first", 4.0),
            ("last", 2.0),
            ("dev", 1.25f64.sqrt()),
            ("p50", 2.5),
            ("p99", 4.0),
            ("p75", 3.75),
            ("ep50r7", 2.5),
        ] {
            assert!((applied(name, &values) - result).abs() < 1e-12, "{name}: {}", applied(name, &values));
        }
        assert!(applied("mult", &values).is_nan());
        assert_eq!(applied("mult", &[2.0, 3.0]), 6.0);
    }

    #[test]
    fn without_a_number_there_is_none() {
        for name in Aggregator::names().filter(|name| *name != "count") {
            assert!(applied(name, &[f64::NAN, f64::NAN]).is_nan(), "{name}");
        }
        assert_eq!(applied("count", &[f64::NAN]), 0.0);
        assert_eq!((applied("dev", &[5.0]), applied("diff", &[5.0])), (0.0, 0.0));
    }

    #[test]
    fn percentiles_lie_between_their_neighbours() {
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        assert!((applied("p90", &values) - 9.9).abs() < 1e-12);
        assert_eq!((applied("p95", &values), applied("p999", &[7.0])), (10.0, 7.0));
    }
}
