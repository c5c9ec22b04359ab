//! Prometheus metrics of the process.

use std::time::Duration;

use loki_runtime::{Shutdown, task};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of histograms in seconds: from half a millisecond to half a minute.
const SECONDS: [f64; 15] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Upper bounds of histograms of counts.
const COUNTS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

/// The process's recorder. Made once.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs the recorder for the whole process.
    pub fn install() -> Result<Self, BuildError> {
        Ok(Self(builder()?.install_recorder()?))
    }

    /// The text that Prometheus scrapes.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds histograms' samples now and then, so that memory stays bounded when nobody scrapes.
    pub async fn upkeep(self, shutdown: Shutdown) {
        while shutdown.unless(task::sleep(Duration::from_secs(5))).await.is_some() {
            self.0.run_upkeep();
        }
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_records".to_owned()), &COUNTS)?
        .set_buckets_for_metric(Matcher::Suffix("_points".to_owned()), &COUNTS)
}

/// What `work` counts on this thread, as Prometheus would read it.
///
/// # Panics
/// When there is no recorder to be had.
#[cfg(any(test, feature = "testing"))]
pub fn counted(work: impl FnOnce()) -> String {
    let recorder = builder().expect("a recorder").build_recorder();
    metrics::with_local_recorder(&recorder, work);
    recorder.handle().render()
}
