//! A chunk: the points of one series in one window of time, in as few bytes as is quick.
//!
//! Times and values are lists of integers, written by [`integers`]. Values that are decimals of up to six places are written as whole numbers
//! of the last place; others as the bits of the float, ordered as the numbers are, which leaves a float of 32 bits its 29 zeros to strip.

mod bits;
mod integers;
mod varint;

pub(crate) use varint::{put_varint, take_varint, unzigzag, zigzag};

/// Milliseconds since 1970, and a value.
pub(crate) type Point = (i64, f64);

const FORMAT: u8 = 1;
/// More than a window has milliseconds: who claims more is not believed.
const POINTS_MAX: usize = 1 << 23;
/// The places that are tried; host metrics are seldom rounded to more.
const PLACES_MAX: usize = 6;
const SCALES: [f64; PLACES_MAX + 1] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6];
/// The values are bits of floats, not decimals.
const BITS: u8 = 0xff;
/// Up to here every whole number is a float.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// The points must be in the order of their times; a zero's sign is lost, and samples have none.
pub(crate) fn encode(points: &[Point]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(32 + points.len() * 3);
    bytes.push(FORMAT);
    put_varint(&mut bytes, points.len() as u64);
    let unit = if points.iter().all(|(at, _)| at % 1_000 == 0) { 1_000 } else { 1 };
    bytes.push(if unit == 1 { 0 } else { 1 });
    let times: Vec<i64> = points.iter().map(|(at, _)| at / unit).collect();
    integers::encode(&times, &mut bytes);
    match decimals(points) {
        Some((places, values)) => {
            bytes.push(places as u8);
            integers::encode(&values, &mut bytes);
        }
        None => {
            bytes.push(BITS);
            let values: Vec<i64> = points.iter().map(|(_, value)| ordered(*value)).collect();
            integers::encode(&values, &mut bytes);
        }
    }
    bytes
}

/// Nothing when these bytes are no chunk.
pub(crate) fn decode(bytes: &[u8]) -> Option<Vec<Point>> {
    let mut rest = bytes;
    let count = take_count(&mut rest).and_then(|count| usize::try_from(count).ok()).filter(|count| *count <= POINTS_MAX)?;
    let (&unit, mut rest) = rest.split_first()?;
    let unit = if unit == 0 { 1 } else { 1_000 };
    let times = integers::decode(&mut rest, count)?;
    let (&places, mut rest) = rest.split_first()?;
    let values = integers::decode(&mut rest, count)?;
    let points = times.into_iter().zip(values);
    Some(match SCALES.get(usize::from(places)) {
        Some(scale) => points.map(|(at, value)| (at.wrapping_mul(unit), value as f64 / scale)).collect(),
        None if places == BITS => points.map(|(at, value)| (at.wrapping_mul(unit), float(value))).collect(),
        None => return None,
    })
}

/// How many points a chunk has, without decoding them.
pub(crate) fn count(bytes: &[u8]) -> Option<u64> {
    take_count(&mut &*bytes)
}

fn take_count(bytes: &mut &[u8]) -> Option<u64> {
    let (&format, rest) = bytes.split_first()?;
    *bytes = rest;
    if format == FORMAT { take_varint(bytes) } else { None }
}

/// The values as whole numbers of their last place, if they all are that, bit for bit.
fn decimals(points: &[Point]) -> Option<(usize, Vec<i64>)> {
    let mut places = 0;
    for (_, value) in points {
        while whole(*value, places).is_none() {
            places += 1;
            if places > PLACES_MAX {
                return None;
            }
        }
    }
    // a value may be exact with fewer places than another needs, and not with more
    points.iter().map(|(_, value)| whole(*value, places)).collect::<Option<Vec<i64>>>().map(|values| (places, values))
}

fn whole(value: f64, places: usize) -> Option<i64> {
    let scaled = (value * SCALES[places]).round();
    let exact = scaled.abs() < WHOLE_MAX && (scaled as i64 as f64 / SCALES[places]).to_bits() == value.to_bits();
    exact.then_some(scaled as i64)
}

/// The bits of a float as a number that is ordered as the floats are.
fn ordered(value: f64) -> i64 {
    let bits = value.to_bits() as i64;
    if bits < 0 { i64::MIN.wrapping_sub(bits) } else { bits }
}

fn float(ordered: i64) -> f64 {
    let bits = if ordered < 0 { i64::MIN.wrapping_sub(ordered) } else { ordered };
    f64::from_bits(bits as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<f64>().prop_filter("finite", |value| value.is_finite()),
            any::<f32>().prop_filter("finite", |value| value.is_finite()).prop_map(f64::from),
            (-100_000i64..100_000, 0usize..=6).prop_map(|(whole, places)| whole as f64 / SCALES[places]),
            (0i64..1 << 40).prop_map(|whole| whole as f64),
        ]
        .prop_map(|value| value + 0.0)
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(points in prop::collection::btree_map(1i64..9_999_999_999_999, value(), 0..200), whole: bool) {
            let unit = if whole { 1_000 } else { 1 };
            let points: Vec<Point> = points.into_iter().map(|(at, value)| (at / unit * unit, value)).collect();
            let bytes = encode(&points);
            let decoded = decode(&bytes).expect("a chunk");
            prop_assert_eq!(decoded.len(), points.len());
            prop_assert_eq!(count(&bytes), Some(points.len() as u64));
            for (found, given) in decoded.iter().zip(&points) {
                prop_assert_eq!((found.0, found.1.to_bits()), (given.0, given.1.to_bits()));
            }
        }

        #[test]
        fn foreign_bytes_are_no_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some(first) = bytes.first_mut() {
                *first = FORMAT;
            }
            let _decoded = decode(&bytes);
        }
    }

    fn bytes_per_point(value: impl Fn(i64) -> f64) -> f64 {
        let points: Vec<Point> = (0..720).map(|index| (1_700_000_000_000 + index * 10_000, value(index))).collect();
        encode(&points).len() as f64 / points.len() as f64
    }

    /// A step of a generator of pseudo-random numbers, in 0..1.
    fn noise(index: i64) -> f64 {
        let mixed = (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11) as f64 / (1u64 << 53) as f64
    }

    #[test]
    fn host_metrics_take_few_bytes() {
        assert!(bytes_per_point(|_| 42.0) < 0.1);
        assert!(bytes_per_point(|index| (noise(index) * 10_000.0).round() / 100.0) < 2.0, "percent of two places");
        assert!(bytes_per_point(|index| f64::from((noise(index) * 100.0) as f32)) < 3.7, "percent as a float of 32 bits");
        assert!(bytes_per_point(|index| (index * 120_000) as f64 + (noise(index) * 9_000.0).round()) < 2.2, "a counter of bytes");
        assert!(bytes_per_point(|index| ((1i64 << 33) + (noise(index) * 500.0) as i64 * 4_096) as f64) < 1.6, "used memory");
    }
}
