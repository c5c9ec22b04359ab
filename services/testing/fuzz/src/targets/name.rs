//! All that is one text: names, paths, ids, positions, times.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use loki_domain::{
    DomainId, Host, Key, Kind, LogId, MembershipId, Metric, NodeId, NodeName, NodePath, Pattern, Position, Scheme, ServerId, ServerName,
    ServerState, Status, Text, UrlPath, Value, Vendor,
};
use loki_wire::digest::{from_hex, to_hex};
use loki_wire::envelope::{read_time, write_time};

/// What reads as one is written, and read again as the same.
pub(crate) fn name(input: &[u8]) {
    let text = &*String::from_utf8_lossy(input);
    reads_again::<NodeName>(text);
    reads_again::<NodePath>(text);
    reads_again::<ServerName>(text);
    reads_again::<ServerState>(text);
    reads_again::<Pattern>(text);
    reads_again::<Position>(text);
    reads_again::<Kind>(text);
    reads_again::<Key>(text);
    reads_again::<NodeId>(text);
    reads_again::<ServerId>(text);
    reads_again::<DomainId>(text);
    reads_again::<MembershipId>(text);
    reads_again::<LogId>(text);
    reads_again::<Scheme>(text);
    reads_again::<Host>(text);
    reads_again::<UrlPath>(text);
    reads_again::<Vendor>(text);
    reads_again::<Status>(text);
    reads_again::<Text>(text);
    reads_again::<Metric>(text);
    reads_again::<Value>(text);
    if let Some(digest) = from_hex(text) {
        assert_eq!(from_hex(&to_hex(&digest)), Some(digest));
    }
    if let Ok(ms) = read_time(text) {
        assert_eq!(read_time(&write_time(ms)).unwrap(), ms);
    }
}

fn reads_again<T: FromStr<Err: Debug> + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string().parse::<T>().unwrap(), value);
    }
}
