//! A command as people send it in an HTTP body: the bare form of `Envelope`, for documentation.

use serde::{Deserialize, Serialize};

/// A command: its type, its data, and who asks.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandBody {
    /// The sender's id of this command: the same id with the same data is answered with the first outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub id: Option<String>,
    /// The type, `node.create`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// When the command is no longer wanted, RFC 3339; at most 24 hours ahead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// What the type's schema asks for.
    pub data: serde_json::Value,
}
