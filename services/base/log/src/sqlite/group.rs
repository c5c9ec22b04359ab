//! Consumer groups of one process: the first member holds all partitions, the others stand by in the order in which they joined.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::topic::Topic;

#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: Mutex<HashMap<String, State>>,
    last_member: AtomicU64,
}

#[derive(Debug)]
struct State {
    topics: Vec<Topic>,
    members: VecDeque<u64>,
    holder: watch::Sender<u64>,
}

/// One member's place in its group; dropping it leaves the group, and the next in line holds the partitions.
#[derive(Debug)]
pub(super) struct Membership {
    groups: Arc<Groups>,
    group: String,
    member: u64,
    holder: watch::Receiver<u64>,
}

impl Groups {
    pub(super) fn join(self: &Arc<Self>, group: &str, topics: &[Topic]) -> Result<Membership> {
        let mut topics = topics.to_vec();
        topics.sort();
        let member = self.last_member.fetch_add(1, Ordering::Relaxed) + 1;
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let state = groups.entry(group.to_owned()).or_insert_with(|| State {
            topics: topics.clone(),
            members: VecDeque::new(),
            holder: watch::Sender::new(member),
        });
        if state.topics != topics {
            return Err(Error::Invalid(format!("all members of group `{group}` must read the same topics")));
        }
        state.members.push_back(member);
        Ok(Membership { groups: self.clone(), group: group.to_owned(), member, holder: state.holder.subscribe() })
    }

    /// How many members it has; `None` for no such group.
    pub(super) fn size(&self, group: &str) -> Option<usize> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner).get(group).map(|state| state.members.len())
    }
}

impl Membership {
    pub(super) fn group(&self) -> &str {
        &self.group
    }

    pub(super) fn holds(&self) -> bool {
        *self.holder.borrow() == self.member
    }

    /// Tells when this member holds the partitions.
    pub(super) fn holder(&self) -> watch::Receiver<u64> {
        self.holder.clone()
    }

    /// Gives up its place; what was held goes to the next in line.
    pub(super) fn leave(&self) {
        let mut groups = self.groups.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(state) = groups.get_mut(&self.group) else { return };
        state.members.retain(|member| *member != self.member);
        match state.members.front() {
            Some(next) => drop(state.holder.send_replace(*next)),
            None => {
                state.holder.send_replace(0);
                groups.remove(&self.group);
            }
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_in_line_holds_when_the_holder_leaves() {
        let groups = Arc::new(Groups::default());
        let topics = [Topic::new("t")];
        let first = groups.join("g", &topics).unwrap();
        let second = groups.join("g", &topics).unwrap();
        let third = groups.join("g", &topics).unwrap();
        assert!(first.holds() && !second.holds() && !third.holds());
        drop(second);
        assert!(first.holds());
        drop(first);
        assert!(third.holds());
        drop(third);
        assert!(groups.join("g", &[Topic::new("other")]).unwrap().holds());
    }

    #[test]
    fn members_read_the_same_topics() {
        let groups = Arc::new(Groups::default());
        let _first = groups.join("g", &[Topic::new("a"), Topic::new("b")]).unwrap();
        groups.join("g", &[Topic::new("b"), Topic::new("a")]).unwrap();
        assert!(matches!(groups.join("g", &[Topic::new("a")]), Err(Error::Invalid(_))));
    }
}
