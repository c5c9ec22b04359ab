//! What a process tells of itself: logs, metrics, health, and the trace that a command carries.

pub mod describe;
pub mod fields;
pub mod health;
pub mod logs;
pub mod metrics;
pub mod metrics_endpoint;
pub mod routes;
pub mod trace;

pub use describe::{Kind, Metric};
pub use health::{Component, Health};
pub use metrics_endpoint::Metrics;
#[cfg(any(test, feature = "testing"))]
pub use metrics_endpoint::counted;
