//! The reader of the current state.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use loki_domain::{NodeRef, Position, Server, ServerRef};
use loki_runner::Stored;

use super::dump::{self, Lines};
use super::snapshot::Source;
use super::wait::Waiting;
use super::{nodes, servers};
use crate::port::{Answer, Dump, Listed, NodeView, Page, ReadError, ServerFilter, ServerView, StateReader};

pub(super) struct State {
    source: Arc<Source>,
    waiting: Waiting,
}

impl State {
    pub(super) fn new(source: Arc<Source>) -> Self {
        Self { waiting: Waiting::new(Arc::clone(&source)), source }
    }
}

#[async_trait]
impl StateReader for State {
    async fn stored(&self) -> Result<Option<Stored>, ReadError> {
        self.source.stored().await
    }

    async fn wait(&self, at_least: Position, limit: Duration) -> Result<(), ReadError> {
        self.waiting.until(at_least, limit).await
    }

    async fn node(&self, node: &NodeRef, at_least: Option<Position>) -> Result<Answer<Option<NodeView>>, ReadError> {
        let mut snapshot = self.source.open(at_least).await?;
        let node = nodes::node(&mut snapshot, node).await?;
        self.source.answer(snapshot, node).await
    }

    async fn children(
        &self,
        node: &NodeRef,
        page: &Page,
        at_least: Option<Position>,
    ) -> Result<Answer<Option<Listed<NodeView>>>, ReadError> {
        let mut snapshot = self.source.open(at_least).await?;
        let children = nodes::children(&mut snapshot, node, page).await?;
        self.source.answer(snapshot, children).await
    }

    async fn server(&self, server: &ServerRef, at_least: Option<Position>) -> Result<Answer<Option<ServerView>>, ReadError> {
        let mut snapshot = self.source.open(at_least).await?;
        let server = servers::server(&mut snapshot, server).await?;
        self.source.answer(snapshot, server).await
    }

    async fn servers(&self, filter: &ServerFilter, page: &Page, at_least: Option<Position>) -> Result<Answer<Listed<Server>>, ReadError> {
        let mut snapshot = self.source.open(at_least).await?;
        let servers = servers::servers(&mut snapshot, filter, page).await?;
        self.source.answer(snapshot, servers).await
    }

    async fn dump(&self, at_least: Option<Position>) -> Result<Box<dyn Dump>, ReadError> {
        let snapshot = self.source.open(at_least).await?;
        let (connection, stored) = self.source.keep(snapshot);
        Ok(Box::new(Lines::new(connection, stored, &dump::STATE)))
    }
}
