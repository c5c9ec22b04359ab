//! Times and durations as questions write them.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::Problem;

/// A time in milliseconds: `now`, `5m-ago`, a date in the given zone, or a number of seconds or milliseconds.
pub(super) fn parse_time(text: &str, zone: &TimeZone, now_ms: i64) -> Result<i64, Problem> {
    let lower = text.to_lowercase();
    if let Some(number) = lower.strip_suffix("ms").filter(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())) {
        return number.parse().map_err(|_| Problem::bad(format!("Invalid time: {text}")));
    }
    if lower == "now" {
        return Ok(now_ms);
    }
    if let Some(duration) = lower.strip_suffix("-ago") {
        return Ok(now_ms.saturating_sub(parse_duration(duration)?));
    }
    if text.contains(['/', ':']) { parse_date(text, zone) } else { parse_number(text) }
}

/// `yyyy/MM/dd`, then, if wanted, a blank or `-` and `HH:mm` or `HH:mm:ss`.
fn parse_date(text: &str, zone: &TimeZone) -> Result<i64, Problem> {
    let wrong = || Problem::bad(format!("Invalid absolute date: {text}"));
    let written = text.replacen(['-', ' '], "T", 1).replace('/', "-");
    let written = match text.len() {
        10 => written + "T00:00:00",
        16 => written + ":00",
        19 => written,
        _ => return Err(wrong()),
    };
    let date: DateTime = written.parse().map_err(|_| wrong())?;
    let at = date.to_zoned_datetime(zone.clone()).map_err(|_| wrong())?;
    Ok(at.timestamp().as_millisecond())
}

/// Up to 10 digits are seconds, more are milliseconds, and a point stands before milliseconds.
fn parse_number(text: &str) -> Result<i64, Problem> {
    let wrong = || Problem::bad(format!("Invalid time: {text}"));
    if let Some((seconds, ms)) = text.split_once('.') {
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if seconds.len() != 10 || !(1..=3).contains(&ms.len()) || !digits(seconds) || !digits(ms) {
            return Err(wrong());
        }
        return format!("{seconds}{ms}").parse().map_err(|_| wrong());
    }
    let number: i64 = text.parse().ok().filter(|number| *number >= 0).ok_or_else(wrong)?;
    Ok(if text.len() <= 10 { number * 1_000 } else { number })
}

/// A number and a unit, in milliseconds.
pub(super) fn parse_duration(text: &str) -> Result<i64, Problem> {
    if text.is_empty() {
        return Err(Problem::bad("Cannot parse null or empty duration"));
    }
    let digits = text.find(|letter: char| !letter.is_ascii_digit());
    let digits = digits.ok_or_else(|| Problem::bad(format!("Invalid duration, must have an integer and unit: {text}")))?;
    let number: i64 = text[..digits].parse().map_err(|_| Problem::bad(format!("Invalid duration (number): {text}")))?;
    if number <= 0 {
        return Err(Problem::bad(format!("Zero or negative duration: {text}")));
    }
    let unit: i64 = match text[digits..].to_lowercase().as_str() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 7 * 86_400_000,
        "n" => 30 * 86_400_000,
        "y" => 365 * 86_400_000,
        _ => return Err(Problem::bad(format!("Invalid duration (suffix): {text}"))),
    };
    number.checked_mul(unit).ok_or_else(|| Problem::bad(format!("Duration must be < Long.MAX_VALUE ms: {text}")))
}

pub(super) fn parse_zone(name: Option<&str>) -> Result<TimeZone, Problem> {
    match name.filter(|name| !name.is_empty()) {
        None => Ok(TimeZone::UTC),
        Some(name) => TimeZone::get(name).map_err(|_| Problem::bad(format!("Invalid timezone name: {name}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_123;

    fn time(text: &str) -> Option<i64> {
        parse_time(text, &TimeZone::UTC, NOW).ok()
    }

    #[test]
    fn times_in_all_their_forms() {
        for (text, at) in [
            ("now", NOW),
            ("5m-ago", NOW - 300_000),
            ("1D-AGO", NOW - 86_400_000),
            ("1356998400", 1_356_998_400_000),
            ("1356998400000", 1_356_998_400_000),
            ("1356998400.25", 135_699_840_025),
            ("1356998400123ms", 1_356_998_400_123),
            ("0", 0),
            ("2013/01/01", 1_356_998_400_000),
            ("2013/01/01 00:01", 1_356_998_460_000),
            ("2013/01/01-00:01:02", 1_356_998_462_000),
        ] {
            assert_eq!(time(text), Some(at), "{text}");
        }
        for wrong in ["", "yesterday", "-5", "2013/13/01", "2013/01/01T", "12:00", "1356998400.1234", "5x-ago", "m-ago", "1e9"] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_date_is_of_its_zone() {
        let zone = parse_zone(Some("Asia/Shanghai")).unwrap();
        assert_eq!(parse_time("2013/01/01", &zone, NOW), Ok(1_356_998_400_000 - 8 * 3_600_000));
        assert!(parse_zone(Some("Mars/Base")).is_err());
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(parse_duration("500ms"), Ok(500));
        assert_eq!(parse_duration("2w"), Ok(14 * 86_400_000));
        for wrong in ["", "5", "m", "0m", "5q", "9223372036854775807d", "99999999999999999999s"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
