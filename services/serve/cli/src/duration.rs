//! Durations as flags take them: `500ms`, `10s`, `5m`, `1h`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration from the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub Duration);

const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];

/// Longer is a mistake in the unit.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write a whole number and a unit, such as `500ms`, `10s` or `5m`".to_owned();
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(digits);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let ms = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor)).ok_or_else(wrong)?;
        let time = Duration::from_millis(ms);
        if time > LONGEST { Err("at most `24h`".to_owned()) } else { Ok(Self(time)) }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis() as u64;
        let whole = |factor: &u64| ms.is_multiple_of(*factor);
        let (unit, factor) = UNITS.iter().rev().find(|(_, factor)| whole(factor)).unwrap_or(&UNITS[0]);
        write!(f, "{}{unit}", ms / factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, ms) in [("500ms", 500), ("10s", 10_000), ("5m", 300_000), ("24h", 86_400_000), ("0s", 0)] {
            assert_eq!(text.parse(), Ok(Time(Duration::from_millis(ms))), "{text}");
        }
        for bad in ["", "10", "s", "1d", "-1s", "1.5s", "25h", "99999999999999999999s", "10 s"] {
            assert!(bad.parse::<Time>().is_err(), "{bad}");
        }
        for text in ["500ms", "10s", "90s", "5m", "2h"] {
            assert_eq!(text.parse::<Time>().unwrap().to_string(), text);
        }
    }
}
