//! What Grafana asks beside points: its drop-down lists, its editor, its health check. Where the lines encode a URL differently, in each way.

use serde_json::json;

use crate::sides::Question;

/// From when to when a panel is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
}

impl Span {
    pub(super) fn last(seconds: i64, now_ms: i64) -> Self {
        Self { start_ms: now_ms - seconds * 1_000, end_ms: now_ms }
    }

    /// To the second: in seconds a point may seem to lie before a start in milliseconds.
    pub(super) fn contains(self, at_ms: i64) -> bool {
        (self.start_ms / 1_000 * 1_000..=self.end_ms).contains(&at_ms)
    }
}

pub(super) fn health(limit: u32) -> [Question; 2] {
    [Question::get(format!("/api/suggest?type=metrics&q=cpu&max={limit}")), Question::get("/api/suggest?q=cpu&type=metrics")]
}

pub(super) fn metrics_beginning(with: &str, limit: u32) -> Question {
    Question::get(format!("/api/suggest?type=metrics&q={with}&max={limit}"))
}

pub(super) fn aggregators() -> Question {
    Question::get("/api/aggregators")
}

pub(super) fn filter_types() -> Question {
    Question::get("/api/config/filters")
}

/// `tag_values(metric,tag)`.
pub(super) fn tag_values(metric: &str, tag: &str, limit: u32) -> [Question; 2] {
    let series = format!("{metric}{{{tag}=*}}");
    [
        Question::get(format!("/api/search/lookup?m={}&limit={limit}", encode(&series, "-_.!~*'()"))),
        Question::get(format!("/api/search/lookup?limit={limit}&m={}", encode(&series, "-_.~"))),
    ]
}

/// `tag_names(metric)`.
pub(super) fn tag_names(metric: &str) -> [Question; 2] {
    [Question::get(format!("/api/search/lookup?m={metric}&limit=1000")), Question::get(format!("/api/search/lookup?limit=1000&m={metric}"))]
}

pub(super) fn annotations(metric: &str, span: Span) -> Question {
    let part = json!({ "aggregator": "sum", "metric": metric });
    Question::post("/api/query", &json!({ "start": span.start_ms, "queries": [part], "msResolution": false, "globalAnnotations": true }))
}

/// A browser leaves `-_.!~*'()` as they are, Go `-_.~`.
fn encode(text: &str, kept: &str) -> String {
    let encoded = text.chars().map(|letter| match letter {
        _ if letter.is_ascii_alphanumeric() || kept.contains(letter) => letter.to_string(),
        _ => letter.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect(),
    });
    encoded.collect()
}
