//! Templates by id, and by node and name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loki_domain::{NodeId, Template, TemplateId, TemplateName};

use super::table::Table;
use super::{put_in, take_from};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Templates {
    by_id: Table<TemplateId, Arc<Template>>,
    by_place: BTreeMap<(NodeId, TemplateName), BTreeSet<TemplateId>>,
    by_node: BTreeSet<(NodeId, TemplateId)>,
}

impl Templates {
    pub(super) fn put(&mut self, id: TemplateId, template: Option<Arc<Template>>) -> Option<Arc<Template>> {
        let after = template.clone();
        let before = self.by_id.put(id, template);
        if let Some(template) = &before {
            take_from(&mut self.by_place, &(template.node, template.name.clone()), &id);
            self.by_node.remove(&(template.node, id));
        }
        if let Some(template) = &after {
            put_in(&mut self.by_place, (template.node, template.name.clone()), id);
            self.by_node.insert((template.node, id));
        }
        before
    }

    pub fn get(&self, id: &TemplateId) -> Option<&Template> {
        self.by_id.get(id).map(|template| &**template)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Template> {
        self.by_id.iter().map(|template| &**template)
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The template of this name on the node itself.
    pub fn on(&self, node: NodeId, name: &TemplateName) -> Option<&Template> {
        self.by_place.get(&(node, name.clone()))?.first().and_then(|id| self.get(id))
    }

    /// The templates of a node, in id order.
    pub fn of_node(&self, node: NodeId) -> impl Iterator<Item = &Template> {
        let ids = self.by_node.range((node, TemplateId::MIN)..).take_while(move |(at, _)| *at == node);
        ids.filter_map(|(_, id)| self.get(id))
    }
}
