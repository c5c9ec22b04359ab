//! A service's readiness, made of that of its parts: ready when each of them is, else with the reasons of all that are not.
//!
//! What the API refuses makes none unready: a process that is started again for it would be refused again. It is logged, and counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loki_telemetry::Component;

/// So many failures in a row are told: an API that is just starting, or a broken connection, is no news.
const FAILURES_TOLD: u32 = 3;

#[derive(Clone)]
pub struct Standing {
    component: Component,
    parts: Arc<Mutex<Parts>>,
}

#[derive(Default)]
struct Parts {
    /// Of the parts that are not ready.
    reasons: BTreeMap<&'static str, String>,
    /// Whether there was anything to tell but that it is starting.
    told: bool,
}

/// One part's entry. Not ready until it says so.
pub struct Part {
    name: &'static str,
    standing: Standing,
    failures: u32,
}

impl Standing {
    pub fn new(component: Component) -> Self {
        Self { component, parts: Arc::default() }
    }

    /// `until`: what has yet to happen.
    pub fn part(&self, name: &'static str, until: &str) -> Part {
        self.lock().reasons.insert(name, until.to_owned());
        Part { name, standing: self.clone(), failures: 0 }
    }

    fn tell(&self, parts: &mut Parts) {
        if parts.reasons.is_empty() {
            parts.told = true;
            self.component.ready();
        } else if parts.told {
            let reasons: Vec<String> = parts.reasons.iter().map(|(name, why)| format!("{name}: {why}")).collect();
            self.component.not_ready(reasons.join("; "));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    pub fn ready(&mut self) {
        self.failures = 0;
        let mut parts = self.standing.lock();
        parts.reasons.remove(self.name);
        self.standing.tell(&mut parts);
    }

    /// Something failed that is tried again.
    pub fn failed(&mut self, why: impl Into<String>) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_TOLD {
            self.not_ready(why);
        }
    }

    pub fn not_ready(&self, why: impl Into<String>) {
        let mut parts = self.standing.lock();
        parts.told = true;
        parts.reasons.insert(self.name, why.into());
        self.standing.tell(&mut parts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_must_be_ready() {
        let component = loki_telemetry::Health::new().component("test");
        let standing = Standing::new(component.clone());
        let (mut one, mut other) = (standing.part("one", "nothing yet"), standing.part("other", "nothing yet"));
        one.ready();
        assert_eq!(component.why_not().as_deref(), Some("starting"));
        other.ready();
        assert_eq!(component.why_not(), None);
        one.not_ready("it broke");
        other.not_ready("so did this");
        assert_eq!(component.why_not().as_deref(), Some("one: it broke; other: so did this"));
        one.ready();
        assert_eq!(component.why_not().as_deref(), Some("other: so did this"));
    }

    #[test]
    fn failures_are_told_when_they_go_on() {
        let component = loki_telemetry::Health::new().component("test");
        let standing = Standing::new(component.clone());
        let mut part = standing.part("one", "nothing yet");
        part.ready();
        for _ in 1..FAILURES_TOLD {
            part.failed("away");
            assert_eq!(component.why_not(), None);
        }
        part.failed("away");
        assert_eq!(component.why_not().as_deref(), Some("one: away"));
        part.ready();
        part.failed("away");
        assert_eq!(component.why_not(), None);
    }
}
