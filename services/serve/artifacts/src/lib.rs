//! Archives: a store of our own, a folder or a bucket of S3, in which each lies under its SHA-256; and buckets of others, which are only read.
//!
//! **Promise.** What can be got from the store has the digest that it is asked by: an archive is there as a whole, or not at all, however its upload
//! ended. It is never changed and never removed here. What a bucket of others gives is checked by whoever takes it.

mod buckets;
mod error;
mod store;
#[cfg(feature = "testing")]
pub mod testing;

pub use buckets::{Buckets, Object};
pub use error::{Error, Refused};
pub use store::{Artifacts, Found};
