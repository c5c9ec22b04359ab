//! The store of archives: a folder, or a bucket of S3, in which each lies under its SHA-256.
//!
//! **Promise.** What can be got has the digest that it is asked by: an archive is there as a whole, or not at all, however its upload ended. It is
//! never changed and never removed here.

mod error;
mod store;

pub use error::{Error, Refused};
pub use store::{Artifacts, Found};
