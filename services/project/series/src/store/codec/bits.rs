//! Bits, the highest first: what the codec writes its numbers in.

/// Quotients from here on are escaped: the number follows as a whole, so that one outlier costs 88 bits and not thousands.
pub(super) const ESCAPE: u32 = 24;

/// The chunk ends before its numbers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended;

pub(super) struct BitWriter<'b> {
    bytes: &'b mut Vec<u8>,
    pending: u64,
    /// Bits of `pending` that are used, fewer than 8 between two calls.
    used: u32,
}

impl<'b> BitWriter<'b> {
    pub(super) fn new(bytes: &'b mut Vec<u8>) -> Self {
        Self { bytes, pending: 0, used: 0 }
    }

    /// The lowest `count` bits of `value`; at most 56.
    fn write_short(&mut self, value: u64, count: u32) {
        debug_assert!(count <= 56);
        if count == 0 {
            return;
        }
        self.pending |= (value << (64 - count)) >> self.used;
        self.used += count;
        while self.used >= 8 {
            self.bytes.push((self.pending >> 56) as u8);
            self.pending <<= 8;
            self.used -= 8;
        }
    }

    pub(super) fn write(&mut self, value: u64, count: u32) {
        if count > 32 {
            self.write_short(value >> 32, count - 32);
            self.write_short(value & u64::from(u32::MAX), 32);
        } else {
            self.write_short(value, count);
        }
    }

    /// Rice's code: the quotient by 2^k in unary, the rest in k bits.
    pub(super) fn write_rice(&mut self, value: u64, k: u32) {
        let quotient = value >> k;
        if quotient < u64::from(ESCAPE) {
            let ones = quotient as u32;
            self.write_short(((1 << ones) - 1) << 1, ones + 1);
            self.write(value, k);
        } else {
            self.write_short((1 << ESCAPE) - 1, ESCAPE);
            self.write(value, 64);
        }
    }

    /// Fills the last byte.
    pub(super) fn finish(self) {
        if self.used > 0 {
            self.bytes.push((self.pending >> 56) as u8);
        }
    }
}

pub(super) struct BitReader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> BitReader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next 57 bits or more, the first one on top; zeros after the end.
    fn peek(&self) -> u64 {
        let rest = &self.bytes[(self.at / 8).min(self.bytes.len())..];
        let word = match rest.first_chunk::<8>() {
            Some(chunk) => u64::from_be_bytes(*chunk),
            None => {
                let mut chunk = [0; 8];
                chunk[..rest.len()].copy_from_slice(rest);
                u64::from_be_bytes(chunk)
            }
        };
        word << (self.at % 8)
    }

    fn advance(&mut self, count: u32) -> Result<(), Ended> {
        self.at += count as usize;
        if self.at > self.bytes.len() * 8 { Err(Ended) } else { Ok(()) }
    }

    pub(super) fn read(&mut self, count: u32) -> Result<u64, Ended> {
        if count == 0 {
            return Ok(0);
        }
        if count > 32 {
            let high = self.read(count - 32)?;
            return Ok(high << 32 | self.read(32)?);
        }
        let value = self.peek() >> (64 - count);
        self.advance(count)?;
        Ok(value)
    }

    pub(super) fn read_rice(&mut self, k: u32) -> Result<u64, Ended> {
        let ones = self.peek().leading_ones();
        if ones >= ESCAPE {
            self.advance(ESCAPE)?;
            return self.read(64);
        }
        self.advance(ones + 1)?;
        Ok(u64::from(ones) << k | self.read(k)?)
    }

    /// Bytes that were begun.
    pub(super) fn consumed(&self) -> usize {
        self.at.div_ceil(8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(numbers in prop::collection::vec((any::<u64>(), 0..64u32, 0..64u32), 0..200)) {
            let mut bytes = Vec::new();
            let mut writer = BitWriter::new(&mut bytes);
            for (number, shift, k) in &numbers {
                writer.write_rice(number >> shift, *k);
                writer.write(*number, *k);
            }
            writer.finish();
            let mut reader = BitReader::new(&bytes);
            for (number, shift, k) in &numbers {
                prop_assert_eq!(reader.read_rice(*k), Ok(number >> shift));
                prop_assert_eq!(reader.read(*k), Ok(number & ((1u64 << k) - 1)));
            }
            prop_assert_eq!(reader.consumed(), bytes.len());
        }
    }

    #[test]
    fn the_end_is_noticed() {
        assert_eq!(BitReader::new(&[]).read(1), Err(Ended));
        assert_eq!(BitReader::new(&[0xff; 4]).read_rice(3), Err(Ended));
        assert_eq!(BitReader::new(&[0xff]).read(8), Ok(255));
    }
}
