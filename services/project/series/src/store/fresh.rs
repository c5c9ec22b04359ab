//! What one put brought, as one value: written once, read only when the store is opened after it was stopped or killed.
//!
//! Per series its number, how many points follow, and the points; values as they are, because a put has few points of a series.

use super::codec::{Point, put_varint, take_varint, unzigzag, zigzag};
use super::disk::Id;
use crate::Error;

/// The points must be grouped by series.
pub(super) fn encode(points: &[(Id, Point)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(points.len() * 12);
    let mut before = 0;
    for run in points.chunk_by(|one, other| one.0 == other.0) {
        put_varint(&mut bytes, u64::from(run[0].0));
        put_varint(&mut bytes, run.len() as u64);
        for (_, (at, value)) in run {
            put_varint(&mut bytes, zigzag(at - before));
            before = *at;
            bytes.extend(value.to_le_bytes());
        }
    }
    bytes
}

pub(super) fn decode(bytes: &[u8], each: impl FnMut(Id, Point)) -> Result<(), Error> {
    read(bytes, each).ok_or_else(|| Error::unreadable("fresh points"))
}

fn read(mut bytes: &[u8], mut each: impl FnMut(Id, Point)) -> Option<()> {
    let mut before = 0i64;
    while !bytes.is_empty() {
        let id = Id::try_from(take_varint(&mut bytes)?).ok()?;
        for _ in 0..take_varint(&mut bytes)? {
            before = before.checked_add(unzigzag(take_varint(&mut bytes)?))?;
            let (value, rest) = bytes.split_first_chunk()?;
            bytes = rest;
            each(id, (before, f64::from_le_bytes(*value)));
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let points = vec![(3, (1_700_000_000_000, 1.5)), (3, (1_700_000_000_001, -2.0)), (900_000, (5, 0.0))];
        let bytes = encode(&points);
        let mut found = Vec::new();
        decode(&bytes, |id, point| found.push((id, point))).unwrap();
        assert_eq!(found, points);
        assert!(decode(&bytes[..bytes.len() - 1], |_, _| {}).is_err());
        assert!(decode(&[], |_, _| {}).is_ok());
    }
}
