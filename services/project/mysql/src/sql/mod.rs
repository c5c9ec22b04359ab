//! One way of speaking SQL to both stores: values in, rows out, and what an error means. The statements are the same text for both but for
//! what `dialect` writes.

mod connection;
mod dialect;
mod fault;
mod pool;
mod row;
mod value;

pub(crate) use connection::Connection;
pub(crate) use dialect::{Dialect, delete, insert, upsert};
pub(crate) use fault::Fault;
pub(crate) use pool::{Pool, RawPool};
pub(crate) use row::Row;
pub(crate) use value::Value;
