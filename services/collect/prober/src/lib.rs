//! Looks at domains from outside, once a minute, as a visitor would.
//!
//! Reads: what the domains answer, and from the API which domains there are. Writes: samples, through the API alone. Promise: a point of
//! `domain.availability` is what this vantage saw itself, at a second that lies one period after that of the point before; what could not be told
//! is no point. Never: a verdict over several vantages, which is an alert rule's; a vantage whose own controls fail says nothing.
//!
//! | metric | value | written |
//! | --- | --- | --- |
//! | `domain.availability` | 1 or 0 | for each probe but those answered by 4xx, unless that status is what is expected, and not while the vantage's controls fail. The mean over a window is (2xx + 3xx) / (all − 4xx) |
//! | `domain.responsetime` | milliseconds from the lookup to the last byte | when there was a whole answer, whatever its status |
//! | `domain.phase.time` | milliseconds; tag `phase`: `dns`, `connect`, `tls`, `first_byte`, `transfer` | for each phase that was there and has succeeded |
//! | `domain.status` | the status of the answer | when there was one |
//! | `domain.tls.expiry` | seconds until the leaf certificate expires, less than 0 after that | when there was a certificate, trusted or not |
//! | `domain.vantage.ok` | 1 or 0: whether at least half of the controls are available | when there are controls; tag `vantage` alone |
//!
//! Tags: `domain`, `path` unless it is `/`, `scheme` unless it is `https`, `vendor`, `vantage`; a sign that no tag may have is written `_`, as in
//! `127.0.0.1_8470`. Redirects are not followed. Of a body the first MiB is read: times are until then, and text that is expected must be in it.
//!
//! To read on: [`service`] builds the parts; `schedule` says when which target is due, `rounds` starts it, `probe` does it, `verdict` judges it,
//! `controls` says whether this vantage has a vote, `points` makes samples; [`targets`] and [`samples`] are the two ways to the API.

pub mod config;
mod controls;
pub mod error;
mod means;
pub mod metrics;
mod naming;
mod points;
mod probe;
mod rounds;
pub mod samples;
mod schedule;
pub mod service;
pub mod target;
pub mod targets;
mod vantage;
mod verdict;

pub use config::{Config, Fixed};
pub use error::Error;
pub use loki_client::{Failure, Taken};
pub use samples::Samples;
pub use service::Prober;
pub use target::Target;
pub use targets::{Listing, Targets};
