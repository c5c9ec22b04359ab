//! Samples as they are now: from the live state, not from the time series.

pub(crate) mod list;
