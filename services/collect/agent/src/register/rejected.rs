//! What the API rejected: asked again it would be rejected again, and every command is kept for ever.

use std::collections::VecDeque;
use std::time::Duration;

use loki_runtime::clock::Stopwatch;
use serde_json::Value;

/// What was in the way may be gone by then.
const REMEMBERED: Duration = Duration::from_secs(24 * 3_600);
/// A pass has at most five commands.
const COUNT_MAX: usize = 16;

/// In memory: whoever mends what was in the way may start the agent again.
#[derive(Default)]
pub(super) struct Rejected(VecDeque<(Stopwatch, String, Value)>);

impl Rejected {
    pub(super) fn add(&mut self, kind: &str, data: &Value) {
        if self.0.len() == COUNT_MAX {
            self.0.pop_front();
        }
        self.0.push_back((Stopwatch::start(), kind.to_owned(), data.clone()));
    }

    pub(super) fn has(&self, kind: &str, data: &Value) -> bool {
        self.0.iter().any(|(_, of_kind, before)| of_kind == kind && before == data)
    }

    pub(super) fn forget_old(&mut self) {
        self.0.retain(|(since, ..)| since.elapsed() < REMEMBERED);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_very_same_is_held_back() {
        let mut rejected = Rejected::default();
        rejected.add("server.update", &json!({ "server": "a", "serial": "S1" }));
        rejected.forget_old();
        assert!(rejected.has("server.update", &json!({ "serial": "S1", "server": "a" })));
        assert!(!rejected.has("server.update", &json!({ "server": "a" })));
        assert!(!rejected.has("server.register", &json!({ "server": "a", "serial": "S1" })));
        (0..COUNT_MAX).for_each(|number| rejected.add("node.create", &json!(number)));
        assert!(rejected.0.len() == COUNT_MAX && !rejected.has("server.update", &json!({ "serial": "S1", "server": "a" })));
    }
}
