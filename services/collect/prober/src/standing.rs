//! Whether the prober is ready: it is when each of its parts is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use loki_telemetry::Component;

#[derive(Clone)]
pub(crate) struct Standing {
    component: Component,
    reasons: Arc<Mutex<BTreeMap<&'static str, String>>>,
}

/// One part's entry. It has nothing to say against being ready until it does.
pub(crate) struct Part {
    name: &'static str,
    standing: Standing,
}

impl Standing {
    pub(crate) fn new(component: Component) -> Self {
        Self { component, reasons: Arc::default() }
    }

    pub(crate) fn part(&self, name: &'static str) -> Part {
        Part { name, standing: self.clone() }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<&'static str, String>)) {
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut reasons);
        if reasons.is_empty() {
            self.component.ready();
        } else {
            let told: Vec<String> = reasons.iter().map(|(name, why)| format!("{name}: {why}")).collect();
            self.component.not_ready(told.join("; "));
        }
    }
}

impl Part {
    pub(crate) fn ready(&self) {
        self.standing.change(|reasons| {
            reasons.remove(self.name);
        });
    }

    pub(crate) fn not_ready(&self, why: impl Into<String>) {
        self.standing.change(|reasons| {
            reasons.insert(self.name, why.into());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_must_be_ready() {
        let component = loki_telemetry::Health::new().component("prober");
        let standing = Standing::new(component.clone());
        let (one, other) = (standing.part("one"), standing.part("other"));
        other.not_ready("nothing yet");
        one.ready();
        assert_eq!(component.why_not().as_deref(), Some("other: nothing yet"));
        other.ready();
        assert_eq!(component.why_not(), None);
        one.not_ready("it broke");
        other.not_ready("so did this");
        assert_eq!(component.why_not().as_deref(), Some("one: it broke; other: so did this"));
    }
}
