//! What tasks of a share did: each record once per hold, and no partition held by two.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use loki_runner::{Error, Hold};

/// What was done, and who holds what now.
#[derive(Clone, Default)]
pub(crate) struct Book(pub(crate) Arc<Mutex<Pages>>);

#[derive(Default)]
pub(crate) struct Pages {
    pub(crate) done: BTreeMap<u32, Vec<u64>>,
    pub(crate) held: BTreeSet<u32>,
    pub(crate) begun: BTreeMap<u32, usize>,
}

impl Book {
    /// Work that goes on where the group is, and notes each record.
    pub(crate) async fn keep(self, mut hold: Hold) -> Result<(), Error> {
        let number = hold.partition().number;
        {
            let mut pages = self.0.lock().unwrap();
            assert!(pages.held.insert(number), "two hold partition {number}");
            *pages.begun.entry(number).or_default() += 1;
        }
        let mut next = hold.committed().unwrap_or(0);
        if hold.start(next).await.is_ok() {
            while let Ok(batch) = hold.next().await {
                self.0.lock().unwrap().done.entry(number).or_default().extend(batch.records.iter().map(|record| record.offset));
                next = batch.position;
                hold.commit(next);
            }
        }
        self.0.lock().unwrap().held.remove(&number);
        Ok(())
    }

    pub(crate) fn done(&self, number: u32) -> Vec<u64> {
        self.0.lock().unwrap().done.get(&number).cloned().unwrap_or_default()
    }

    pub(crate) fn held(&self) -> usize {
        self.0.lock().unwrap().held.len()
    }

    /// Of each partition: how often it was begun, how many records were done and up to which, and who is held now.
    pub(crate) fn told(&self) -> String {
        let pages = self.0.lock().unwrap();
        let of = |(number, done): (&u32, &Vec<u64>)| {
            format!("{number}: begun {:?}, {} done up to {:?}", pages.begun.get(number), done.len(), done.last())
        };
        format!("{}; held {:?}", pages.done.iter().map(of).collect::<Vec<_>>().join("; "), pages.held)
    }
}
