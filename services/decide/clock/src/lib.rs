//! The clock: reads the timers among `loki.facts`, and appends `timer.fire` to `loki.commands` when one is due.
//!
//! **Promise.** A timer that is due is fired as long as it stays, so that no run stands still for a command that was lost. Firing decides
//! nothing: the decider looks at the run as it then is, and a timer that is fired twice, early or too late does no harm. So the wall clock
//! is read here, and nowhere where something is decided.
//!
//! One member of the group holds the facts' partition and fires; others stand by.
//!
//! `timers` says, purely, what is to be fired when; `service` reads and appends.

pub mod config;
pub mod error;
pub mod metrics;
mod service;
mod timers;

pub use config::Config;
pub use error::Error;
pub use service::TimerService;
pub use timers::Timers;
