//! The last value of a series, when another one takes its place, and how it is written.

use loki_domain::{Instant, Value};

/// Digits of a time in milliseconds, so that texts compare as times do. An instant has 13 at most.
const DIGITS: usize = 13;
const MS_MAX: i64 = 9_999_999_999_999;

/// A value, and when it came.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Last {
    pub at: Instant,
    pub value: Value,
    /// The log's time of its record.
    pub log_ms: i64,
}

/// Whether a value takes the place of the one before, of the same series: it is later, or the one before is not there any more.
pub fn replaces(new: &Last, before: &Last, oldest_ms: i64) -> bool {
    new.at > before.at || before.log_ms < oldest_ms
}

impl Last {
    /// As it is kept in Redis: instant and log time in 13 digits each, then the value.
    pub(crate) fn write(&self) -> String {
        let (at, log) = (self.at.ms(), bounded(self.log_ms));
        format!("{at:0DIGITS$}{log:0DIGITS$}{}", self.value)
    }

    /// Reads what `write` wrote.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{}` is no value", text.escape_default());
        let number = |digits: Option<&str>| digits.and_then(|digits| digits.parse::<i64>().ok()).ok_or_else(wrong);
        let (at, log_ms) = (number(text.get(..DIGITS))?, number(text.get(DIGITS..2 * DIGITS))?);
        let value = text.get(2 * DIGITS..).ok_or_else(wrong)?.parse().map_err(|_| wrong())?;
        Ok(Self { at: instant(at).map_err(|_| wrong())?, value, log_ms })
    }
}

/// A log time that fits into the digits.
pub(crate) fn bounded(log_ms: i64) -> i64 {
    log_ms.clamp(0, MS_MAX)
}

/// The instant at so many milliseconds.
fn instant(ms: i64) -> Result<Instant, loki_domain::Invalid> {
    let seconds = ms / 1_000;
    if ms % 1_000 == 0 && seconds <= i64::from(u32::MAX) { Instant::new(seconds) } else { Instant::new(ms) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn written_values_compare_as_times() {
        let last = |at: i64| Last { at: Instant::new(at).unwrap(), value: Value::new(-1.5e300).unwrap(), log_ms: 7 };
        assert_eq!(last(1).write(), "00000000010000000000000007-1.5e300");
        assert!(last(999).write()[..DIGITS] < last(1_700_000_000).write()[..DIGITS]);
        for wrong in ["", "1", "0000000001000", &"0".repeat(26), &format!("{}1.0", "0".repeat(26)), "000000000100000000000000é71"] {
            assert!(Last::read(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(sent in prop_oneof![1i64..4_294_967_295, 4_294_967_296i64..9_999_999_999_999], value in any::<f64>(), log_ms in 0..=MS_MAX) {
            prop_assume!(value.is_finite());
            let last = Last { at: Instant::new(sent).unwrap(), value: Value::new(value).unwrap(), log_ms };
            prop_assert_eq!(Last::read(&last.write()), Ok(last));
        }
    }
}
