//! `?wait=`, `?after=` and `Loki-After`: how long a request may wait, and for what.

use std::time::Duration;

use axum::http::HeaderMap;
use loki_domain::{Position, Stream};

use crate::App;
use crate::problem::{Problem, Result};

/// Whoever asks for more has another unit in mind.
const LONGEST: Duration = Duration::from_secs(3600);

/// `10s`, `500ms` or plain seconds. More than `max` is as long as that: nobody is promised an answer at the end of a wait, and a client of many
/// platforms need not know the setting of each.
pub(crate) fn duration(field: &str, text: &str, max: Duration) -> Result<Duration> {
    let wrong =
        || Problem::bad_parameter(field, format!("`{field}` must be a duration such as `10s` or `500ms`, not `{}`", text.escape_default()));
    let (number, factor) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 1),
        (None, Some(number)) => (number, 1000),
        (None, None) => (text, 1000),
    };
    let duration = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).map(Duration::from_millis).ok_or_else(wrong)?;
    if duration > LONGEST {
        return Err(Problem::bad_parameter(field, format!("`{field}` may be at most {}s", LONGEST.as_secs())));
    }
    Ok(duration.min(max))
}

/// A wait that ends when the process does: what it waits for may not come any more.
pub(crate) async fn unless_stopping<T, E: Into<Problem>>(app: &App, waiting: impl Future<Output = std::result::Result<T, E>>) -> Result<T> {
    tokio::select! {
        biased;
        done = waiting => done.map_err(Into::into),
        () = app.shutdown.begun() => Err(Problem::not_ready("this process is shutting down: ask another")),
    }
}

/// The position that must have been passed: the parameter, else the header.
pub(crate) fn after(parameter: Option<&str>, headers: &HeaderMap, stream: Stream) -> Result<Option<u64>> {
    let header = headers.get("loki-after").and_then(|value| value.to_str().ok());
    let Some(text) = parameter.or(header) else {
        return Ok(None);
    };
    position("after", text, stream).map(Some)
}

/// A position of the stream that is asked for.
pub(crate) fn position(field: &str, text: &str, stream: Stream) -> Result<u64> {
    let position: Position = text.parse().map_err(|invalid: loki_domain::Invalid| Problem::bad_parameter(field, invalid.0))?;
    if position.stream != stream {
        let example = match stream {
            Stream::Command => "c17, a command",
            Stream::Fact => "f42, a fact",
            Stream::Outcome => "o8, an outcome",
            Stream::TaskLog => "l5, a chunk of a task's log",
        };
        return Err(Problem::bad_parameter(field, format!("`{field}` needs a position such as {example}, not `{text}`")));
    }
    Ok(position.offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let max = Duration::from_secs(10);
        assert_eq!(duration("wait", "10s", max).unwrap(), max);
        assert_eq!(duration("wait", "500ms", max).unwrap(), Duration::from_millis(500));
        assert_eq!(duration("wait", "3", max).unwrap(), Duration::from_secs(3));
        // longer than the setting allows is as long as it allows
        for long in ["11s", "3600", "3600000ms"] {
            assert_eq!(duration("wait", long, max).unwrap(), max, "{long}");
        }
        for bad in ["", "s", "3601s", "-1", "1h", "99999999999999999999s"] {
            assert!(duration("wait", bad, max).is_err(), "{bad}");
        }
    }

    #[test]
    fn positions() {
        let mut headers = HeaderMap::new();
        assert_eq!(after(None, &headers, Stream::Fact).unwrap(), None);
        headers.insert("loki-after", "f7".parse().unwrap());
        assert_eq!(after(None, &headers, Stream::Fact).unwrap(), Some(7));
        assert_eq!(after(Some("f9"), &headers, Stream::Fact).unwrap(), Some(9));
        assert!(after(Some("c9"), &headers, Stream::Fact).is_err());
        assert!(after(Some("9"), &headers, Stream::Fact).is_err());
    }
}
