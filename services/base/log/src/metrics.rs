//! Metrics of the log.
