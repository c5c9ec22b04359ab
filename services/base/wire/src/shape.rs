//! The domain's values as JSON Schemas: what a constructor refuses, the published schema refuses too, as far as a schema can say it.
//!
//! The schemas are never narrower than the constructors, and tests hold them together. They are wider in one place: a node's name may hold
//! letters and digits of any script, and the patterns that every validator understands can only exclude what is neither in ASCII.

use std::borrow::Cow;

use loki_domain::labels::COUNT_MAX;
use loki_domain::path::DEPTH_MAX;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Crockford's base 32 in lower case.
const ID: &str = "[0-9a-hjkmnp-tv-z]{16}";
const NODE_NAME: &str = r"[^\x00-,./:-@\[-\^`{-\x7f]{1,64}";
const SERVER_NAME: &str = "[0-9a-z][0-9a-z._-]{0,252}";

/// A name for use in `#[schemars(with = "…")]`, and what it stands for.
macro_rules! shapes {
    ($($name:ident => $schema:expr;)+) => {
        $(
            pub(crate) enum $name {}

            impl JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    $schema
                }
            }
        )+
    };
}

shapes! {
    Id => pattern("An id: 16 letters of Crockford's base 32.", format!("^{ID}$"));
    NodeName => pattern("Letters and digits of any script, `_` and `-`; 1 to 64 characters.", format!("^{NODE_NAME}$"));
    NodePath => pattern("The names from the top of the tree, `/acme/shop`; `/` is the tree itself.", format!("^(/|(/{NODE_NAME}){{1,{DEPTH_MAX}}})$"));
    NodeRef => pattern("A node's path or id.", format!("^(/|(/{NODE_NAME}){{1,{DEPTH_MAX}}}|{ID})$"));
    ServerName => pattern("A host name in lower case.", format!("^{SERVER_NAME}$"));
    ServerRef => pattern("A server's name, or `id:` and its id.", format!("^(id:{ID}|{SERVER_NAME})$"));
    Pattern => pattern("A name pattern: `*` is any run of characters, `?` any one.", "^[0-9a-z._*?-]{1,253}$".to_owned());
    Key => pattern("An entity's key, `<kind>/<id>`; there will be more kinds.", format!("^[a-z]{{1,16}}/{ID}(\\.{ID})?$"));
    CommandPosition => pattern("The position of a command.", "^c[0-9]+$".to_owned());
    FactPosition => pattern("The position of a fact.", "^f[0-9]+$".to_owned());
    Sha256 => pattern("A SHA-256 in lower case.", "^[0-9a-f]{64}$".to_owned());
    Text => text();
    Texts => json_schema!({ "description": "Texts in their order.", "type": "array", "items": text(), "maxItems": COUNT_MAX });
    Labels => json_schema!({
        "description": "Keys and texts.",
        "type": "object",
        "propertyNames": label_key(),
        "additionalProperties": text(),
        "maxProperties": COUNT_MAX,
    });
    Changes => json_schema!({
        "description": "A text sets the key, null removes it.",
        "type": "object",
        "propertyNames": label_key(),
        "additionalProperties": { "anyOf": [text(), { "type": "null" }] },
    });
    SeriesName => series_name();
    Tags => json_schema!({
        "description": "Names and values, 1 to 8.",
        "type": "object",
        "propertyNames": series_name(),
        "additionalProperties": series_name(),
        "minProperties": 1,
        "maxProperties": loki_domain::series::TAGS_MAX,
    });
    Ratio => json_schema!({
        "description": "Parts per million.",
        "type": "integer",
        "minimum": 0,
        "maximum": loki_domain::Ratio::ONE,
    });
    Host => host();
    UrlPath => json_schema!({
        "description": "A path of a URL, with a query if need be.",
        "type": "string",
        "pattern": "^/([0-9A-Za-z/?._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*$",
        "maxLength": loki_domain::domain::PATH_MAX,
    });
    Scheme => json_schema!({
        "description": "`https` or `http`.",
        "type": "string",
        "enum": loki_domain::Scheme::ALL.map(loki_domain::Scheme::as_str),
    });
    Statuses => json_schema!({
        "description": "Statuses of HTTP (`200`) and classes of them (`2xx`).",
        "type": "array",
        "items": { "type": "string", "pattern": "^[1-5](xx|[0-9]{2})$" },
        "minItems": 1,
        "maxItems": loki_domain::domain::STATUSES_MAX,
    });
    Within => json_schema!({
        "description": "Milliseconds.",
        "type": "integer",
        "minimum": 1,
        "maximum": loki_domain::domain::WITHIN_MAX_MS,
    });
    PlainName => pattern("a-z, 0-9, `.`, `_`, `-`; 1 to 63 characters.", "^[0-9a-z][0-9a-z._-]{0,62}$".to_owned());
    Version => pattern("Letters, digits, `.`, `_`, `+`, `-`; 1 to 63 characters.", "^[0-9A-Za-z][0-9A-Za-z._+-]{0,62}$".to_owned());
    Uses => json_schema!({ "description": "What a token is for.", "type": "array", "items": words(loki_domain::Use::ALL), "minItems": 1 });
    Time => json_schema!({ "description": "Milliseconds since 1970.", "type": "integer", "minimum": 0, "maximum": TIME_MAX });
    ArchiveUrl => json_schema!({
        "description": "Where an archive is.",
        "type": "string",
        "pattern": "^(artifact|https?://[!-.0-?A-~]+(/[!-~]*)?|s3://[!-.0-?A-~]+/[!-~]+|file:///[!-~]+)$",
        "maxLength": loki_domain::package::URL_MAX,
    });
    Size => json_schema!({ "description": "Bytes.", "type": "integer", "minimum": 1, "maximum": loki_domain::package::SIZE_MAX });
    Script => script();
    Hooks => json_schema!({
        "description": "Lines for a shell, by when they run.",
        "type": "object",
        "propertyNames": words(loki_domain::Hook::ALL),
        "additionalProperties": script(),
    });
    Milliseconds => number("Milliseconds.", 0, loki_domain::job::TIMEOUT_MAX_MS);
    Port => number("A port.", 1, u32::from(u16::MAX));
    OutputBytes => number("Bytes.", 0, loki_domain::job::OUTPUT_MAX);
    Attempt => number("From 1 on.", 1, ATTEMPTS_MAX);
    JobKind => words(loki_domain::job::Kind::ALL);
    Batches => pattern("Sizes of batches.", {
        let step = r"[1-9][0-9]{0,8}|([1-9][0-9]?|100)%|\+[1-9][0-9]{0,8}";
        format!(r"^({step})( ({step}|\*[1-9][0-9]{{0,8}})){{0,15}}$")
    });
    Failures => pattern("A number of servers, or a share of them.", "^([0-9]{1,9}|([0-9]{1,2}|100)%)$".to_owned());
    OnFailure => words(loki_domain::OnFailure::ALL);
    ServerNames => json_schema!({
        "description": "Names of servers in their order.",
        "type": "array",
        "items": { "type": "string", "pattern": format!("^{SERVER_NAME}$") },
        "maxItems": loki_domain::job::CANARIES_MAX,
    });
    RunState => words(loki_domain::RunState::ALL);
    TaskState => words(loki_domain::TaskState::ALL);
    Direction => words(loki_domain::Direction::ALL);
    Reported => words(REPORTED);
    Signature => pattern("A signature of Ed25519 in lower case.", "^[0-9a-f]{128}$".to_owned());
    State => states("A server's state.", |_| true);
    WantedState => states("A state that can be asked for.", |state| state != loki_domain::ServerState::Retired);
}

/// The end of the year 9999.
pub(crate) const TIME_MAX: i64 = 253_402_300_799_999;
pub(crate) const ATTEMPTS_MAX: u32 = 1_000_000;
/// What a host may say of its task.
pub(crate) const REPORTED: [&str; 3] = ["running", "succeeded", "failed"];

fn number(description: &str, least: u32, most: u32) -> Schema {
    json_schema!({ "description": description, "type": "integer", "minimum": least, "maximum": most })
}

/// One of these.
fn words<const N: usize>(words: [impl std::fmt::Display; N]) -> Schema {
    json_schema!({ "type": "string", "enum": words.map(|word| word.to_string()).to_vec() })
}

/// Lines of text: not only blanks, no control characters but tab and line feed.
fn script() -> Schema {
    json_schema!({
        "description": "Lines for a shell.",
        "type": "string",
        "maxLength": loki_domain::package::SCRIPT_MAX,
        "pattern": r"^[\t\n ]*[^\x00-\x20\x7f-\x9f][^\x00-\x08\x0b-\x1f\x7f-\x9f]*$",
    })
}

fn pattern(description: &str, pattern: String) -> Schema {
    json_schema!({ "description": description, "type": "string", "pattern": pattern })
}

fn text() -> Schema {
    json_schema!({
        "description": "A line of text without control characters.",
        "type": "string",
        "maxLength": 256,
        "pattern": r"^[^\x00-\x1f\x7f-\x9f]*$",
    })
}

/// Every validator understands this pattern; of the letters beyond ASCII it names those of ISO 8859-1.
fn series_name() -> Schema {
    let letters = r"^[0-9A-Za-z._/\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff-]+$";
    let max = loki_domain::series::NAME_CHARS_MAX;
    json_schema!({ "description": "Letters, digits, `-`, `_`, `.` and `/`.", "type": "string", "pattern": letters, "maxLength": max })
}

/// A name whose last part begins with a letter, or four numbers below 256; then a port below 65,536.
fn host() -> Schema {
    let rest = "([0-9a-z-]{0,61}[0-9a-z])?";
    let byte = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    let port = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";
    let pattern = format!(r"^(([0-9a-z]{rest}\.)*[a-z]{rest}|({byte}\.){{3}}{byte})(:{port})?$");
    let description = "A name of DNS in lower case or an IPv4 address, and a port.";
    json_schema!({ "description": description, "type": "string", "pattern": pattern, "maxLength": loki_domain::domain::HOST_MAX })
}

fn label_key() -> Schema {
    json_schema!({ "pattern": "^[0-9A-Za-z._/-]{1,63}$" })
}

fn states(description: &str, wanted: impl Fn(loki_domain::ServerState) -> bool) -> Schema {
    let states: Vec<_> =
        loki_domain::ServerState::ALL.into_iter().filter(|state| wanted(*state)).map(loki_domain::ServerState::as_str).collect();
    json_schema!({ "description": description, "type": "string", "enum": states })
}
