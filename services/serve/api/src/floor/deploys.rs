//! The reader of deploys, of a store that is far enough.

use std::sync::Arc;

use async_trait::async_trait;
use loki_domain::{Batch, NodeRef, PackageName, Position, RunId, ServerId, Task, TaskState, Version};
use loki_mysql::port::{
    Answer, DeployReader, Listed, PackageView, Page, ReadError, RunDetail, RunFilter, RunView, TaskView, TemplateView, TokenView, Told,
};

use super::Floor;

pub(super) struct DeploysAbove {
    pub(super) inner: Arc<dyn DeployReader>,
    pub(super) floor: Floor,
}

#[async_trait]
impl DeployReader for DeploysAbove {
    async fn tokens(&self, page: &Page, at_least: Option<Position>) -> Result<Answer<Listed<TokenView>>, ReadError> {
        self.floor.above(self.inner.tokens(page, at_least)).await
    }

    async fn packages(
        &self,
        name: Option<&PackageName>,
        page: &Page,
        at_least: Option<Position>,
    ) -> Result<Answer<Listed<PackageView>>, ReadError> {
        self.floor.above(self.inner.packages(name, page, at_least)).await
    }

    async fn package(
        &self,
        name: &PackageName,
        version: &Version,
        at_least: Option<Position>,
    ) -> Result<Answer<Option<PackageView>>, ReadError> {
        self.floor.above(self.inner.package(name, version, at_least)).await
    }

    async fn templates(&self, node: &NodeRef, at_least: Option<Position>) -> Result<Answer<Option<Vec<TemplateView>>>, ReadError> {
        self.floor.above(self.inner.templates(node, at_least)).await
    }

    async fn runs(
        &self,
        filter: &RunFilter,
        page: &Page,
        at_least: Option<Position>,
    ) -> Result<Answer<Option<Listed<RunView>>>, ReadError> {
        self.floor.above(self.inner.runs(filter, page, at_least)).await
    }

    async fn run(&self, run: RunId, at_least: Option<Position>) -> Result<Answer<Option<RunDetail>>, ReadError> {
        self.floor.above(self.inner.run(run, at_least)).await
    }

    async fn batches(&self, run: RunId, page: &Page, at_least: Option<Position>) -> Result<Answer<Option<Listed<Batch>>>, ReadError> {
        self.floor.above(self.inner.batches(run, page, at_least)).await
    }

    async fn tasks(
        &self,
        run: RunId,
        states: &[TaskState],
        page: &Page,
        at_least: Option<Position>,
    ) -> Result<Answer<Option<Listed<TaskView>>>, ReadError> {
        self.floor.above(self.inner.tasks(run, states, page, at_least)).await
    }

    async fn task(&self, run: RunId, server: ServerId, at_least: Option<Position>) -> Result<Answer<Option<Task>>, ReadError> {
        self.floor.above(self.inner.task(run, server, at_least)).await
    }

    async fn told(&self, server: ServerId, at_least: Option<Position>) -> Result<Answer<Vec<Told>>, ReadError> {
        self.floor.above(self.inner.told(server, at_least)).await
    }
}
