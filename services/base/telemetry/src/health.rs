//! Readiness: each part of a process says whether it is ready, and if not why.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::metrics;

/// All parts of this process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<String, Option<String>>>>);

/// One part. Not ready until it says so.
#[derive(Debug, Clone)]
pub struct Component {
    name: String,
    health: Health,
}

/// What a part says that has nothing to say against it.
const READY: &str = "ready";

/// What `/readyz` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub ready: bool,
    /// `ready`, or why not, per part.
    pub components: BTreeMap<String, String>,
}

impl Health {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part, not ready.
    pub fn component(&self, name: impl Into<String>) -> Component {
        let name = name.into();
        self.lock().insert(name.clone(), Some("starting".to_owned()));
        metrics::ready(&name, false);
        Component { name, health: self.clone() }
    }

    pub fn report(&self) -> Report {
        let components = self.lock();
        Report {
            ready: components.values().all(Option::is_none),
            components: components.iter().map(|(name, why)| (name.clone(), why.clone().unwrap_or_else(|| READY.to_owned()))).collect(),
        }
    }

    /// The same of some parts only. One that this process does not have is not ready.
    pub fn report_of<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Report {
        let all = self.report().components;
        let components: BTreeMap<String, String> = names
            .into_iter()
            .map(|name| (name.to_owned(), all.get(name).cloned().unwrap_or_else(|| "there is no such part in this process".to_owned())))
            .collect();
        Report { ready: components.values().all(|said| said == READY), components }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Option<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Component {
    pub fn ready(&self) {
        if let Some(why) = self.health.lock().insert(self.name.clone(), None).flatten() {
            metrics::ready(&self.name, true);
            tracing::info!(component = %self.name, was = %why, "ready");
        }
    }

    /// Says why, in words for whoever is paged. Logged once per reason.
    pub fn not_ready(&self, why: impl Into<String>) {
        let why = why.into();
        let before = self.health.lock().insert(self.name.clone(), Some(why.clone()));
        if before != Some(Some(why.clone())) {
            metrics::ready(&self.name, false);
            tracing::warn!(component = %self.name, why = %why, "not ready");
        }
    }

    /// Why it is not ready; `None` when it is.
    pub fn why_not(&self) -> Option<String> {
        self.health.lock().get(&self.name).cloned().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_not_ready_is_enough() {
        let health = Health::new();
        let (a, b) = (health.component("a"), health.component("b"));
        a.ready();
        b.not_ready("the store is away");
        assert!(!health.report().ready);
        assert_eq!(health.report().components["b"], "the store is away");
        b.ready();
        assert!(health.report().ready);
        assert_eq!(b.why_not(), None);
    }

    #[test]
    fn metrics_say_the_same() {
        let counted = crate::counted(|| {
            let health = Health::new();
            let (a, b, _c) = (health.component("a"), health.component("b"), health.component("c"));
            a.ready();
            b.ready();
            b.not_ready("the store is away");
        });
        for line in [r#"lokiops_ready{component="a"} 1"#, r#"lokiops_ready{component="b"} 0"#, r#"lokiops_ready{component="c"} 0"#] {
            assert!(counted.contains(line), "{counted}");
        }
    }

    #[test]
    fn some_parts_are_asked_alone() {
        let health = Health::new();
        let (a, _b) = (health.component("a"), health.component("b"));
        a.ready();
        assert!(health.report_of(["a"]).ready);
        assert!(!health.report_of(["a", "b"]).ready);
        let of_others = health.report_of(["c"]);
        assert!(!of_others.ready && of_others.components["c"].contains("no such part"), "{of_others:?}");
    }
}
