//! W3C trace context: `traceparent`, as specified by the W3C recommendation "Trace Context", version 00.

/// A valid `traceparent`, kept or newly made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceParent(String);

impl TraceParent {
    /// The first that is valid of those that the sender gave; else a new one.
    pub fn accept<'t>(given: impl IntoIterator<Item = &'t str>) -> Self {
        given.into_iter().find(|text| is_valid(text)).map_or_else(Self::new, |text| Self(text.to_owned()))
    }

    /// A new, sampled trace.
    pub fn new() -> Self {
        let trace = uuid::Uuid::new_v4().simple().to_string();
        let span = &uuid::Uuid::new_v4().simple().to_string()[..16];
        Self(format!("00-{trace}-{span}-01"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The trace id, for log lines.
    pub fn trace_id(&self) -> &str {
        &self.0[3..35]
    }
}

impl Default for TraceParent {
    fn default() -> Self {
        Self::new()
    }
}

/// The trace id within a header, for log lines; `None` when it is not valid.
pub fn id(text: &str) -> Option<&str> {
    is_valid(text).then(|| &text[3..35])
}

fn is_valid(text: &str) -> bool {
    let hex = |part: &str, length: usize| part.len() == length && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let parts: Vec<&str> = text.split('-').collect();
    matches!(parts[..], ["00", trace, span, flags]
        if hex(trace, 32) && hex(span, 16) && hex(flags, 2) && trace.bytes().any(|b| b != b'0') && span.bytes().any(|b| b != b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_one_is_kept_and_another_replaced() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(TraceParent::accept([given]).as_str(), given);
        assert_eq!(TraceParent::accept(["nonsense", given]).as_str(), given);
        assert_eq!(id(given), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert_eq!(id("00-0-0-0"), None);
        for bad in [
            "",
            "00-0-0-0",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            let made = TraceParent::accept([bad]);
            assert!(is_valid(made.as_str()) && made.as_str() != bad);
        }
        assert_ne!(TraceParent::new(), TraceParent::new());
    }
}
