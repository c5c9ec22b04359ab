//! The reader of domains: by node, of a part of the tree, or all of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use loki_domain::{Domain, Entity, Kind, NodeRef, Position};
use loki_runner::Stored;

use super::dump::{self, Lines};
use super::nodes::{self, misplaced, read, read_cursor, write_cursor};
use super::snapshot::{Snapshot, Source};
use super::wait::Waiting;
use crate::port::{Answer, DomainFilter, DomainReader, DomainView, Dump, Listed, Page, ReadError};
use crate::sql::{Fault, Row, Value};

const ALL: &str = "SELECT json, fact FROM domain WHERE name >= ? AND (name > ? OR id > ?) ORDER BY name, id LIMIT ?";

const OF_NODE: &str = "SELECT json, fact FROM domain WHERE node = ? AND name >= ? AND (name > ? OR id > ?) ORDER BY name, id LIMIT ?";

/// A set that is walked downwards ends, also if nodes should form a ring.
const UNDER_NODE: &str = "WITH RECURSIVE under (id) AS (\
     SELECT id FROM node WHERE id = ? \
     UNION \
     SELECT node.id FROM node JOIN under ON node.parent = under.id) \
     SELECT domain.json, domain.fact FROM domain JOIN under ON domain.node = under.id \
     WHERE domain.name >= ? AND (domain.name > ? OR domain.id > ?) ORDER BY domain.name, domain.id LIMIT ?";

pub(super) struct Domains {
    source: Arc<Source>,
    waiting: Waiting,
}

impl Domains {
    pub(super) fn new(source: Arc<Source>) -> Self {
        Self { waiting: Waiting::new(Arc::clone(&source)), source }
    }
}

#[async_trait]
impl DomainReader for Domains {
    async fn stored(&self) -> Result<Option<Stored>, ReadError> {
        self.source.stored().await
    }

    async fn wait(&self, at_least: Position, limit: Duration) -> Result<(), ReadError> {
        self.waiting.until(at_least, limit).await
    }

    async fn domains(
        &self,
        filter: &DomainFilter,
        page: &Page,
        at_least: Option<Position>,
    ) -> Result<Answer<Option<Listed<DomainView>>>, ReadError> {
        let mut snapshot = self.source.open(at_least).await?;
        let domains = domains(&mut snapshot, filter, page).await?;
        self.source.answer(snapshot, domains).await
    }

    async fn dump(&self, at_least: Option<Position>) -> Result<Box<dyn Dump>, ReadError> {
        let snapshot = self.source.open(at_least).await?;
        let (connection, stored) = self.source.keep(snapshot);
        Ok(Box::new(Lines::new(connection, stored, &dump::CDN_SYSTEM)))
    }
}

async fn domains(snapshot: &mut Snapshot, filter: &DomainFilter, page: &Page) -> Result<Option<Listed<DomainView>>, ReadError> {
    let (id, name) = read_cursor(page)?;
    let limit = page.bounded();
    let (sql, mut values) = match &filter.node {
        None => (ALL, vec![]),
        Some(NodeRef::Path(path)) if path.is_root() && filter.recursive => (ALL, vec![]),
        Some(NodeRef::Path(path)) if path.is_root() => return Ok(Some(Listed { items: vec![], next: None })),
        Some(node) => match nodes::chain(snapshot, node).await?.last() {
            None => return Ok(None),
            Some((node, _)) => (if filter.recursive { UNDER_NODE } else { OF_NODE }, vec![Value::text(node.id.to_string())]),
        },
    };
    values.extend([Value::text(&name), Value::text(&name), Value::text(id), Value::Int(limit as i64 + 1)]);
    let rows = snapshot.query(sql, values).await?;
    let mut found = rows.iter().map(read_domain).collect::<Result<Vec<_>, _>>()?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|(domain, _)| write_cursor(&domain.id.to_string(), domain.site.name.as_str()));
    let nodes: BTreeSet<_> = found.iter().map(|(domain, _)| domain.node).collect();
    if nodes.is_empty() {
        return Ok(Some(Listed { items: vec![], next: None }));
    }
    let path = nodes::paths(snapshot, &nodes).await?;
    let views = found.into_iter().map(|(domain, fact)| Ok(DomainView { path: path(domain.node)?, domain, fact }));
    Ok(Some(Listed { items: views.collect::<Result<_, Fault>>()?, next }))
}

fn read_domain(row: &Row) -> Result<(Domain, u64), Fault> {
    match read(row, Kind::Domain, 0)? {
        Entity::Domain(domain) => Ok((domain, row.offset(1)?)),
        other => Err(misplaced(&other)),
    }
}
