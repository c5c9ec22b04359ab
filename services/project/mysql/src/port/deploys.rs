//! Questions about tokens, packages, templates and runs, which are part of the current state.

use std::collections::BTreeMap;

use async_trait::async_trait;
use loki_domain::{
    Batch, NodePath, NodeRef, Package, PackageName, Position, Run, RunId, RunState, ServerId, ServerName, Signature, Task, TaskState,
    Template, Token, Version,
};

use super::{Answer, Listed, Page, ReadError};

/// Reads the current state. `at_least` as for [`super::StateReader`].
#[async_trait]
pub trait DeployReader: Send + Sync + 'static {
    /// Tokens by name.
    async fn tokens(&self, page: &Page, at_least: Option<Position>) -> Result<Answer<Listed<TokenView>>, ReadError>;

    /// Versions of packages by name and version; of one name, or of all.
    async fn packages(
        &self,
        name: Option<&PackageName>,
        page: &Page,
        at_least: Option<Position>,
    ) -> Result<Answer<Listed<PackageView>>, ReadError>;

    async fn package(
        &self,
        name: &PackageName,
        version: &Version,
        at_least: Option<Position>,
    ) -> Result<Answer<Option<PackageView>>, ReadError>;

    /// The templates that hold for a node, its own and those it inherits, by name; `None` when there is no such node.
    async fn templates(&self, node: &NodeRef, at_least: Option<Position>) -> Result<Answer<Option<Vec<TemplateView>>>, ReadError>;

    /// Runs, the newest first; `None` when there is no such node.
    async fn runs(&self, filter: &RunFilter, page: &Page, at_least: Option<Position>)
    -> Result<Answer<Option<Listed<RunView>>>, ReadError>;

    async fn run(&self, run: RunId, at_least: Option<Position>) -> Result<Answer<Option<RunDetail>>, ReadError>;

    /// The batches of a run, as they follow each other; `None` when there is no such run.
    async fn batches(&self, run: RunId, page: &Page, at_least: Option<Position>) -> Result<Answer<Option<Listed<Batch>>>, ReadError>;

    /// The tasks of a run: one for each server that was told, or only those in one of these states. `None` when there is no such run.
    async fn tasks(
        &self,
        run: RunId,
        states: &[TaskState],
        page: &Page,
        at_least: Option<Position>,
    ) -> Result<Answer<Option<Listed<TaskView>>>, ReadError>;

    /// What a server has to do with a run; `None`: nothing so far.
    async fn task(&self, run: RunId, server: ServerId, at_least: Option<Position>) -> Result<Answer<Option<Task>>, ReadError>;

    /// What a server is to do now: its tasks that are signed and have no end yet, the oldest first, at most [`TOLD_MAX`].
    async fn told(&self, server: ServerId, at_least: Option<Position>) -> Result<Answer<Vec<Told>>, ReadError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenView {
    pub token: Token,
    /// Of the node that it covers; `None` for one that covers everything, or whose node is gone.
    pub path: Option<NodePath>,
    /// The fact that gave it its state.
    pub fact: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageView {
    pub package: Package,
    /// The fact that gave it its state.
    pub fact: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateView {
    pub template: Template,
    /// Of the node that it lies on.
    pub path: NodePath,
    /// The fact that gave it its state.
    pub fact: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunView {
    pub run: Run,
    /// `None` when the node is gone.
    pub path: Option<NodePath>,
    /// The fact that gave it its state.
    pub fact: u64,
}

/// A run with what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDetail {
    pub view: RunView,
    /// What it deploys; `None` for a script.
    pub package: Option<Package>,
    /// What was there before, where there was anything.
    pub from: Option<Package>,
    /// How many of the servers that were told are in which state.
    pub tasks: BTreeMap<TaskState, u64>,
    /// The same of the batch that it is at.
    pub batch: BTreeMap<TaskState, u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskView {
    pub task: Task,
    /// `None` when no server has this id any more.
    pub name: Option<ServerName>,
    /// The fact that gave it its state.
    pub fact: u64,
}

/// More than so many runs never have to do with one server at once.
pub const TOLD_MAX: usize = 100;

/// A task as its server gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The bytes that are signed: JSON, as `loki_wire::task` describes it.
    pub document: String,
    /// The decider's.
    pub signature: Signature,
    /// The fact that gave the task its state.
    pub fact: u64,
}

/// Which runs. Everything that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// On this node or under it.
    pub node: Option<NodeRef>,
    pub state: Option<RunState>,
    /// Only those that have not ended.
    pub unfinished: bool,
}
