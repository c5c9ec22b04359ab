//! Domains by id, by site and by node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loki_domain::{Domain, DomainId, NodeId, Site};

use super::table::Table;
use super::{put_in, take_from};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Domains {
    by_id: Table<DomainId, Arc<Domain>>,
    by_site: BTreeMap<Site, BTreeSet<DomainId>>,
    by_node: BTreeSet<(NodeId, DomainId)>,
}

impl Domains {
    pub(super) fn put(&mut self, id: DomainId, domain: Option<Arc<Domain>>) -> Option<Arc<Domain>> {
        let after = domain.clone();
        let before = self.by_id.put(id, domain);
        if let Some(domain) = &before {
            take_from(&mut self.by_site, &domain.site, &id);
            self.by_node.remove(&(domain.node, id));
        }
        if let Some(domain) = &after {
            put_in(&mut self.by_site, domain.site.clone(), id);
            self.by_node.insert((domain.node, id));
        }
        before
    }

    pub fn get(&self, id: &DomainId) -> Option<&Domain> {
        self.by_id.get(id).map(|domain| &**domain)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Domain> {
        self.by_id.iter().map(|domain| &**domain)
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The domain of a site.
    pub fn at(&self, site: &Site) -> Option<&Domain> {
        self.by_site.get(site)?.first().and_then(|id| self.get(id))
    }

    /// The domains of a node, in id order.
    pub fn of_node(&self, node: NodeId) -> impl Iterator<Item = &Domain> {
        let ids = self.by_node.range((node, DomainId::MIN)..).take_while(move |(at, _)| *at == node);
        ids.filter_map(|(_, id)| self.get(id))
    }
}
