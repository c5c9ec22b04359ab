//! Text from elsewhere, made harmless for a terminal.

/// Longer texts are cut for people.
const SHOWN: usize = 400;

/// On one line, without control characters: a label or a dead letter may hold anything.
pub(crate) fn printable(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).map(visible).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// The same for a text of several lines, whole.
pub(crate) fn printable_lines(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '\n' | '\t') { c } else { visible(c) }).collect()
}

fn visible(c: char) -> char {
    // marks that reorder what follows can make a line say something else
    let reorders = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if c.is_control() || reorders { '\u{fffd}' } else { c }
}

/// `1 server`, `2 servers`.
pub(crate) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// `a=1,b=2`.
pub(crate) fn labels(labels: &std::collections::BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_not_written_to_by_strangers() {
        assert_eq!(printable("a\u{1b}[2J\nb支付\u{202e}c"), "a\u{fffd}[2J\u{fffd}b支付\u{fffd}c");
        assert_eq!(printable_lines("a\nb\t\u{7}"), "a\nb\t\u{fffd}");
        assert_eq!(printable(&"x".repeat(500)).chars().count(), SHOWN + 1);
    }
}
