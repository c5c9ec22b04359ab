//! Consumer groups: who holds which partitions, and who is to give some back. Shared out as evenly as they go, those who came first having one more;
//! what is held moves only when it must.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use loki_runtime::clock::Stopwatch;

use crate::record::{Committed, Partition};
use crate::topic::Topic;

pub(super) type Id = u64;

#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) topics: Vec<Topic>,
    /// In the order in which they came.
    members: Vec<Place>,
    held: BTreeMap<Partition, Holding>,
    pub(super) committed: BTreeMap<Partition, Committed>,
    /// How often its members were polled, and began to read.
    pub(super) polls: u64,
    pub(super) starts: u64,
}

#[derive(Debug)]
struct Place {
    id: Id,
    seen: Stopwatch,
    /// Its session has expired.
    is_gone: bool,
    /// Was taken from it without asking.
    lost: BTreeSet<Partition>,
}

#[derive(Debug)]
struct Holding {
    by: Id,
    told: bool,
    /// It is to be given back, and whether that was said.
    revoked: Option<bool>,
}

/// What a member is told of its partitions.
pub(super) enum News {
    Assigned(Vec<Partition>),
    Revoked(Vec<Partition>),
    Lost(Vec<Partition>),
}

impl Group {
    pub(super) fn join(&mut self, id: Id) {
        self.members.push(Place { id, seen: Stopwatch::start(), is_gone: false, lost: BTreeSet::new() });
    }

    pub(super) fn size(&self) -> usize {
        self.members.iter().filter(|place| !place.is_gone).count()
    }

    pub(super) fn holds(&self, id: Id, partition: &Partition) -> bool {
        self.held.get(partition).is_some_and(|holding| holding.by == id && holding.told)
    }

    /// It was heard of. One whose session had expired is the last of them now.
    pub(super) fn sees(&mut self, id: Id) {
        self.polls += 1;
        let Some(index) = self.members.iter().position(|place| place.id == id) else { return };
        self.members[index].seen = Stopwatch::start();
        if std::mem::take(&mut self.members[index].is_gone) {
            let place = self.members.remove(index);
            self.members.push(place);
        }
    }

    /// Those that were not heard of for so long are gone, and have lost what they held.
    pub(super) fn expire(&mut self, session: Duration) {
        for place in self.members.iter_mut().filter(|place| !place.is_gone && place.seen.elapsed() > session) {
            place.is_gone = true;
            let theirs = self.held.extract_if(.., |_, holding| holding.by == place.id);
            place.lost.extend(theirs.filter(|(_, holding)| holding.told).map(|(partition, _)| partition));
        }
    }

    /// What it held is free.
    pub(super) fn leave(&mut self, id: Id) {
        self.members.retain(|place| place.id != id);
        self.held.retain(|_, holding| holding.by != id);
    }

    /// The next thing that this member has to know, of these partitions.
    pub(super) fn news(&mut self, id: Id, all: &[Partition]) -> Option<News> {
        let place = self.members.iter_mut().find(|place| place.id == id)?;
        if !place.lost.is_empty() {
            return Some(News::Lost(std::mem::take(&mut place.lost).into_iter().collect()));
        }
        self.share_out(all);
        let of = |held: &mut BTreeMap<Partition, Holding>, fits: fn(&Holding) -> bool, tell: fn(&mut Holding)| -> Vec<Partition> {
            let mine = held.iter_mut().filter(|(_, holding)| holding.by == id && fits(holding));
            mine.map(|(partition, holding)| {
                tell(holding);
                partition.clone()
            })
            .collect()
        };
        let revoked = of(&mut self.held, |holding| holding.told && holding.revoked == Some(false), |holding| holding.revoked = Some(true));
        if !revoked.is_empty() {
            return Some(News::Revoked(revoked));
        }
        let assigned = of(&mut self.held, |holding| !holding.told, |holding| holding.told = true);
        (!assigned.is_empty()).then_some(News::Assigned(assigned))
    }

    fn share_out(&mut self, all: &[Partition]) {
        let members: Vec<Id> = self.members.iter().filter(|place| !place.is_gone).map(|place| place.id).collect();
        let quota = |index: usize| all.len() / members.len() + usize::from(index < all.len() % members.len());
        let mut free: Vec<Partition> = all.iter().filter(|partition| !self.held.contains_key(*partition)).cloned().collect();
        free.reverse();
        for (index, id) in members.iter().copied().enumerate() {
            let mut has = self.held.values().filter(|holding| holding.by == id && holding.revoked.is_none()).count();
            while has < quota(index) {
                let Some(partition) = free.pop() else { break };
                self.held.insert(partition, Holding { by: id, told: false, revoked: None });
                has += 1;
            }
            let surplus = has.saturating_sub(quota(index));
            let mine = self.held.values_mut().rev().filter(|holding| holding.by == id && holding.revoked.is_none());
            mine.take(surplus).for_each(|holding| holding.revoked = Some(!holding.told));
        }
        // what nobody was told of yet needs no asking
        self.held.retain(|_, holding| holding.told || holding.revoked.is_none());
    }

    /// Gives back what it was asked for.
    pub(super) fn release(&mut self, id: Id, partitions: &[Partition]) {
        self.held.retain(|partition, holding| holding.by != id || holding.revoked.is_none() || !partitions.contains(partition));
    }

    /// All are to give back what they hold; who held something stands at the back.
    pub(super) fn revoke(&mut self) {
        for holding in self.held.values_mut().filter(|holding| holding.revoked.is_none()) {
            holding.revoked = Some(false);
        }
        self.stand_back();
    }

    /// All lose what they hold; who held something stands at the back.
    pub(super) fn lose(&mut self) {
        self.stand_back();
        for (partition, holding) in std::mem::take(&mut self.held) {
            if let Some(place) = self.members.iter_mut().find(|place| place.id == holding.by && holding.told) {
                place.lost.insert(partition);
            }
        }
    }

    fn stand_back(&mut self) {
        let holders: BTreeSet<Id> = self.held.values().map(|holding| holding.by).collect();
        self.members.sort_by_key(|place| holders.contains(&place.id));
    }
}
