//! One command of a plan.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A command, with the line of the file that asks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Line of the file, for the report of a rejection.
    pub line: u32,
    /// `node.create`, `node.set`, `server.register`, `server.update` or `server.mount`.
    pub command_type: &'static str,
    pub data: Value,
    /// The command's idempotency key; the same for the same type, data and salt.
    pub id: String,
    /// For people: `+ mount web01 on /acme/shop`.
    pub summary: String,
}

impl Step {
    pub(crate) fn new(line: u32, command_type: &'static str, data: Value, summary: String, salt: &str) -> Self {
        let id = id(command_type, &data, salt);
        Self { line, command_type, data, id, summary }
    }
}

/// 160 bits of a hash, well below the 64 characters that an id may have.
fn id(command_type: &str, data: &Value, salt: &str) -> String {
    let mut hash = Sha256::new();
    for part in [salt, command_type, &data.to_string()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut id = String::from("import-");
    for byte in hash.finalize().iter().take(20) {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_follow_content_and_salt() {
        let step = |command_type, data, salt| Step::new(1, command_type, data, String::new(), salt).id;
        let first = step("node.set", json!({"node": "/a"}), "s");
        assert_eq!(first, step("node.set", json!({"node": "/a"}), "s"));
        assert_ne!(first, step("node.set", json!({"node": "/b"}), "s"));
        assert_ne!(first, step("node.get", json!({"node": "/a"}), "s"));
        assert_ne!(first, step("node.set", json!({"node": "/a"}), "t"));
        assert!(first.len() <= 64 && !first.starts_with('@'), "{first}");
    }
}
