//! What keeps the sink from getting on, told to all partitions at once.

use tokio::sync::watch;

use crate::metrics;

/// What is wrong now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Troubles {
    /// Points cannot be put: nothing is read.
    pub(crate) put: Option<String>,
    /// Some points are not taken, while others are.
    pub(crate) stuck: Option<String>,
    /// Late points cannot be looked up; fresh ones go on.
    pub(crate) look: Option<String>,
    /// Dead letters and misplaced points cannot be appended.
    pub(crate) append: Option<String>,
}

impl Troubles {
    /// For readiness.
    pub(crate) fn first(&self) -> Option<&str> {
        [&self.put, &self.stuck, &self.look, &self.append].into_iter().flatten().next().map(String::as_str)
    }
}

/// Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trouble(watch::Sender<Troubles>);

impl Trouble {
    pub(crate) fn watch(&self) -> watch::Receiver<Troubles> {
        self.0.subscribe()
    }

    pub(super) fn put(&self, why: Option<String>) {
        metrics::away(why.is_some());
        self.set(|troubles| &mut troubles.put, why);
    }

    pub(super) fn stuck(&self, why: Option<String>) {
        self.set(|troubles| &mut troubles.stuck, why);
    }

    pub(super) fn look(&self, why: Option<String>) {
        self.set(|troubles| &mut troubles.look, why);
    }

    pub(super) fn append(&self, why: Option<String>) {
        self.set(|troubles| &mut troubles.append, why);
    }

    /// Wakes nobody when nothing changes.
    fn set(&self, field: impl Fn(&mut Troubles) -> &mut Option<String>, why: Option<String>) {
        self.0.send_if_modified(|troubles| {
            let field = field(troubles);
            let changed = *field != why;
            *field = why;
            changed
        });
    }
}
