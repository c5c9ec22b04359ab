//! A list of integers in as few bits as one of six simple models needs.
//!
//! What a series measures is smooth, steady, noisy or mostly unchanged, and each wants another model: the numbers above their minimum, their
//! differences, or the differences of those; each with or without a bit that says "zero". The residuals are written by Rice's code, whose one
//! parameter is chosen from how many residuals have how many bits. Sums wrap, so that every 64 bits can be written.

use super::bits::{BitReader, BitWriter, ESCAPE};
use super::varint::{put_varint, take_varint, unzigzag, zigzag};

const PLAIN: u8 = 0;
const DELTA: u8 = 1;
const DELTA_OF_DELTA: u8 = 2;
const ORDER: u8 = 3;
/// Zeros are one bit, everything else one bit more.
const SPARSE: u8 = 4;
/// All residuals are zero, and there are no bits at all.
const ZEROS: u8 = 8;

pub(super) fn encode(values: &[i64], bytes: &mut Vec<u8>) {
    let Some((&first, _)) = values.split_first() else { return };
    put_varint(bytes, zigzag(first));
    if values.len() == 1 {
        return;
    }
    // what all differences have in common, such as pages of 4096 bytes, or a float's unused bits
    let common = values.iter().fold(0, |bits, value| bits | value.wrapping_sub(first)).trailing_zeros().min(63);
    let steps: Vec<i64> = values.iter().map(|value| value.wrapping_sub(first) >> common).collect();
    let models = [Model::plain(&steps), Model::delta(&steps), Model::delta_of_delta(&steps)];
    let best = models.into_iter().min_by_key(|model| model.cost.bits).expect("three models");
    let flags = best.order | if best.cost.sparse { SPARSE } else { 0 } | if best.cost.bits == 0 { ZEROS } else { 0 };
    bytes.extend([flags, common as u8, best.cost.k as u8]);
    if best.order != DELTA {
        put_varint(bytes, zigzag(best.base));
    }
    if best.cost.bits == 0 {
        return;
    }
    let mut writer = BitWriter::new(bytes);
    for residual in best.residuals {
        match (best.cost.sparse, residual) {
            (false, _) => writer.write_rice(residual, best.cost.k),
            (true, 0) => writer.write(0, 1),
            (true, _) => {
                writer.write(1, 1);
                writer.write_rice(residual - 1, best.cost.k);
            }
        }
    }
    writer.finish();
}

/// Takes `count` numbers off the front; nothing when they are not there.
pub(super) fn decode(bytes: &mut &[u8], count: usize) -> Option<Vec<i64>> {
    if count == 0 {
        return Some(Vec::new());
    }
    let first = unzigzag(take_varint(bytes)?);
    // a residual has a bit, unless all are zero: `count` is no reason to reserve what the bytes cannot hold
    let mut values = Vec::with_capacity(count.min(bytes.len().saturating_mul(8).max(1 << 12)));
    values.push(first);
    if count == 1 {
        return Some(values);
    }
    let ([flags, common, k], rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    let (order, sparse, zeros) = (flags & ORDER, flags & SPARSE != 0, flags & ZEROS != 0);
    if order > DELTA_OF_DELTA || *common > 63 || *k > 63 {
        return None;
    }
    let base = if order == DELTA { 0 } else { unzigzag(take_varint(bytes)?) };
    let mut reader = BitReader::new(bytes);
    let mut residual = || {
        if zeros || (sparse && reader.read(1)? == 0) {
            return Ok(0);
        }
        let value = reader.read_rice(u32::from(*k))?;
        Ok::<u64, super::bits::Ended>(if sparse { value.wrapping_add(1) } else { value })
    };
    let (mut step, mut delta) = (0i64, if order == DELTA_OF_DELTA { base } else { 0 });
    if order == PLAIN {
        for _ in 1..count {
            step = base.wrapping_add(residual().ok()? as i64);
            values.push(first.wrapping_add(step << common));
        }
    } else {
        for index in 1..count {
            if order == DELTA {
                delta = unzigzag(residual().ok()?);
            } else if index > 1 {
                delta = delta.wrapping_add(unzigzag(residual().ok()?));
            }
            step = step.wrapping_add(delta);
            values.push(first.wrapping_add(step << common));
        }
    }
    *bytes = &bytes[reader.consumed()..];
    Some(values)
}

struct Model {
    order: u8,
    base: i64,
    residuals: Vec<u64>,
    cost: Cost,
}

impl Model {
    fn new(order: u8, base: i64, residuals: Vec<u64>) -> Self {
        Self { order, base, cost: Cost::least(&residuals), residuals }
    }

    fn plain(steps: &[i64]) -> Self {
        let base = steps[1..].iter().copied().min().unwrap_or(0);
        Self::new(PLAIN, base, steps[1..].iter().map(|step| step.wrapping_sub(base) as u64).collect())
    }

    fn delta(steps: &[i64]) -> Self {
        Self::new(DELTA, 0, steps.windows(2).map(|pair| zigzag(pair[1].wrapping_sub(pair[0]))).collect())
    }

    fn delta_of_delta(steps: &[i64]) -> Self {
        let change = |three: &[i64]| three[2].wrapping_sub(three[1]).wrapping_sub(three[1].wrapping_sub(three[0]));
        Self::new(DELTA_OF_DELTA, steps[1].wrapping_sub(steps[0]), steps.windows(3).map(|three| zigzag(change(three))).collect())
    }
}

struct Cost {
    bits: u64,
    k: u32,
    sparse: bool,
}

impl Cost {
    /// An estimate from the number of residuals of each length: exact enough to choose by, and independent of their number.
    fn least(residuals: &[u64]) -> Self {
        let mut lengths = [0u64; 65];
        for residual in residuals {
            lengths[(64 - residual.leading_zeros()) as usize] += 1;
        }
        if lengths[0] == residuals.len() as u64 {
            return Self { bits: 0, k: 0, sparse: true };
        }
        // few lengths occur, and each parameter is tried on all that do
        let occurring: Vec<(u32, u64)> = (1..).zip(lengths[1..].iter().copied()).filter(|(_, count)| *count > 0).collect();
        let longest = occurring.last().map_or(0, |(length, _)| *length);
        let rice = |k: u32| -> u64 {
            let others = occurring.iter().map(|(length, count)| {
                let quotient = if *length <= k { 0 } else { (3u64 << (length - k - 1)) / 2 };
                let bits = if quotient < u64::from(ESCAPE) { u64::from(k) + 1 + quotient } else { u64::from(ESCAPE) + 64 };
                count * bits
            });
            others.sum()
        };
        let mut best = Self { bits: u64::MAX, k: 0, sparse: false };
        for k in 0..=longest.min(63) {
            let nonzero = rice(k);
            let dense = nonzero + lengths[0] * (u64::from(k) + 1);
            let sparse = nonzero + residuals.len() as u64;
            for (bits, is_sparse) in [(dense, false), (sparse, true)] {
                if bits < best.bits {
                    best = Self { bits, k, sparse: is_sparse };
                }
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn length(values: &[i64]) -> usize {
        let mut bytes = Vec::new();
        encode(values, &mut bytes);
        let mut rest = bytes.as_slice();
        assert_eq!(decode(&mut rest, values.len()).as_deref(), Some(values));
        assert!(rest.is_empty());
        bytes.len()
    }

    #[test]
    fn each_shape_is_short() {
        let steady: Vec<i64> = (0..720).map(|index| 1_700_000_000_000 + index * 10_000).collect();
        assert!(length(&steady) < 20);
        let jitter: Vec<i64> = (0..720).map(|index| index * 10_000 + index * 7 % 5).collect();
        assert!(length(&jitter) < 500, "{}", length(&jitter));
        let pages: Vec<i64> = (0..720).map(|index| (1 << 33) + (index * 37 % 64) * 4096).collect();
        assert!(length(&pages) < 720);
        let seldom: Vec<i64> = (0..720).map(|index| index / 100 * 1_000_003).collect();
        assert!(length(&seldom) < 150);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(values in prop::collection::vec((any::<i64>(), 0..64u32), 0..100)) {
            let values: Vec<i64> = values.into_iter().map(|(value, shift)| value >> shift).collect();
            length(&values);
        }

        #[test]
        fn foreign_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), count in 0usize..10_000) {
            let _decoded = decode(&mut bytes.as_slice(), count);
        }
    }
}
