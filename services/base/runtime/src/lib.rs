//! The only place that spawns, sleeps and reads time.

pub mod backoff;
pub mod clock;
pub mod process;
pub mod secret;
pub mod shutdown;
pub mod task;

pub use backoff::Backoff;
pub use clock::Clock;
pub use process::Process;
pub use secret::Secret;
pub use shutdown::Shutdown;
