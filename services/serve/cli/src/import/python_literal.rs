//! Reads the Python literals that Ansible allows as values of an INI inventory: `5`, `True`, `"text"`, `['a', 'b']`, `{'k': 1}`.
//!
//! Whatever is not a literal is plain text there, so the answer to a malformed one is `None` and never an error.

use super::limits;
use super::value::{Value, push_code_point};

/// The literal that `text` is as a whole, a comment behind it allowed.
pub(crate) fn parse(text: &str) -> Option<Value> {
    if text.len() > limits::LITERAL_BYTES {
        return None;
    }
    let mut reader = Reader { rest: text };
    let value = reader.value(0)?;
    reader.skip_space();
    (reader.rest.is_empty() || reader.rest.starts_with('#')).then_some(value)
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > limits::VALUE_DEPTH {
            return None;
        }
        self.skip_space();
        match self.rest.chars().next()? {
            '[' => self.items('[', ']', depth).map(|(items, _)| Value::List(items)),
            '(' => self.parentheses(depth),
            '{' => self.braces(depth),
            '0'..='9' | '+' | '-' | '.' => self.number(),
            _ if self.string_start().is_some() => self.strings(),
            _ => self.constant(),
        }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn take(&mut self, c: char) -> Option<()> {
        self.skip_space();
        self.rest = self.rest.strip_prefix(c)?;
        Some(())
    }

    /// Values between two brackets, and whether a comma was seen.
    fn items(&mut self, open: char, close: char, depth: usize) -> Option<(Vec<Value>, bool)> {
        self.take(open)?;
        let (mut items, mut comma) = (Vec::new(), false);
        loop {
            if self.take(close).is_some() {
                return Some((items, comma));
            }
            if !items.is_empty() && !comma {
                return None;
            }
            items.push(self.value(depth + 1)?);
            let more = self.take(',').is_some();
            comma |= more;
            if !more {
                self.take(close)?;
                return Some((items, comma));
            }
        }
    }

    /// A tuple, or a value in parentheses.
    fn parentheses(&mut self, depth: usize) -> Option<Value> {
        let (mut items, comma) = self.items('(', ')', depth)?;
        if items.len() == 1 && !comma { items.pop() } else { Some(Value::List(items)) }
    }

    /// A dictionary or a set.
    fn braces(&mut self, depth: usize) -> Option<Value> {
        let start = self.rest;
        if let Some(map) = self.dictionary(depth) {
            return Some(map);
        }
        self.rest = start;
        // Only sets of scalars: a second try at each level of nesting would take exponential time.
        self.take('{')?;
        let mut items = Vec::new();
        loop {
            self.skip_space();
            if self.rest.starts_with(['{', '[', '(']) {
                return None;
            }
            items.push(self.value(depth + 1)?);
            if self.take(',').is_none() || self.rest.trim_start().starts_with('}') {
                self.take('}')?;
                return Some(Value::List(items));
            }
        }
    }

    fn dictionary(&mut self, depth: usize) -> Option<Value> {
        self.take('{')?;
        let mut entries: Vec<(String, Value)> = Vec::new();
        while self.take('}').is_none() {
            self.skip_space();
            if self.rest.starts_with(['{', '[']) {
                return None;
            }
            let key = self.value(depth + 1)?.render();
            self.take(':')?;
            let value = self.value(depth + 1)?;
            entries.push((key, value));
            if self.take(',').is_none() {
                self.take('}')?;
                break;
            }
        }
        Some(Value::Map(entries))
    }

    fn constant(&mut self) -> Option<Value> {
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word {
            "True" => Some(Value::Bool(true)),
            "False" => Some(Value::Bool(false)),
            "None" => Some(Value::Null),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<Value> {
        let signs = self.rest.len() - self.rest.trim_start_matches(['+', '-']).len();
        let digits = &self.rest[signs..];
        let mut end = 0;
        for (at, c) in digits.char_indices() {
            let exponent_sign = matches!(c, '+' | '-') && digits[..at].ends_with(['e', 'E']) && !is_prefixed(digits);
            if !(c.is_ascii_alphanumeric() || c == '.' || c == '_' || exponent_sign) {
                break;
            }
            end = at + 1;
        }
        if signs > 1 || !is_number(&digits[..end]) {
            return None;
        }
        let (spelling, rest) = self.rest.split_at(signs + end);
        self.rest = rest;
        Some(Value::Number(spelling.to_owned()))
    }

    /// The prefix and quote that begin a string here: `r'`, `"`, `b"""`…
    fn string_start(&self) -> Option<(&'t str, &'t str)> {
        let (prefix_end, _) = self.rest.char_indices().take(3).find(|(_, c)| matches!(c, '\'' | '"'))?;
        let (prefix, quoted) = self.rest.split_at(prefix_end);
        if !matches!(prefix.to_ascii_lowercase().as_str(), "" | "r" | "b" | "u" | "br" | "rb") {
            return None;
        }
        let triple = quoted.get(..3).filter(|quote| matches!(*quote, "'''" | "\"\"\""));
        Some((prefix, triple.unwrap_or(&quoted[..1])))
    }

    /// One string, or several side by side, which Python joins.
    fn strings(&mut self) -> Option<Value> {
        let mut text = String::new();
        while let Some((prefix, quote)) = self.string_start() {
            self.rest = &self.rest[prefix.len() + quote.len()..];
            self.string(prefix.to_ascii_lowercase().contains('r'), quote, &mut text)?;
            self.skip_space();
        }
        Some(Value::Text(text))
    }

    fn string(&mut self, raw: bool, quote: &str, out: &mut String) -> Option<()> {
        loop {
            if let Some(rest) = self.rest.strip_prefix(quote) {
                self.rest = rest;
                return Some(());
            }
            let c = self.next()?;
            match c {
                '\\' if raw => out.extend([c, self.next()?]),
                '\\' => self.escape(out)?,
                c => out.push(c),
            }
        }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn escape(&mut self, out: &mut String) -> Option<()> {
        let c = self.next()?;
        match c {
            '\\' | '\'' | '"' => out.push(c),
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'a' => out.push('\u{7}'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'v' => out.push('\u{b}'),
            'x' => self.code_point(2, out)?,
            'u' => self.code_point(4, out)?,
            'U' => self.code_point(8, out)?,
            '0'..='7' => {
                let more = self.rest.bytes().take(2).take_while(|b| (b'0'..=b'7').contains(b)).count();
                let digits = format!("{c}{}", &self.rest[..more]);
                self.rest = &self.rest[more..];
                push_code_point(out, u32::from_str_radix(&digits, 8).ok()?)?;
            }
            'N' => return None,
            c => out.extend(['\\', c]),
        }
        Some(())
    }

    fn code_point(&mut self, digits: usize, out: &mut String) -> Option<()> {
        let hex = self.rest.get(..digits).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))?;
        self.rest = &self.rest[digits..];
        push_code_point(out, u32::from_str_radix(hex, 16).ok()?)
    }
}

fn is_prefixed(digits: &str) -> bool {
    digits.len() > 1 && digits.starts_with('0') && digits[1..].starts_with(['x', 'X', 'o', 'O', 'b', 'B'])
}

/// An integer or a float of Python, without its sign. `012` is neither.
fn is_number(digits: &str) -> bool {
    if digits.starts_with('_') || digits.ends_with('_') || digits.contains("__") {
        return false;
    }
    let plain = digits.replace('_', "");
    if is_prefixed(&plain) {
        let radix = match plain.as_bytes()[1].to_ascii_lowercase() {
            b'x' => 16,
            b'o' => 8,
            _ => 2,
        };
        return plain.len() > 2 && plain[2..].chars().all(|c| c.is_digit(radix));
    }
    if plain.bytes().all(|b| b.is_ascii_digit()) {
        return !plain.is_empty() && (plain == "0" || !plain.starts_with('0') || plain.bytes().all(|b| b == b'0'));
    }
    plain.starts_with(|c: char| c.is_ascii_digit() || c == '.') && plain.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What Python's `ast.literal_eval` makes of the text, as a label; `None` is text.
    #[test]
    fn reads_what_python_reads() {
        let cases = [
            ("5", Some("5")),
            ("-5", Some("-5")),
            ("1.10", Some("1.10")),
            ("1e-3", Some("1e-3")),
            (".5", Some(".5")),
            ("0x1F # hex", Some("0x1F")),
            ("1_000", Some("1_000")),
            ("00", Some("00")),
            ("012", None),
            ("0x", None),
            ("1__0", None),
            ("1.2.3", None),
            ("10.0.0.1", None),
            ("2024-01-01", None),
            ("5 6", None),
            ("True", Some("true")),
            ("true", None),
            ("None", Some("")),
            ("web", None),
            ("", None),
            ("'a b'", Some("a b")),
            ("\"it's\" # comment", Some("it's")),
            ("'a' 'b'", Some("ab")),
            ("'''a'b'''", Some("a'b")),
            (r"'\x41\u00e9\U0001F600\101\q\n'", Some("Aé😀A\\q\n")),
            (r"r'\n'", Some("\\n")),
            (r"'\ud800'", None),
            (r"'\N{DASH}'", None),
            ("'open", None),
            ("[1, 'a', True, None, ]", Some(r#"[1,"a",true,null]"#)),
            ("[]", Some("[]")),
            ("[,]", None),
            ("[1 2]", None),
            ("(1, 2)", Some("[1,2]")),
            ("(1,)", Some("[1]")),
            ("(1)", Some("1")),
            ("()", Some("[]")),
            ("{'b': [1], 'a': {}}", Some(r#"{"a":{},"b":[1]}"#)),
            ("{1: 2,}", Some(r#"{"1":2}"#)),
            ("{'a', 'b'}", Some(r#"["a","b"]"#)),
            ("{a: 1}", None),
            ("{{ idc }}", None),
            ("f'x'", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).map(|value| value.render()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        assert!(parse(&"[".repeat(1_000_000)).is_none());
        assert!(parse(&"{1:".repeat(1_000_000)).is_none());
        assert!(parse(&format!("{}{}", "[".repeat(32), "]".repeat(32))).is_some());
        assert!(parse(&format!("{}{}", "[".repeat(40), "]".repeat(40))).is_none());
    }

    proptest! {
        #[test]
        fn never_panics(text in r#"[\[\]{}()'",:\\ 01_xXeEbuUrN.+#TrueFalsé\PC-]{0,60}"#) {
            let _ = parse(&text);
        }

        #[test]
        fn quoted_text_comes_back(text in r"[^'\\\r\n]{0,40}") {
            prop_assert_eq!(parse(&format!("'{text}'")), Some(Value::Text(text)));
        }
    }
}
