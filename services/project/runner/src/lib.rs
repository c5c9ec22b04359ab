//! The one consume loop of all projections.
//!
//! A projection is a function from a log to a store that can be deleted and made again. The store holds, beside the data and written in the same
//! atomic step, how far it is: `Stored`. That, and nothing in this process or in the consumer group, is the truth about where to go on:
//!
//! - A batch carries `from` and `to`. The store applies it only if its position *equals* `from`. "Newer than" would not do: a store that was
//!   emptied, or failed over to an older copy, would take the next batch and hide the hole.
//! - The loop reads the store's position again every second and after every refusal. A position that is not where this member left it means that
//!   somebody emptied the store, set it back, or that another member has taken over; `entry::decide` says how to go on.
//! - The group's committed offset is kept as a witness: a store below it was set back, is marked `building`, and replays; readers answer
//!   "not yet" meanwhile instead of an older truth.
//! - A store that is found to be wrong (of another log, or beyond the end of this one) is given up in the store itself before its rebuild begins:
//!   an hour later the log may look as if nothing had happened.
//! - A compacted log keeps every step, and removals, for a time only. A store that is behind for longer is `building` until the end, or is rebuilt;
//!   it makes no difference whether its loop was there meanwhile.
//! - Nothing is skipped. A record that cannot be read stops the partition and says so; a store that is away pauses it.
//! - The member is polled whatever the store does, so that a slow store does not cost the membership.
//!
//! To read on: `runner` is the loop from the top; `enter` gathers what `entry` decides on; `follow` reads, `apply` writes one step, `rebuild` fills
//! a new generation, `upkeep` compares now and then. Below them, `seat` keeps the place in the group, `decode` and `pending` make whole commands
//! of records. Topics of many partitions have a loop of their own, `share`. `report` is what `status`, readiness and metrics are told by, `note` what other processes are; `control` is what an operator may ask.

mod apply;
pub mod config;
pub mod control;
mod course;
mod decode;
mod enter;
pub mod entry;
pub mod error;
mod follow;
pub mod log_id;
pub mod metrics;
mod note;
mod pending;
pub mod projection;
mod rebuild;
mod report;
pub mod runner;
mod seat;
pub mod share;
pub mod status;
#[cfg(feature = "testing")]
pub mod testing;
mod trouble;
mod upkeep;
pub mod wait;

pub use config::RunnerConfig;
pub use control::Control;
pub use entry::{Entry, Reason};
pub use error::{Error, Unreadable};
pub use log_id::LogIdSearch;
pub use projection::{Applied, Batch, Item, Projection, State, StoreError, Stored, Target};
pub use runner::Runner;
pub use share::{Gone, Hold, Share, ShareConfig};
pub use status::{Mode, Phase, Snapshot, Status, Told};
pub use wait::Waiting;
