//! What OpenTSDB answers.

use std::sync::LazyLock;

use loki_domain::{Instant, Sample, Series, Tags, Value};
use loki_opentsdb::contract::reads_answer;

/// Points that were put.
static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(|| {
    let sample = |number: i64| {
        let host = format!("web{}", number % 3);
        let series = Series::new("cpu".parse().unwrap(), Tags::new([("host", host.as_str())]).unwrap());
        let at = Instant::new(1_700_000_000 + number).unwrap();
        Sample { series, at, value: Value::new(number as f64).unwrap() }
    };
    (0..9).map(sample).collect()
});

/// What is said of points is of those that were put.
pub(crate) fn answer(input: &[u8]) {
    reads_answer(&SAMPLES, input);
}
