//! Downsampling: the values of one series in each interval become one.
//!
//! Intervals are counted from 1970. With a fill policy every interval of the time that is scanned has a value; without one only those in which
//! the series has points.

use super::aggregator::{Aggregator, Function};
use super::time::parse_duration;
use super::{Problem, Span};
use crate::store::Point;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    None,
    NotANumber,
    Null,
    Zero,
}

#[derive(Debug, Clone)]
pub(super) struct Downsample {
    /// Milliseconds; nothing when the whole question is one interval.
    pub(super) interval: Option<i64>,
    pub(super) function: Aggregator,
    pub(super) fill: Fill,
}

/// `<interval>-<function>[-<fill>]`.
pub(super) fn parse(text: &str) -> Result<Downsample, Problem> {
    let parts: Vec<&str> = text.split('-').collect();
    let (interval, function, fill) = match parts[..] {
        [interval, function] => (interval, function, "none"),
        [interval, function, fill] => (interval, function, fill),
        _ => {
            let problem = format!("Invalid downsampling specifier '{text}': it is an interval, a function and, if wanted, a fill policy");
            return Err(Problem::bad(problem));
        }
    };
    let interval = if interval.contains("all") {
        None
    } else if interval.ends_with('c') {
        return Err(Problem::bad(format!("`{interval}`: intervals of the calendar are not supported, leave out the `c`")));
    } else {
        Some(parse_duration(interval)?)
    };
    let known = Aggregator::named(function).ok_or_else(|| Problem::bad(format!("No such downsampling function: {function}")))?;
    if known.function == Function::None {
        return Err(Problem::bad("cannot use the NONE aggregator for downsampling"));
    }
    let fill = match fill.to_lowercase().as_str() {
        "none" => Fill::None,
        "nan" => Fill::NotANumber,
        "null" => Fill::Null,
        "zero" => Fill::Zero,
        _ => return Err(Problem::bad(format!("Unrecognized fill policy: {fill}"))),
    };
    Ok(Downsample { interval, function: known, fill })
}

impl Downsample {
    /// Intervals that are filled for each series, whether it has points or not.
    pub(super) fn filled(&self, scan: Span) -> u64 {
        match (self.fill, self.interval) {
            (Fill::None, _) | (_, None) => 0,
            (_, Some(interval)) => ((scan.to - scan.from) / interval) as u64,
        }
    }

    /// The points are those of `scan`, whose end does not belong to it; `asked` is what the question wants.
    pub(super) fn apply(&self, points: &[Point], scan: Span, asked: Span) -> Vec<Point> {
        let Some(interval) = self.interval else { return self.all(points, asked) };
        let align = |at: i64| at - at % interval;
        // an interval that began before the scan would be half there
        let whole = points.partition_point(|(at, _)| *at < align(scan.from + interval - 1));
        let mut values = Vec::new();
        let mut downsampled: Vec<Point> = Vec::new();
        for run in points[whole..].chunk_by(|one, other| align(one.0) == align(other.0)) {
            values.clear();
            values.extend(run.iter().map(|(_, value)| *value));
            downsampled.push((align(run[0].0), self.function.apply(&mut values)));
        }
        let filler = match self.fill {
            Fill::None => return downsampled,
            Fill::NotANumber | Fill::Null => f64::NAN,
            Fill::Zero => 0.0,
        };
        let mut known = downsampled.into_iter().peekable();
        let mut filled = Vec::new();
        let mut at = align(scan.from);
        while at < align(scan.to) {
            while known.next_if(|point| point.0 < at).is_some() {}
            filled.push(known.next_if(|point| point.0 == at).unwrap_or((at, filler)));
            at += interval;
        }
        filled
    }

    /// One value for all that was asked for, dated at its beginning.
    fn all(&self, points: &[Point], asked: Span) -> Vec<Point> {
        let mut values: Vec<f64> = points.iter().filter(|(at, _)| (asked.from..asked.to).contains(at)).map(|(_, value)| *value).collect();
        if values.is_empty() { Vec::new() } else { vec![(asked.from, self.function.apply(&mut values))] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCAN: Span = Span { from: 0, to: 60 };
    const POINTS: [Point; 4] = [(1, 1.0), (9, 3.0), (20, 5.0), (41, 7.0)];

    fn applied(text: &str, asked: Span) -> Vec<Point> {
        parse(text).unwrap().apply(&POINTS, SCAN, asked)
    }

    #[test]
    fn an_interval_with_points_has_a_value() {
        assert_eq!(applied("10ms-avg", SCAN), [(0, 2.0), (20, 5.0), (40, 7.0)]);
        assert_eq!(applied("25ms-count-none", SCAN), [(0, 3.0), (25, 1.0)]);
    }

    #[test]
    fn filling_gives_every_interval_a_value() {
        assert_eq!(applied("20ms-sum-zero", SCAN), [(0, 4.0), (20, 5.0), (40, 7.0)]);
        assert_eq!(applied("10ms-max-zero", SCAN), [(0, 3.0), (10, 0.0), (20, 5.0), (30, 0.0), (40, 7.0), (50, 0.0)]);
        let nan = applied("30ms-min-NaN", SCAN);
        assert_eq!(nan, [(0, 1.0), (30, 7.0)]);
        assert!(applied("10ms-max-null", SCAN)[1].1.is_nan());
        assert_eq!(parse("10ms-max-null").unwrap().filled(SCAN), 6);
    }

    #[test]
    fn an_interval_that_began_before_the_scan_is_left_out() {
        let scan = Span { from: 5, to: 60 };
        assert_eq!(parse("10ms-sum").unwrap().apply(&POINTS[1..], scan, scan), [(20, 5.0), (40, 7.0)]);
        assert_eq!(parse("10ms-sum-zero").unwrap().apply(&POINTS[1..], scan, scan)[0], (0, 0.0));
    }

    #[test]
    fn all_is_what_was_asked_for() {
        assert_eq!(applied("0all-sum", Span { from: 2, to: 41 }), [(2, 8.0)]);
        assert_eq!(applied("0all-sum", Span { from: 42, to: 50 }), []);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for wrong in ["", "1m", "1m-avg-nan-x", "x-avg", "1m-none", "1m-mean", "1m-avg-scalar", "1dc-sum"] {
            assert_eq!(parse(wrong).map(|_| ()).unwrap_err().status, 400, "{wrong}");
        }
    }
}
