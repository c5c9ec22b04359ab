//! What an agent really sent: every value of one host, each ten seconds, in `recorded.csv`.
//!
//! Real values and not made ones, because how few bytes they take is one of the questions. The machine had two cores, on which software was built and
//! tested for three quarters of an hour. A column is a series (its metric, and the tag beside `host` if it has one), a line a round.

use anyhow::{Context, Result};
use loki_domain::{Series, Tags};

const RECORDED: &str = include_str!("../recorded.csv");

pub(crate) struct Recording {
    columns: Vec<Column>,
}

struct Column {
    metric: &'static str,
    tag: Option<(&'static str, &'static str)>,
    values: Vec<f64>,
}

impl Recording {
    pub(crate) fn read() -> Result<Self> {
        let mut lines = RECORDED.lines();
        let head = lines.next().context("`recorded.csv` is empty")?;
        let mut columns: Vec<Column> = head.split(',').map(Column::new).collect();
        for line in lines {
            let values = line.split(',').map(str::parse).collect::<Result<Vec<f64>, _>>()?;
            anyhow::ensure!(values.len() == columns.len(), "a line of `recorded.csv` has {} values", values.len());
            for (column, value) in columns.iter_mut().zip(values) {
                column.values.push(value);
            }
        }
        let recording = Self { columns };
        anyhow::ensure!(recording.rounds() > 0, "`recorded.csv` has no round");
        Ok(recording)
    }

    /// How many series a host has.
    pub(crate) fn series(&self) -> usize {
        self.columns.len()
    }

    pub(crate) fn rounds(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }

    /// A host's series, in the order of the columns.
    pub(crate) fn of_host(&self, host: &str) -> Result<Vec<Series>> {
        let series = |column: &Column| {
            Ok::<_, anyhow::Error>(Series::new(column.metric.parse()?, Tags::new([("host", host)].into_iter().chain(column.tag))?))
        };
        self.columns.iter().map(series).collect()
    }

    /// After the last round comes the first again.
    pub(crate) fn value(&self, column: usize, round: usize) -> f64 {
        let values = &self.columns[column].values;
        values[round % values.len()]
    }

    /// Those of a series that the host has once.
    pub(crate) fn values(&self, metric: &str) -> Result<&[f64]> {
        let found = self.columns.iter().find(|column| column.metric == metric && column.tag.is_none());
        Ok(&found.with_context(|| format!("`{metric}` is not in `recorded.csv`"))?.values)
    }
}

impl Column {
    /// `metric` or `metric name=value`.
    fn new(named: &'static str) -> Self {
        let (metric, tag) = named.split_once(' ').map_or((named, None), |(metric, tag)| (metric, tag.split_once('=')));
        Self { metric, tag, values: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_is_a_host() {
        let recording = Recording::read().unwrap();
        let series = recording.of_host("web01").unwrap();
        assert_eq!(series.iter().collect::<std::collections::BTreeSet<_>>().len(), recording.series());
        assert!(recording.series() > 20 && recording.rounds() > 100, "{} series, {} rounds", recording.series(), recording.rounds());
        assert!(recording.values("host.cpu.usage").unwrap().iter().all(|usage| (0.0..=100.0).contains(usage)));
        assert_eq!(recording.value(0, recording.rounds()), recording.value(0, 0));
    }
}
