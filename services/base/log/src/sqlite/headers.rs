//! Headers as one column: for each, in order, the length and bytes of its name, then of its value. Names may repeat.

use bytes::Bytes;

use crate::error::{Error, Result};

/// `None` for no headers at all: most records of a compacted topic have none.
pub(super) fn encode(headers: &[(String, Bytes)]) -> Option<Vec<u8>> {
    if headers.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(headers.iter().map(|(name, value)| 8 + name.len() + value.len()).sum());
    for (name, value) in headers {
        for part in [name.as_bytes(), value.as_ref()] {
            out.extend_from_slice(&(part.len() as u32).to_le_bytes());
            out.extend_from_slice(part);
        }
    }
    Some(out)
}

pub(super) fn decode(bytes: Option<Vec<u8>>) -> Result<Vec<(String, Bytes)>> {
    let mut rest = Bytes::from(bytes.unwrap_or_default());
    let mut headers = Vec::new();
    while !rest.is_empty() {
        let name = take(&mut rest)?;
        let value = take(&mut rest)?;
        headers.push((String::from_utf8(name.into()).map_err(|_| damaged())?, value));
    }
    Ok(headers)
}

fn take(rest: &mut Bytes) -> Result<Bytes> {
    let length = rest.split_to_checked(4)?;
    let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
    rest.split_to_checked(length)
}

trait SplitToChecked {
    fn split_to_checked(&mut self, at: usize) -> Result<Bytes>;
}

impl SplitToChecked for Bytes {
    fn split_to_checked(&mut self, at: usize) -> Result<Bytes> {
        if at > self.len() { Err(damaged()) } else { Ok(self.split_to(at)) }
    }
}

fn damaged() -> Error {
    Error::Fatal("a record's headers are damaged, restore the file from a back-up".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_in_order_with_duplicates() {
        let headers =
            vec![("a".to_owned(), Bytes::from_static(b"1")), ("b".to_owned(), Bytes::new()), ("a".to_owned(), Bytes::from_static(b"2"))];
        assert_eq!(decode(encode(&headers)).unwrap(), headers);
        assert_eq!(encode(&[]), None);
        assert_eq!(decode(None).unwrap(), vec![]);
    }

    #[test]
    fn cut_headers_are_damage() {
        let mut bytes = encode(&[("name".to_owned(), Bytes::from_static(b"value"))]).unwrap();
        bytes.pop();
        assert!(matches!(decode(Some(bytes)), Err(Error::Fatal(_))));
    }
}
