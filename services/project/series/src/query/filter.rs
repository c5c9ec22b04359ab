//! Filters on tag values.
//!
//! They follow OpenTSDB where it is peculiar: `k=web*` as a tag ignores case although its kind is `wildcard`; several parts of a wildcard are
//! looked for from the sum of the lengths of the parts before; and every filter but `not_key` wants the series to have the tag.

use fancy_regex::Regex;

use super::Problem;

#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub(super) kind: &'static str,
    pub(super) tag: String,
    pub(super) text: String,
    pub(super) group_by: bool,
    rule: Rule,
}

#[derive(Debug, Clone)]
enum Rule {
    Literal { values: Vec<String>, fold: bool, not: bool },
    Wildcard(Wildcard),
    Regexp(Regex),
    NotKey,
}

#[derive(Debug, Clone, PartialEq)]
struct Wildcard {
    starts: bool,
    ends: bool,
    parts: Vec<String>,
    fold: bool,
}

/// Name, and whether letters of either case are the same.
const LITERAL: [(&str, bool, bool); 4] =
    [("literal_or", false, false), ("iliteral_or", true, false), ("not_literal_or", false, true), ("not_iliteral_or", true, true)];

impl Filter {
    pub(super) fn new(kind: &str, tag: &str, text: &str, group_by: bool) -> Result<Self, Problem> {
        if tag.is_empty() {
            return Err(Problem::bad("Filter must have a tagk"));
        }
        if text.is_empty() && kind != "not_key" {
            return Err(Problem::bad("Filter cannot be null or empty"));
        }
        let (kind, rule) = match kind {
            "wildcard" => ("wildcard", Rule::Wildcard(Wildcard::new(text, false)?)),
            "iwildcard" => ("iwildcard", Rule::Wildcard(Wildcard::new(text, true)?)),
            "regexp" => {
                let regex = Regex::new(text).map_err(|error| Problem::bad(format!("`{text}` is no regular expression: {error}")))?;
                ("regexp", Rule::Regexp(regex))
            }
            "not_key" if text.is_empty() => ("not_key", Rule::NotKey),
            "not_key" => return Err(Problem::bad("The filter must be empty for the not_key filter")),
            _ => {
                let known = LITERAL.iter().find(|(name, ..)| *name == kind);
                let (name, fold, not) = *known.ok_or_else(|| {
                    let empty = "The filter type cannot be null or empty".to_owned();
                    Problem::bad(if kind.is_empty() { empty } else { format!("Could not find a tag value filter of the type: {kind}") })
                })?;
                (name, Rule::Literal { values: literals(text, fold)?, fold, not })
            }
        };
        Ok(Self { kind, tag: tag.to_owned(), text: text.to_owned(), group_by, rule })
    }

    /// What a tag's value means, as `host=…` in a question has it: `*`, `kind(text)`, a wildcard, or literals.
    pub(super) fn of_tag(tag: &str, value: &str, group_by: bool) -> Result<Self, Problem> {
        if tag.is_empty() || value.is_empty() {
            return Err(Problem::bad("Filter cannot be null or empty"));
        }
        if value == "*" || (value.contains('*') && !value.contains('(')) {
            let rule = Rule::Wildcard(Wildcard::new(value, true)?);
            return Ok(Self { kind: "wildcard", tag: tag.to_owned(), text: value.to_owned(), group_by, rule });
        }
        match value.split_once('(') {
            None => Self::new("literal_or", tag, value, group_by),
            Some((kind, text)) => {
                let text = text.strip_suffix(')').ok_or_else(|| Problem::bad(format!("Filter must end with a ')': {value}")))?;
                Self::new(&kind.to_lowercase(), tag, text, group_by)
            }
        }
    }

    /// The literal values of which one must be there, if that is what the filter is.
    pub(super) fn literals(&self) -> Option<&[String]> {
        match &self.rule {
            Rule::Literal { values, fold: false, not: false } => Some(values),
            _ => None,
        }
    }

    pub(super) fn wants_tag(&self) -> bool {
        !matches!(self.rule, Rule::NotKey)
    }

    /// Whether a value passes; of a filter that wants the tag.
    pub(super) fn passes(&self, value: &str) -> Result<bool, Problem> {
        Ok(match &self.rule {
            Rule::Literal { values, fold: true, not } => values.contains(&value.to_lowercase()) != *not,
            Rule::Literal { values, fold: false, not } => values.iter().any(|literal| literal == value) != *not,
            Rule::Wildcard(wildcard) => wildcard.passes(value),
            Rule::Regexp(regex) => {
                regex.is_match(value).map_err(|error| Problem::bad(format!("`{}` takes too long for a tag's value: {error}", self.text)))?
            }
            Rule::NotKey => false,
        })
    }
}

/// Whether OpenTSDB takes two filters for the same: grouping is no difference.
impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        let same = match (&self.rule, &other.rule) {
            (Rule::Literal { values, fold, not }, Rule::Literal { values: others, fold: other_fold, not: other_not }) => {
                (fold, not) == (other_fold, other_not)
                    && values.iter().all(|value| others.contains(value))
                    && others.iter().all(|value| values.contains(value))
            }
            (Rule::Wildcard(one), Rule::Wildcard(another)) => (&one.parts, one.fold) == (&another.parts, another.fold),
            (Rule::Regexp(_), Rule::Regexp(_)) => self.text == other.text,
            _ => false,
        };
        same && self.tag == other.tag
    }
}

/// The parts between `|`; empty ones at the end do not count.
fn literals(text: &str, fold: bool) -> Result<Vec<String>, Problem> {
    if text == "|" {
        return Err(Problem::bad("Filter must contain more than just a pipe"));
    }
    let text = if fold { text.to_lowercase() } else { text.to_owned() };
    let mut values: Vec<String> = text.trim_end_matches('|').split('|').map(str::to_owned).collect();
    values.sort_unstable();
    values.dedup();
    Ok(values)
}

impl Wildcard {
    fn new(text: &str, fold: bool) -> Result<Self, Problem> {
        let text = if fold { text.to_lowercase() } else { text.to_owned() };
        if !text.contains('*') {
            return Err(Problem::bad("Filter must contain an asterisk"));
        }
        let (ends, starts) = (text.starts_with('*'), text.ends_with('*'));
        let middle = text.trim_matches('*');
        let parts = if middle.is_empty() { Vec::new() } else { middle.split('*').map(str::to_owned).collect() };
        Ok(Self { starts, ends, parts, fold })
    }

    fn passes(&self, value: &str) -> bool {
        let folded = if self.fold { value.to_lowercase() } else { String::new() };
        let value = if self.fold { folded.as_str() } else { value };
        let (Some(first), Some(last)) = (self.parts.first(), self.parts.last()) else { return true };
        if self.ends && !self.starts && !value.ends_with(last.as_str()) {
            return false;
        }
        if self.starts && !self.ends && !value.starts_with(first.as_str()) {
            return false;
        }
        let mut from = 0;
        self.parts.iter().all(|part| {
            let found = contains_from(value.as_bytes(), part.as_bytes(), from);
            from += part.len();
            found
        })
    }
}

fn contains_from(value: &[u8], part: &[u8], from: usize) -> bool {
    let rest = value.get(from..).unwrap_or_default();
    part.is_empty() || rest.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passing<'v>(kind: &str, text: &str, values: &[&'v str]) -> Vec<&'v str> {
        let filter = Filter::new(kind, "host", text, false).unwrap();
        values.iter().copied().filter(|value| filter.passes(value).unwrap()).collect()
    }

    const HOSTS: [&str; 5] = ["web01", "WEB01", "web02.lga", "db01", "01web"];

    #[test]
    fn each_kind_by_example() {
        for (kind, text, expected) in [
            ("literal_or", "web01|db01|", &["web01", "db01"][..]),
            ("iliteral_or", "Web01", &["web01", "WEB01"]),
            ("not_literal_or", "web01|db01", &["WEB01", "web02.lga", "01web"]),
            ("not_iliteral_or", "WEB01", &["web02.lga", "db01", "01web"]),
            ("wildcard", "web*", &["web01", "web02.lga"]),
            ("wildcard", "*01", &["web01", "WEB01", "db01"]),
            ("wildcard", "*web*", &["web01", "web02.lga", "01web"]),
            ("wildcard", "**", &HOSTS),
            ("iwildcard", "WEB*", &["web01", "WEB01", "web02.lga"]),
            ("wildcard", "w*.*a", &["web02.lga"]),
            ("regexp", "^web", &["web01", "web02.lga"]),
            ("regexp", "(?<![bB])0", &["01web"]),
        ] {
            assert_eq!(passing(kind, text, &HOSTS), expected, "{kind}({text})");
        }
    }

    #[test]
    fn a_tag_is_short_for_a_filter() {
        for (value, kind) in [
            ("*", "wildcard"),
            ("web*", "wildcard"),
            ("a|b", "literal_or"),
            ("iliteral_or(a|b)", "iliteral_or"),
            ("REGEXP(a.*)", "regexp"),
            ("not_key()", "not_key"),
        ] {
            assert_eq!(Filter::of_tag("host", value, true).unwrap().kind, kind, "{value}");
        }
        assert!(Filter::of_tag("host", "WEB*", true).unwrap().passes("web01").unwrap());
        for wrong in ["", "regexp(", "nothing(a)", "wildcard(a)", "not_key(a)", "literal_or()", "|", "regexp([)"] {
            assert_eq!(Filter::of_tag("host", wrong, true).map(|_| ()).unwrap_err().status, 400, "{wrong}");
        }
    }

    #[test]
    fn grouping_is_no_difference() {
        let filter = |value: &str, group_by| Filter::of_tag("host", value, group_by).unwrap();
        assert_eq!(filter("a|b", true), filter("b|a", false));
        assert_eq!(filter("web*", true), filter("web*", false));
        assert_ne!(filter("a", true), filter("iliteral_or(a)", true));
        assert_ne!(filter("a", true), Filter::of_tag("rack", "a", true).unwrap());
        assert_ne!(filter("not_key()", true), filter("not_key()", true));
    }
}
