//! One line: what it asks, and what is answered (`PutDataPointRpc`, `Tags.parse`).

use loki_domain::Sample;

use crate::point::{Point, Wrong, listed, whole};

/// The longest line, as of OpenTSDB 2.4.
pub(super) const BYTES_MAX: usize = 1024;

/// What a line asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Asked {
    Put(Sample),
    /// A point that is not taken, and the line that says why.
    Refused(String),
    /// An answer that has nothing to do with points.
    Told(String),
    /// Ends the connection.
    Exit,
    Nothing,
}

pub(super) fn read(line: &str) -> Asked {
    let mut words = line.split([' ', '\t', '\r']).filter(|word| !word.is_empty());
    match words.next() {
        None => Asked::Nothing,
        Some("put") => match put(words) {
            Ok(sample) => Asked::Put(sample),
            Err(Wrong::Number(why)) => Asked::Refused(format!("put: invalid value: {why}\n")),
            Err(Wrong::Other(why)) => Asked::Refused(format!("put: illegal argument: {why}\n")),
        },
        // collectors send it first and wait for a line
        Some("version") => Asked::Told(format!("loki {} speaks as net.opentsdb 2.4.1 does\n", env!("CARGO_PKG_VERSION"))),
        Some("exit") => Asked::Exit,
        Some("help") => Asked::Told("available commands: exit help put version\n".to_owned()),
        Some(other) => Asked::Told(format!("unknown command: {}.  Try `help'.\n", other.escape_default())),
    }
}

/// `metric timestamp value name=value…`
fn put<'l>(words: impl Iterator<Item = &'l str>) -> Result<Sample, Wrong> {
    let words: Vec<&str> = words.collect();
    let other = |message: String| Wrong::Other(message);
    let [metric, timestamp, value, pairs @ ..] = words.as_slice() else {
        return Err(other(format!("not enough arguments (need least 4, got {})", words.len())));
    };
    if pairs.is_empty() {
        return Err(other(format!("not enough arguments (need least 4, got {})", words.len())));
    }
    // seconds with a fraction are milliseconds without a point
    let timestamp = whole(&timestamp.replacen('.', "", 1)).map_err(Wrong::Number)?;
    if timestamp <= 0 {
        return Err(other(format!("invalid timestamp: {timestamp}")));
    }
    let mut tags: Vec<(String, Option<String>)> = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let parts: Vec<&str> = pair.split('=').collect();
        let [name, text] = parts.as_slice() else { return Err(other(format!("invalid tag: {pair}"))) };
        if name.is_empty() || text.is_empty() {
            return Err(other(format!("invalid tag: {pair}")));
        }
        match tags.iter().find(|(known, _)| known == name) {
            Some((_, Some(known))) if known == text => {}
            Some(_) => return Err(other(format!("duplicate tag: {pair}, tags={}", listed(&tags)))),
            None => tags.push(((*name).to_owned(), Some((*text).to_owned()))),
        }
    }
    Point { metric: Some((*metric).to_owned()), timestamp, value: Some((*value).to_owned()), tags: Some(tags) }.sample()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> String {
        match read(line) {
            Asked::Put(sample) => format!("{} {} {}", sample.series, sample.at, sample.value),
            Asked::Refused(text) | Asked::Told(text) => text,
            Asked::Exit => "exit".to_owned(),
            Asked::Nothing => String::new(),
        }
    }

    #[test]
    fn what_collectors_send() {
        // collectd, two spaces between tags
        assert_eq!(
            told("put load.load.midterm 1795466916 1.25 fqdn=testhost  status=production\r"),
            "load.load.midterm{fqdn=testhost,status=production} 1795466916 1.25"
        );
        assert_eq!(told("put cpu.user 1795466916 12.500000 host=tg_host/1"), "cpu.user{host=tg_host/1} 1795466916 12.5");
        assert_eq!(told("put m 1795466916.123 5 host=vm host=vm"), "m{host=vm} 1795466916123 5.0");
        assert!(told("version").ends_with('\n') && told("version").contains("2.4.1"));
        assert_eq!((told("exit"), told(""), told("   \r")), ("exit".to_owned(), String::new(), String::new()));
    }

    #[test]
    fn what_is_wrong_is_told_in_one_line() {
        for (line, answer) in [
            ("put m 1", "put: illegal argument: not enough arguments (need least 4, got 2)\n"),
            ("put m 1 2", "put: illegal argument: not enough arguments (need least 4, got 3)\n"),
            ("put m x 2 a=b", "put: invalid value: Invalid character 'x' in x\n"),
            ("put m 0 2 a=b", "put: illegal argument: invalid timestamp: 0\n"),
            ("put m 1 x a=b", "put: invalid value: Invalid character 'x' in x\n"),
            ("put m 1 2 a", "put: illegal argument: invalid tag: a\n"),
            ("put m 1 2 a=", "put: illegal argument: invalid tag: a=\n"),
            ("put m 1 2 a=b=c", "put: illegal argument: invalid tag: a=b=c\n"),
            ("put m 1 2 a=b a=c", "put: illegal argument: duplicate tag: a=c, tags={a=b}\n"),
            ("put m:x 1 2 a=b", "put: illegal argument: Invalid metric name (\"m:x\"): illegal character: :\n"),
            ("GET / HTTP/1.1", "unknown command: GET.  Try `help'.\n"),
        ] {
            assert_eq!(told(line), answer, "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_more_than_one_line(line in "\\PC{0,60}", rest in "[a-z0-9=. ]{0,40}") {
            for line in [line, format!("put {rest}")] {
                if let Asked::Refused(text) | Asked::Told(text) = read(&line) {
                    proptest::prop_assert_eq!(text.matches('\n').count(), 1);
                }
            }
        }
    }
}
