//! Reads the list now and then, and hands out what there is to probe. While the API is away the last list stays.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use loki_client::Part;
use loki_runtime::{Backoff, Shutdown, task};
use tokio::sync::watch;

use super::{Listing, Targets};
use crate::metrics;
use crate::target::Target;

/// What is to be probed now; no series twice.
pub(crate) type List = Arc<[Arc<Target>]>;

/// Told in one line, at most.
const TOLD_MAX: usize = 5;

pub(crate) struct Following {
    fixed: Vec<Target>,
    /// Absent: the fixed ones are all.
    targets: Option<Box<dyn Targets>>,
    refresh: Duration,
    list: watch::Sender<List>,
    /// What could not be probed in the last list: told once.
    unusable: Vec<String>,
    part: Part,
}

impl Following {
    pub(crate) fn new(fixed: Vec<Target>, targets: Option<Box<dyn Targets>>, refresh: Duration, part: Part) -> Self {
        let (list, _) = watch::channel(List::default());
        Self { fixed, targets, refresh, list, unusable: Vec::new(), part }
    }

    pub(crate) fn list(&self) -> watch::Receiver<List> {
        self.list.subscribe()
    }

    /// Goes on until shutdown.
    pub(crate) async fn run(mut self, shutdown: Shutdown) {
        self.adopt(Listing::default());
        let Some(mut targets) = self.targets.take() else {
            self.part.ready();
            return shutdown.begun().await;
        };
        // several probers do not ask at the same moments
        let mut calm = Backoff::new(self.refresh, self.refresh);
        let mut backoff = Backoff::new(Duration::from_millis(100).min(self.refresh), self.refresh);
        loop {
            let Some(read) = shutdown.unless(targets.read()).await else { return };
            let wait = match read {
                Ok(listing) => {
                    self.adopt(listing);
                    self.part.ready();
                    backoff.reset();
                    calm.step()
                }
                Err(failure) => {
                    metrics::failed("targets");
                    self.part.not_ready(format!("the list of domains is not the newest: {failure}"));
                    backoff.step().max(failure.retry_after())
                }
            };
            if shutdown.unless(task::sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    /// Hands out a new list, if it is one.
    fn adopt(&mut self, listing: Listing) {
        let Listing { targets, mut unusable } = listing;
        let mut seen = BTreeSet::new();
        let mut list: Vec<Arc<Target>> = Vec::with_capacity(self.fixed.len() + targets.len());
        for target in self.fixed.iter().chain(&targets) {
            if seen.insert(target.tags()) {
                list.push(Arc::new(target.clone()));
            } else {
                unusable.push(format!("`{target}`: another one has the same series"));
            }
        }
        metrics::targets(list.len(), unusable.len());
        let told: Vec<&String> = unusable.iter().take(TOLD_MAX).collect();
        if !unusable.is_empty() && unusable != self.unusable {
            tracing::warn!(count = unusable.len(), some = ?told, "domains are not probed");
        }
        self.unusable = unusable;
        self.list.send_if_modified(|before| {
            let is_new = **before != *list;
            if is_new {
                tracing::info!(targets = list.len(), before = before.len(), "there are other targets to probe");
                *before = list.into();
            }
            is_new
        });
    }
}

#[cfg(test)]
mod tests {
    use loki_client::Standing;

    use super::*;

    fn target(url: &str) -> Target {
        Target::at(url, "own").unwrap()
    }

    #[tokio::test]
    async fn each_series_is_there_once_and_what_is_the_same_is_no_news() {
        let standing = Standing::new(loki_telemetry::Health::new().component("prober"));
        let fixed = vec![target("http://a.example:80/x")];
        let mut following = Following::new(fixed, None, Duration::from_secs(1), standing.part("targets", "nothing yet"));
        let mut list = following.list();
        let listing = |urls: &[&str]| Listing { targets: urls.iter().map(|url| target(url)).collect(), unusable: Vec::new() };
        // the second has the series of the fixed one
        following.adopt(listing(&["http://b.example", "http://a.example:80/x"]));
        let urls: Vec<String> = list.borrow_and_update().iter().map(|target| target.to_string()).collect();
        assert_eq!(urls, ["http://a.example:80/x", "http://b.example/"]);
        assert_eq!(following.unusable, ["`http://a.example:80/x`: another one has the same series"]);
        following.adopt(listing(&["http://b.example"]));
        assert!(!list.has_changed().unwrap());
        following.adopt(listing(&[]));
        assert!(list.has_changed().unwrap());
    }
}
