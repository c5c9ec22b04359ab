//! What is left of the limits of one question.

use loki_runtime::clock::Stopwatch;

use super::problem::Problem;
use crate::Limits;

pub(super) struct Budget<'l> {
    limits: &'l Limits,
    watch: Stopwatch,
    points: u64,
}

impl<'l> Budget<'l> {
    pub(super) fn new(limits: &'l Limits) -> Self {
        Self { limits, watch: Stopwatch::start(), points: 0 }
    }

    pub(super) fn take_points(&mut self, points: u64) -> Result<(), Problem> {
        self.points = self.points.saturating_add(points);
        if self.points > self.limits.points_max { Err(self.too_many_points()) } else { Ok(()) }
    }

    pub(super) fn points_left(&self) -> usize {
        usize::try_from(self.limits.points_max.saturating_sub(self.points)).unwrap_or(usize::MAX)
    }

    pub(super) fn too_many_points(&self) -> Problem {
        let most = self.limits.points_max;
        Problem::too_large(format!(
            "the question reads or fills more than {most} data points: narrow its time or its tags, or ask in parts"
        ))
    }

    pub(super) fn check_series(&self, series: usize) -> Result<(), Problem> {
        let most = self.limits.series_max;
        if series <= most {
            return Ok(());
        }
        Err(Problem::too_large(format!("the question is about more than {most} series: narrow its tags")))
    }

    pub(super) fn check_bytes(&self, bytes: usize) -> Result<(), Problem> {
        let most = self.limits.answer_bytes_max;
        if bytes <= most {
            return Ok(());
        }
        Err(Problem::too_large(format!("the answer has more than {most} bytes: narrow the question's time or tags, or downsample")))
    }

    pub(super) fn check_time(&self) -> Result<(), Problem> {
        let most = self.limits.time_max;
        if self.watch.elapsed() <= most {
            return Ok(());
        }
        Err(Problem::too_large(format!("answering takes longer than {} ms: narrow the question's time or its tags", most.as_millis())))
    }
}
