//! W3C trace context: `traceparent`, as specified by the W3C recommendation "Trace Context", version 00.

/// A valid `traceparent`, kept or newly made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceParent(String);

impl TraceParent {
    /// The sender's, when it is valid; else a new one.
    pub fn accept(text: Option<&str>) -> Self {
        match text {
            Some(text) if is_valid(text) => Self(text.to_owned()),
            _ => Self::new(),
        }
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

/// The trace id within a header, for log lines; empty when it is not valid.
pub fn trace_id(text: &str) -> &str {
    if is_valid(text) { &text[3..35] } else { "" }
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
        assert_eq!(TraceParent::accept(Some(given)).as_str(), given);
        assert_eq!(trace_id(given), "4bf92f3577b34da6a3ce929d0e0e4736");
        for bad in [
            "",
            "00-0-0-0",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            let made = TraceParent::accept(Some(bad));
            assert!(is_valid(made.as_str()) && made.as_str() != bad);
        }
        assert_ne!(TraceParent::new(), TraceParent::new());
    }
}
