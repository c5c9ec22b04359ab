//! The last values of all series, and which hosts are there: a projection of `loki.samples`.
//!
//! Each partition of the topic is a store of its own with a position of its own, and a task of [`loki_runner::share`]. What is kept of it is what
//! its last ten minutes of *log* time say, so that a store which was emptied is filled from there, in seconds:
//!
//! - **The last value of a series** is replaced only by one of a later instant. Of equal instants the first stays: the lowest offset wins, here
//!   as in the series' store. Once its record is older than the window it is as if it were not there. A series whose clock was set back is
//!   therefore seen again after ten minutes at the latest, and until then a store that was filled anew may show another one of its values.
//! - **The presence of a host** is the log time of its last `host.*` sample. It is no judgement: whoever asks compares it with a time.
//!
//! A step is what is left of some records: one value for each series. `fold` makes steps, purely; `entry` says where a task begins, purely;
//! `projector` is the task. A step is written by one script that compares position and log id, so two writers do no harm.
//!
//! What has become older than the window is removed by the steps themselves, each some more than it brings: nothing grows without bound, and no
//! step takes long. Readers do not see it meanwhile, so it makes no difference when it is removed. A series takes Redis some 500 bytes, and a step of a
//! thousand some 20 milliseconds (`examples/live_speed.rs`, on two busy cores).

mod asks;
mod config;
mod entry;
mod fold;
mod identity;
mod lines;
mod memory;
mod port;
mod projector;
mod reader;
mod redis;
mod service;
mod window;

pub use self::config::SamplesConfig;
pub use self::entry::{Entry, Reason, Situation, decide};
pub use self::fold::{Folded, Limits, Step, fold};
pub use self::lines::{Last, replaces};
pub use self::memory::MemorySamples;
pub use self::port::{
    Answered, EXAMINED_MAX, Filter, HOSTS_MAX, NotReady, Page, Place, Refusal, SamplesReader, SamplesStore, Search, Shape, Shelf, Write,
};
pub use self::projector::Projector;
pub use self::reader::Reader;
pub use self::redis::RedisSamples;
pub use self::service::run;
