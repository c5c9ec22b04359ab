//! How a batch lies in a segment: `length | points | checksum | payload`, the numbers of 32 bits, little-endian.
//!
//! The checksum is CRC-32 over all but itself, so that a half-written frame, or one whose length is wrong, is told from a whole one.

use std::io::{self, Read};

use flate2::Crc;

const HEAD: usize = 12;
/// One round has a hundredth of it; a length beyond is none.
const PAYLOAD_BYTES_MAX: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) points: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// # Errors
    /// It is larger than what is read.
    pub(super) fn write(&self) -> io::Result<Vec<u8>> {
        let length = u32::try_from(self.payload.len()).ok().filter(|_| self.payload.len() <= PAYLOAD_BYTES_MAX);
        let length =
            length.ok_or_else(|| io::Error::other(format!("a batch of {} bytes is too large for the spool", self.payload.len())))?;
        let mut bytes = Vec::with_capacity(HEAD + self.payload.len());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&self.points.to_le_bytes());
        bytes.extend_from_slice(&checksum(length, self.points, &self.payload).to_le_bytes());
        bytes.extend_from_slice(&self.payload);
        Ok(bytes)
    }

    /// The next frame; `None` where there is no whole one: at the end, or at a torn one.
    ///
    /// # Errors
    /// The disk does not give it.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut head = [0; HEAD];
        if !fill(from, &mut head)? {
            return Ok(None);
        }
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (length, points, sum) = (number(0), number(4), number(8));
        if length as usize > PAYLOAD_BYTES_MAX {
            return Ok(None);
        }
        let mut payload = vec![0; length as usize];
        let is_whole = fill(from, &mut payload)? && checksum(length, points, &payload) == sum;
        Ok(is_whole.then_some(Self { points, payload }))
    }

    /// Bytes that it takes in a segment.
    pub(super) fn bytes(&self) -> u64 {
        (HEAD + self.payload.len()) as u64
    }
}

/// Whether there were enough bytes.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn checksum(length: u32, points: u32, payload: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(&length.to_le_bytes());
    crc.update(&points.to_le_bytes());
    crc.update(payload);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(points in any::<u32>(), payload in prop::collection::vec(any::<u8>(), 0..300)) {
            let frame = Frame { points, payload };
            let bytes = frame.write().unwrap();
            prop_assert_eq!(bytes.len() as u64, frame.bytes());
            let mut rest = bytes.as_slice();
            prop_assert_eq!(Frame::read(&mut rest).unwrap(), Some(frame));
            prop_assert!(rest.is_empty() && Frame::read(&mut rest).unwrap().is_none());
        }

        #[test]
        fn whatever_lies_there_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(Frame::read(&mut bytes.as_slice()).is_ok());
        }
    }

    #[test]
    fn zeros_are_an_end() {
        // an empty payload with a checksum of zero would be a frame that nobody wrote
        assert_eq!(Frame::read(&mut [0_u8; 64].as_slice()).unwrap(), None);
    }

    #[test]
    fn what_is_too_large_is_refused() {
        assert!(Frame { points: 1, payload: vec![0; PAYLOAD_BYTES_MAX + 1] }.write().is_err());
        assert!(Frame { points: 1, payload: vec![0; PAYLOAD_BYTES_MAX] }.write().is_ok());
    }
}
