//! Membership rules, by node and by what a server must be like to match.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loki_domain::{Membership, MembershipId, NodeId, Server};

use super::candidates::Candidates;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memberships {
    by_id: BTreeMap<MembershipId, Arc<Membership>>,
    by_node: BTreeSet<(NodeId, MembershipId)>,
    candidates: Candidates,
}

impl Memberships {
    pub(super) fn put(&mut self, id: MembershipId, rule: Option<Arc<Membership>>) -> Option<Arc<Membership>> {
        let after = rule.clone();
        let before = match rule {
            Some(rule) => self.by_id.insert(id, rule),
            None => self.by_id.remove(&id),
        };
        if let Some(rule) = &before {
            self.by_node.remove(&(rule.node, id));
            self.candidates.take(rule);
        }
        if let Some(rule) = &after {
            self.by_node.insert((rule.node, id));
            self.candidates.put(rule);
        }
        before
    }

    pub fn get(&self, id: &MembershipId) -> Option<&Membership> {
        self.by_id.get(id).map(|rule| &**rule)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Membership> {
        self.by_id.values().map(|rule| &**rule)
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The rules of a node, in id order.
    pub fn of_node(&self, node: NodeId) -> impl Iterator<Item = &Membership> {
        let ids = self.by_node.range((node, MembershipId::MIN)..).take_while(move |(at, _)| *at == node);
        ids.filter_map(|(_, id)| self.get(id))
    }

    /// The rules that this server matches, in id order.
    pub fn matching<'s>(&'s self, server: &'s Server) -> impl Iterator<Item = &'s Membership> {
        self.candidates.of(server).into_iter().filter_map(|id| self.get(&id)).filter(|rule| rule.matches(server))
    }
}
