//! A sample: one measured value of one series at one instant.
//!
//! OpenTSDB's cell name holds the unit of the time, and the type and width of the value, so that two spellings of one point are two cells, over
//! which every query fails. Hence an instant and a value each have one spelling here: seconds when the instant is whole, else milliseconds;
//! always a float.

use std::fmt;
use std::str::FromStr;

use crate::{Invalid, Series};

#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub series: Series,
    pub at: Instant,
    pub value: Value,
}

/// Milliseconds since 1970. Written in seconds when whole, else in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

impl Instant {
    /// OpenTSDB takes what does not fit into 32 bits for milliseconds.
    const SECONDS_MAX: i64 = u32::MAX as i64;
    const MS_MIN: i64 = Self::SECONDS_MAX + 1;
    /// In the year 2286; what is beyond has more than 13 digits, which OpenTSDB refuses.
    const MS_MAX: i64 = 9_999_999_999_999;

    /// A time as it is sent: in seconds up to 32 bits, else in milliseconds.
    pub fn new(sent: i64) -> Result<Self, Invalid> {
        match sent {
            ..=0 => Err(Invalid::new("a time is a positive number of seconds or milliseconds since 1970")),
            1..=Self::SECONDS_MAX => Ok(Self(sent * 1_000)),
            Self::MS_MIN..=Self::MS_MAX => Ok(Self(sent)),
            _ => Err(Invalid::new(format!("a time has at most 13 digits, this is {sent}"))),
        }
    }

    pub fn ms(self) -> i64 {
        self.0
    }

    /// The number to be sent to OpenTSDB, and that `new` reads back.
    pub fn sent(self) -> i64 {
        if self.0 % 1_000 == 0 && self.0 / 1_000 <= Self::SECONDS_MAX { self.0 / 1_000 } else { self.0 }
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.sent())
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// A finite number. Zero has no sign: OpenTSDB would take the two zeros for two values.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub struct Value(f64);

impl Value {
    pub fn new(number: f64) -> Result<Self, Invalid> {
        if !number.is_finite() {
            return Err(Invalid::new(format!("a value is a finite number, not {number}")));
        }
        Ok(Self(if number == 0.0 { 0.0 } else { number }))
    }

    pub fn get(self) -> f64 {
        self.0
    }
}

/// Digits as OpenTSDB takes them: an integer of 64 bits, or a decimal number.
impl FromStr for Value {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = || Invalid::new(format!("`{}` is no number", text.escape_default()));
        let is_decimal = |letter: char| letter.is_ascii_digit() || matches!(letter, '.' | '-' | '+' | 'e' | 'E');
        if !text.chars().all(is_decimal) {
            return Err(wrong());
        }
        if !text.contains(['.', 'e', 'E']) && text.parse::<i64>().is_err() {
            return Err(wrong());
        }
        Self::new(text.parse().map_err(|_| wrong())?)
    }
}

/// Always as a float, in the fewest digits that read back as the same number.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_milliseconds_are_one_instant() {
        let (seconds, ms) = (Instant::new(1_700_000_000).unwrap(), Instant::new(1_700_000_000_000).unwrap());
        assert_eq!((seconds, seconds.sent(), ms.ms()), (ms, 1_700_000_000, 1_700_000_000_000));
        assert_eq!(Instant::new(1_700_000_000_001).unwrap().sent(), 1_700_000_000_001);
        for wrong in [i64::MIN, -1, 0, Instant::MS_MAX + 1, i64::MAX] {
            assert!(Instant::new(wrong).is_err(), "{wrong}");
        }
        // whole, but its seconds would be read as milliseconds
        let late = Instant::new(4_294_967_296_000).unwrap();
        assert_eq!(late.sent(), 4_294_967_296_000);
    }

    #[test]
    fn what_is_sent_reads_back() {
        for sent in [1, 59, 1_000, 4_294_967_295, 4_294_967_296, 4_294_968_000, 1_700_000_000_123, Instant::MS_MAX] {
            let instant = Instant::new(sent).unwrap();
            assert_eq!(Instant::new(instant.sent()), Ok(instant), "{sent}");
        }
    }

    #[test]
    fn a_value_has_one_spelling() {
        let spelt = |text: &str| text.parse::<Value>().map(|value| value.to_string());
        for (text, spelling) in [
            ("12", "12.0"),
            ("12.0", "12.0"),
            ("1.2e1", "12.0"),
            ("+3", "3.0"),
            ("-0", "0.0"),
            ("-0.0", "0.0"),
            (".5", "0.5"),
            ("1e300", "1e300"),
        ] {
            assert_eq!(spelt(text).as_deref(), Ok(spelling), "{text}");
            assert_eq!(spelt(spelling).as_deref(), Ok(spelling));
        }
        for wrong in ["", ".", "-", "NaN", "inf", "1e400", "0x10", "1 ", "1_000", "9223372036854775808", "1,5"] {
            assert!(spelt(wrong).is_err(), "{wrong}");
        }
        assert!(Value::new(f64::NAN).is_err() && Value::new(f64::INFINITY).is_err());
    }
}
