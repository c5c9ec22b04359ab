//! What probing takes, whether of a target or of a control: how, from where, by which clock, and where its points go.

use std::sync::Arc;

use loki_domain::{Invalid, Sample};
use loki_runtime::Clock;

use crate::metrics;
use crate::probe::Probe;
use crate::samples::Outbox;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Means {
    pub(crate) probe: Arc<Probe>,
    pub(crate) clock: Clock,
    pub(crate) vantage: Arc<str>,
    pub(crate) outbox: Outbox,
}

impl Means {
    /// Hands over what was found. Targets and vantages have names that samples may have; should one not, it is told.
    pub(crate) fn hand_over(&self, samples: Result<Vec<Sample>, Invalid>) {
        match samples {
            Ok(samples) => self.outbox.push(samples),
            Err(invalid) => {
                metrics::dropped(metrics::DROPPED_INVALID, 1);
                tracing::error!(%invalid, "what a probe found cannot be written");
            }
        }
    }
}
