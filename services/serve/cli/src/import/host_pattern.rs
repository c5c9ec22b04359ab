//! Host names with ranges, as Ansible writes them: `web[01:50].example.com`, `db-[a:f]`, `rack[1:3]-u[02:40:2]:2222`.
//!
//! Counts before it expands: a short line can ask for more names than there is memory.

use super::names::quoted;

/// A parsed pattern, not expanded yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HostPattern<'p> {
    parts: Vec<Part<'p>>,
    /// A port was written behind it. It says how to connect and is not imported.
    pub(crate) has_port: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Part<'p> {
    Text(&'p str),
    Numbers {
        begin: u64,
        end: u64,
        step: u64,
        width: usize,
    },
    /// Positions in [`LETTERS`].
    Letters {
        begin: usize,
        end: usize,
        step: usize,
    },
}

/// Longest pattern, in bytes; names of servers are much shorter.
const LONGEST: usize = 1_024;

/// Ansible counts letters in this order.
const LETTERS: &[u8; 52] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

impl<'p> HostPattern<'p> {
    pub(crate) fn parse(pattern: &'p str) -> Result<Self, String> {
        if pattern.len() > LONGEST {
            return Err(format!("host {} is longer than {LONGEST} bytes: shorten it", quoted(pattern)));
        }
        let (name, has_port) = split_port(pattern);
        let mut parts = Vec::new();
        let mut rest = name;
        while let Some((text, range)) = rest.split_once('[') {
            let (range, after) =
                range.split_once(']').ok_or_else(|| format!("host {} has a `[` that is not closed: add the `]`", quoted(pattern)))?;
            parts.push(Part::Text(text));
            parts.push(Part::range(range).map_err(|error| format!("host {}: {error}", quoted(pattern)))?);
            rest = after;
        }
        parts.push(Part::Text(rest));
        Ok(Self { parts, has_port })
    }

    /// How many names [`expand`](Self::expand) gives.
    pub(crate) fn count(&self) -> u64 {
        self.parts.iter().map(Part::count).fold(1, u64::saturating_mul)
    }

    /// All names, the last range counting fastest. Ask [`count`](Self::count) first.
    pub(crate) fn expand(&self) -> Vec<String> {
        self.parts.iter().fold(vec![String::new()], |names, part| {
            names.iter().flat_map(|name| (0..part.count()).map(move |index| format!("{name}{}", part.text(index)))).collect()
        })
    }
}

impl<'p> Part<'p> {
    /// `begin:end` or `begin:end:step`.
    fn range(range: &'p str) -> Result<Self, String> {
        let bounds: Vec<&str> = range.split(':').collect();
        let (begin, end, step) = match bounds[..] {
            [begin, end] => (begin, end, 1),
            [begin, end, step] => (begin, end, step.parse().map_err(|_| wrong_range(range))?),
            _ => return Err(wrong_range(range)),
        };
        let begin = if begin.is_empty() { "0" } else { begin };
        if step == 0 {
            return Err(format!("range {} has step 0: write at least 1", quoted(range)));
        }
        let part = match (letter(begin), letter(end)) {
            (Some(begin), Some(end)) => Self::Letters { begin, end, step: usize::try_from(step).unwrap_or(usize::MAX) },
            _ => Self::Numbers { begin: digits(begin, range)?, end: digits(end, range)?, step, width: width(begin, end, range)? },
        };
        let backwards = match part {
            Self::Text(_) => false,
            Self::Numbers { begin, end, .. } => begin > end,
            Self::Letters { begin, end, .. } => begin > end,
        };
        if backwards { Err(format!("range {} ends before it begins: swap the two", quoted(range))) } else { Ok(part) }
    }

    fn count(&self) -> u64 {
        match *self {
            Self::Text(_) => 1,
            Self::Numbers { begin, end, step, .. } => ((end - begin) / step).saturating_add(1),
            Self::Letters { begin, end, step } => ((end - begin) / step) as u64 + 1,
        }
    }

    fn text(&self, index: u64) -> String {
        match *self {
            Self::Text(text) => text.to_owned(),
            Self::Numbers { begin, step, width, .. } => format!("{:0width$}", begin + index * step),
            Self::Letters { begin, step, .. } => char::from(LETTERS[begin + index as usize * step]).to_string(),
        }
    }
}

fn wrong_range(range: &str) -> String {
    format!("range {} must be `begin:end` or `begin:end:step`, of numbers or of single letters", quoted(range))
}

fn letter(bound: &str) -> Option<usize> {
    let [letter] = bound.as_bytes() else { return None };
    LETTERS.iter().position(|known| known == letter)
}

fn digits(bound: &str, range: &str) -> Result<u64, String> {
    let fits = (1..=18).contains(&bound.len()) && bound.bytes().all(|b| b.is_ascii_digit());
    if !fits {
        return Err(wrong_range(range));
    }
    bound.parse().map_err(|_| wrong_range(range))
}

/// A leading zero asks for numbers of that width.
fn width(begin: &str, end: &str, range: &str) -> Result<usize, String> {
    match begin.len() {
        width if width > 1 && begin.starts_with('0') => {
            if end.len() == width {
                Ok(width)
            } else {
                Err(format!("range {} must write both ends with equally many digits", quoted(range)))
            }
        }
        _ => Ok(0),
    }
}

/// Takes a port off: `name:22`, `[name or address]:22`.
fn split_port(pattern: &str) -> (&str, bool) {
    let Some((name, port)) = pattern.rsplit_once(':') else { return (pattern, false) };
    if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
        return (pattern, false);
    }
    let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    if let Some(inner) = inner.filter(|inner| !inner.contains(['[', ']'])) {
        return (inner, true);
    }
    // Colons of ranges are between brackets; any other one is part of an IPv6 address.
    let mut in_range = false;
    let bare_colon = name.chars().any(|c| {
        in_range = if in_range { c != ']' } else { c == '[' };
        c == ':' && !in_range
    });
    if bare_colon || in_range { (pattern, false) } else { (name, true) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn expand(pattern: &str) -> Vec<String> {
        HostPattern::parse(pattern).unwrap_or_else(|error| panic!("{error}")).expand()
    }

    #[test]
    fn expands_as_ansible_does() {
        let cases: [(&str, &[&str]); 14] = [
            ("web1", &["web1"]),
            ("web[1:3]", &["web1", "web2", "web3"]),
            ("web[08:11].a", &["web08.a", "web09.a", "web10.a", "web11.a"]),
            ("web[9:11]", &["web9", "web10", "web11"]),
            ("web[:2]", &["web0", "web1", "web2"]),
            ("web[1:9:4]", &["web1", "web5", "web9"]),
            ("web[1:8:4]", &["web1", "web5"]),
            ("web[3:3]", &["web3"]),
            ("web[9:012]", &["web9", "web10", "web11", "web12"]),
            ("db-[a:c]", &["db-a", "db-b", "db-c"]),
            ("db-[a:e:2]", &["db-a", "db-c", "db-e"]),
            ("db-[y:B]", &["db-y", "db-z", "db-A", "db-B"]),
            ("[a:b]-u[1:2]", &["a-u1", "a-u2", "b-u1", "b-u2"]),
            ("10.0.0.[1:2]", &["10.0.0.1", "10.0.0.2"]),
        ];
        for (pattern, expected) in cases {
            assert_eq!(expand(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn ports_are_taken_off() {
        for (pattern, name, has_port) in [
            ("web1:22", "web1", true),
            ("web[1:1]:22", "web1", true),
            ("[2001:db8::1]:22", "2001:db8::1", true),
            ("[web1]:22", "web1", true),
            ("2001:db8::1", "2001:db8::1", false),
            ("web1:", "web1:", false),
            ("web1:ssh", "web1:ssh", false),
        ] {
            assert_eq!(expand(pattern), [name], "{pattern}");
            assert_eq!(HostPattern::parse(pattern).unwrap().has_port, has_port, "{pattern}");
        }
    }

    #[test]
    fn refuses_what_is_no_range() {
        for pattern in [
            "web[",
            "web[1",
            "web[]",
            "web[1]",
            "web[1:]",
            "web[1:2:0]",
            "web[1:2:3:4]",
            "web[01:100]",
            "web[3:1]",
            "web[c:a]",
            "web[a:3]",
            "web[aa:bb]",
            "web[-1:3]",
            "web[1:2:x]",
            "web[0:9999999999999999999]",
        ] {
            let error = HostPattern::parse(pattern).unwrap_err();
            assert!(error.contains(&quoted(pattern)), "{error}");
        }
    }

    #[test]
    fn length_is_bounded() {
        assert!(HostPattern::parse(&"[1:1]".repeat(100_000)).unwrap_err().contains("1024 bytes"));
    }

    #[test]
    fn counts_without_expanding() {
        let count = |pattern| HostPattern::parse(pattern).unwrap().count();
        assert_eq!(count("web[1:999999999999]"), 999_999_999_999);
        assert_eq!(count(&"[0:999999999999]".repeat(20)), u64::MAX);
    }

    proptest! {
        #[test]
        fn never_panics(pattern in r"[a-c\[\]:0-9.é\PC-]{0,40}") {
            if let Ok(parsed) = HostPattern::parse(&pattern) && parsed.count() <= 10_000 {
                prop_assert_eq!(parsed.expand().len() as u64, parsed.count());
            }
        }

        #[test]
        fn names_of_a_range_are_distinct_and_counted(
            begin in 0u64..2_000, length in 0u64..300, step in 1u64..9, padded: bool, letters in 0usize..26,
        ) {
            let end = begin + length;
            let numbers = if padded { format!("[{begin:05}:{end:05}:{step}]") } else { format!("[{begin}:{end}:{step}]") };
            let last = char::from(b'a' + letters as u8);
            let pattern = format!("h{numbers}-[a:{last}]");
            let parsed = HostPattern::parse(&pattern).unwrap();
            let names = parsed.expand();
            prop_assert_eq!(names.len() as u64, (length / step + 1) * (letters as u64 + 1));
            prop_assert_eq!(parsed.count(), names.len() as u64);
            let distinct: std::collections::HashSet<&String> = names.iter().collect();
            prop_assert_eq!(distinct.len(), names.len());
        }
    }
}
