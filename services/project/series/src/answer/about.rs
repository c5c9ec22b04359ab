//! What clients ask to know what they may ask.

use crate::query::{Aggregator, Json};

/// Kind, an example of its text, and what passes.
const FILTERS: [(&str, &str, &str); 8] = [
    ("literal_or", "web01|web02", "The tag has one of these values."),
    ("iliteral_or", "web01|web02", "The tag has one of these values, in small letters or capitals."),
    ("not_literal_or", "web01|web02", "The tag has another value than these."),
    ("not_iliteral_or", "web01|web02", "The tag has another value than these, in small letters or capitals."),
    ("wildcard", "web*.lga", "The tag's value has these parts, with anything in place of each asterisk."),
    ("iwildcard", "web*.lga", "As wildcard, in small letters or capitals."),
    ("regexp", "web[0-9]+", "The regular expression is found in the tag's value; braces must be encoded in a URL."),
    ("not_key", "", "The series does not have the tag."),
];

pub(super) fn aggregators() -> Json {
    let mut json = Json::default();
    json.raw("[");
    json.list(Aggregator::names(), |json, name| {
        json.text(name);
    });
    json.raw("]");
    json
}

pub(super) fn filters() -> Json {
    let mut json = Json::default();
    json.raw("{");
    json.list(FILTERS, |json, (kind, text, passes)| {
        let example = format!(r#"host={kind}({text})  {{"type":"{kind}","tagk":"host","filter":"{text}","groupBy":false}}"#);
        json.text(kind).raw(r#":{"examples":"#).text(&example).raw(r#","description":"#).text(passes).raw("}");
    });
    json.raw("}");
    json
}

/// The version is OpenTSDB's whose answers these are; the rest says that this is another program.
pub(super) fn version() -> Json {
    let mut json = Json::default();
    json.raw(r#"{"short_revision":"","full_revision":"","repo_status":"","user":"","host":"","repo":"loki","branch":"","timestamp":"0","#);
    json.raw(r#""version":"2.4.1"}"#);
    json
}
