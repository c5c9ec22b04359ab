//! Entities by key: found by their hash, walked in the order of their keys.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::ops::RangeBounds;

/// Nothing walks such a map: the order in it means nothing and differs from process to process.
pub(super) type Hashed<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table<K: Hash + Eq + Ord, V> {
    by_key: Hashed<K, V>,
    order: BTreeSet<K>,
}

impl<K: Hash + Eq + Ord, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { by_key: Hashed::default(), order: BTreeSet::new() }
    }
}

impl<K: Copy + Hash + Ord, V> Table<K, V> {
    /// Stores what is now under a key, and gives what was.
    pub(super) fn put(&mut self, key: K, value: Option<V>) -> Option<V> {
        let Some(value) = value else {
            let before = self.by_key.remove(&key)?;
            self.order.remove(&key);
            return Some(before);
        };
        let before = self.by_key.insert(key, value);
        if before.is_none() {
            self.order.insert(key);
        }
        before
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.by_key.get(key)
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// In the order of the keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = &V> {
        self.order.iter().filter_map(|key| self.get(key))
    }

    /// In the order of the keys, those of a range.
    pub(super) fn range(&self, keys: impl RangeBounds<K>) -> impl Iterator<Item = (&K, &V)> {
        self.order.range(keys).filter_map(|key| Some((key, self.get(key)?)))
    }
}
