//! Which servers' tasks have changed, from the outcomes as they come: whoever waits for a server's tasks is woken, and no store is asked in vain.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loki_domain::{Key, ServerId};
use loki_wire::{Outcome, Verdict};
use tokio::sync::watch;

/// Servers whose last change is remembered. What is forgotten is asked of the store.
const REMEMBERED_MAX: usize = 100_000;

/// Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Changed(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    /// The last fact about a task of each server.
    last: BTreeMap<ServerId, u64>,
    /// From this fact on, a server that is not in `last` has had none. `None`: nothing is known.
    complete_from: Option<u64>,
    waiting: HashMap<ServerId, watch::Sender<u64>>,
}

/// A place among those who wait for a server's tasks; it is given back at its end.
pub(crate) struct Waiting {
    changed: Changed,
    server: ServerId,
    receiver: Option<watch::Receiver<u64>>,
}

impl Changed {
    /// An outcome was read; each once and in order.
    pub(crate) fn read(&self, outcome: &Outcome) {
        let Verdict::Accepted { after, facts } = &outcome.verdict else { return };
        let mut kept = self.lock();
        if kept.complete_from.is_none() {
            kept.complete_from = facts.first().map(|fact| fact.offset).or(after.map(|after| after + 1));
        }
        for fact in facts {
            let Key::Task(_, server) = fact.key else { continue };
            // after a failure the same outcomes come again
            let last = kept.last.entry(server).or_default();
            *last = fact.offset.max(*last);
            if let Some(waiting) = kept.waiting.get(&server) {
                waiting.send_replace(fact.offset);
            }
        }
        if kept.last.len() > REMEMBERED_MAX {
            kept.complete_from = Some(facts.last().map_or(0, |fact| fact.offset + 1));
            kept.last.clear();
        }
    }

    /// Another log is read from now on: whoever waits looks again.
    pub(crate) fn clear(&self) {
        let mut kept = self.lock();
        (kept.complete_from, kept.last) = (None, BTreeMap::new());
        for waiting in kept.waiting.values() {
            waiting.send_replace(0);
        }
    }

    /// Whether it is known that no task of a server has changed since this fact.
    pub(crate) fn is_still(&self, server: ServerId, since: u64) -> bool {
        let kept = self.lock();
        kept.complete_from.is_some_and(|from| from <= since + 1) && kept.last.get(&server).is_none_or(|last| *last <= since)
    }

    /// The last change of a server's tasks, if it came after this fact.
    pub(crate) fn after(&self, server: ServerId, since: u64) -> Option<u64> {
        self.lock().last.get(&server).copied().filter(|last| *last > since)
    }

    pub(crate) fn wait(&self, server: ServerId) -> Waiting {
        let receiver = self.lock().waiting.entry(server).or_insert_with(|| watch::channel(0).0).subscribe();
        Waiting { changed: self.clone(), server, receiver: Some(receiver) }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// The fact about a task of the server that came since the beginning; 0 where it is not known which.
    pub(crate) async fn change(&mut self) -> u64 {
        if let Some(receiver) = &mut self.receiver
            && receiver.changed().await.is_ok()
        {
            return *receiver.borrow_and_update();
        }
        std::future::pending().await
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.receiver = None;
        let mut kept = self.changed.lock();
        if kept.waiting.get(&self.server).is_some_and(|waiting| waiting.receiver_count() == 0) {
            kept.waiting.remove(&self.server);
        }
    }
}

#[cfg(test)]
mod tests {
    use loki_domain::RunId;
    use loki_wire::WrittenFact;

    use super::*;

    fn outcome(facts: &[(Key, u64)]) -> Outcome {
        let facts: Vec<_> = facts.iter().map(|(key, offset)| WrittenFact { key: *key, offset: *offset, json: None }).collect();
        Outcome {
            id: "a".to_owned(),
            actor: "a".to_owned(),
            kind: "run.step".to_owned(),
            command: 1,
            at_ms: 0,
            rules: 1,
            previous: [0; 32],
            digest: None,
            verdict: Verdict::Accepted { after: facts.last().map(|fact| fact.offset), facts },
        }
    }

    fn task(server: ServerId) -> Key {
        Key::Task(RunId::MIN, server)
    }

    #[test]
    fn what_is_not_known_is_not_still() {
        let (changed, one, other) = (Changed::default(), ServerId::MIN, ServerId::MAX);
        assert!(!changed.is_still(one, 100));
        changed.read(&outcome(&[(Key::Run(RunId::MIN), 50), (task(one), 51)]));
        assert!(!changed.is_still(other, 48), "49 may have been about it");
        assert!(changed.is_still(other, 49) && changed.is_still(other, 90));
        assert!(!changed.is_still(one, 50) && changed.is_still(one, 51));
        changed.read(&outcome(&[(task(one), 60)]));
        assert!(!changed.is_still(one, 59) && changed.is_still(one, 60));
        assert_eq!((changed.after(one, 59), changed.after(one, 60), changed.after(other, 0)), (Some(60), None, None));
        changed.clear();
        assert!(!changed.is_still(other, 90));
    }

    #[tokio::test]
    async fn whoever_waits_is_woken_for_their_own_server() {
        let (changed, one, other) = (Changed::default(), ServerId::MIN, ServerId::MAX);
        let (mut waiting, second) = (changed.wait(one), changed.wait(one));
        changed.read(&outcome(&[(task(other), 7)]));
        let woken = loki_runtime::task::timeout(std::time::Duration::from_millis(1), waiting.change()).await;
        assert_eq!(woken, None);
        changed.read(&outcome(&[(task(one), 9), (task(other), 10)]));
        assert_eq!(waiting.change().await, 9);
        changed.clear();
        assert_eq!(waiting.change().await, 0);
        drop((waiting, second));
        assert!(changed.lock().waiting.is_empty(), "nothing is left of those who have gone");
    }
}
