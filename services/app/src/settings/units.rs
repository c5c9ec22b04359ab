//! Durations and sizes with their unit: `10s`, `64KiB`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A duration as it is written in settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Time(pub(crate) Duration);

/// A size in bytes as it is written in settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Size(pub(crate) u64);

const TIMES: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZES: [(&str, u64); 4] = [("KiB", 1024), ("MiB", 1024 * 1024), ("GiB", 1024 * 1024 * 1024), ("B", 1)];

fn read(text: &str, units: &[(&str, u64)], example: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` needs a whole number and a unit, such as `{example}`");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(wrong)?;
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor)).ok_or_else(wrong)
}

fn write(value: u64, units: &[(&str, u64)]) -> String {
    let (name, factor) =
        units.iter().filter(|(_, factor)| value.is_multiple_of(*factor)).max_by_key(|(_, factor)| *factor).unwrap_or(&units[0]);
    format!("{}{name}", value / factor)
}

impl FromStr for Time {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        read(text, &TIMES, "10s").map(|ms| Self(Duration::from_millis(ms)))
    }
}

impl FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        read(text, &SIZES, "64KiB").map(Self)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&write(self.0.as_millis() as u64, &TIMES))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&write(self.0, &SIZES))
    }
}

macro_rules! text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}
text!(Time);
text!(Size);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_read_back() {
        for text in ["5ms", "10s", "3m", "2h", "7d"] {
            assert_eq!(text.parse::<Time>().map(|t| t.to_string()).as_deref(), Ok(text));
        }
        assert_eq!("1500ms".parse::<Time>().map(|t| t.0), Ok(Duration::from_millis(1500)));
        for text in ["1B", "64KiB", "8MiB"] {
            assert_eq!(text.parse::<Size>().map(|t| t.to_string()).as_deref(), Ok(text));
        }
        for bad in ["", "10", "s", "10 parsecs", "-1s", "1.5s", "99999999999999999999s"] {
            assert!(bad.parse::<Time>().is_err(), "{bad}");
        }
    }
}
