//! Tokens, packages, templates and runs.

mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use loki_domain::{
    Batch, Entity, Job, Kind, NodeRef, Package, PackageId, PackageName, Position, RunId, RunState, ServerId, Task, TaskState, Version,
};
use loki_wire::task;

use self::rows::{read_batch, read_package, read_run, read_task, read_template, read_token};
use super::invalid;
use super::nodes::{self, misplaced, read, read_cursor, write_cursor};
use super::snapshot::{Snapshot, Source};
use crate::port::{
    Answer, DeployReader, Listed, PackageView, Page, ReadError, RunDetail, RunFilter, RunView, TOLD_MAX, TaskView, TemplateView, TokenView,
    Told,
};
use crate::sql::{Fault, Row, Value};

const TOKENS: &str = "SELECT json, fact FROM token WHERE name >= ? AND (name > ? OR id > ?) ORDER BY name, id LIMIT ?";

const PACKAGES: &str = "SELECT json, fact FROM package WHERE name >= ? AND (name > ? OR version > ? OR (version = ? AND id > ?)) \
     ORDER BY name, version, id LIMIT ?";

const PACKAGES_OF_NAME: &str =
    "SELECT json, fact FROM package WHERE name = ? AND version >= ? AND (version > ? OR id > ?) ORDER BY version, id LIMIT ?";

/// A compacted log may have had two of them for a while.
const PACKAGE: &str = "SELECT json, fact FROM package WHERE name = ? AND version = ? ORDER BY fact DESC LIMIT 1";

const PACKAGE_BY_ID: &str = "SELECT json, fact FROM package WHERE id = ?";

const TEMPLATES: &str = "SELECT json, fact FROM template WHERE node = ?";

const RUN: &str = "SELECT json, fact FROM run WHERE id = ?";

const TASK_STATES: &str = "SELECT state, COUNT(*) FROM task WHERE run = ? GROUP BY state";

const BATCH_STATES: &str = "SELECT state, COUNT(*) FROM task WHERE run = ? AND JSON_EXTRACT(json, '$.batch') = ? GROUP BY state";

const BATCHES: &str = "SELECT json FROM batch WHERE run = ? AND number >= ? ORDER BY number LIMIT ?";

const TASK: &str = "SELECT json, fact, NULL FROM task WHERE run = ? AND server = ?";

const OPEN_TASKS: &str = "SELECT task.json, task.fact, run.json FROM task JOIN run ON run.id = task.run \
     WHERE task.server = ? AND task.state IN ('pending', 'running') ORDER BY task.fact LIMIT ?";

pub(super) struct Deploys(Arc<Source>);

impl Deploys {
    pub(super) fn new(source: Arc<Source>) -> Self {
        Self(source)
    }
}

#[async_trait]
impl DeployReader for Deploys {
    async fn tokens(&self, page: &Page, at_least: Option<Position>) -> Result<Answer<Listed<TokenView>>, ReadError> {
        let mut snapshot = self.0.open(at_least).await?;
        let tokens = tokens(&mut snapshot, page).await?;
        self.0.answer(snapshot, tokens).await
    }

    async fn packages(
        &self,
        name: Option<&PackageName>,
        page: &Page,
        at_least: Option<Position>,
    ) -> Result<Answer<Listed<PackageView>>, ReadError> {
        let mut snapshot = self.0.open(at_least).await?;
        let packages = packages(&mut snapshot, name, page).await?;
        self.0.answer(snapshot, packages).await
    }

    async fn package(
        &self,
        name: &PackageName,
        version: &Version,
        at_least: Option<Position>,
    ) -> Result<Answer<Option<PackageView>>, ReadError> {
        let mut snapshot = self.0.open(at_least).await?;
        let row = snapshot.first(PACKAGE, vec![Value::text(name.as_str()), Value::text(version.as_str())]).await?;
        let package = row.as_ref().map(read_package).transpose()?;
        self.0.answer(snapshot, package).await
    }

    async fn templates(&self, node: &NodeRef, at_least: Option<Position>) -> Result<Answer<Option<Vec<TemplateView>>>, ReadError> {
        let mut snapshot = self.0.open(at_least).await?;
        let templates = templates(&mut snapshot, node).await?;
        self.0.answer(snapshot, templates).await
    }

    async fn runs(
        &self,
        filter: &RunFilter,
        page: &Page,
        at_least: Option<Position>,
    ) -> Result<Answer<Option<Listed<RunView>>>, ReadError> {
        let mut snapshot = self.0.open(at_least).await?;
        let runs = runs(&mut snapshot, filter, page).await?;
        self.0.answer(snapshot, runs).await
    }

    async fn run(&self, run: RunId, at_least: Option<Position>) -> Result<Answer<Option<RunDetail>>, ReadError> {
        let mut snapshot = self.0.open(at_least).await?;
        let run = detail(&mut snapshot, run).await?;
        self.0.answer(snapshot, run).await
    }

    async fn batches(&self, run: RunId, page: &Page, at_least: Option<Position>) -> Result<Answer<Option<Listed<Batch>>>, ReadError> {
        let mut snapshot = self.0.open(at_least).await?;
        let batches = match snapshot.first(RUN, vec![Value::text(run.to_string())]).await? {
            Some(_) => Some(batches(&mut snapshot, run, page).await?),
            None => None,
        };
        self.0.answer(snapshot, batches).await
    }

    async fn tasks(
        &self,
        run: RunId,
        states: &[TaskState],
        page: &Page,
        at_least: Option<Position>,
    ) -> Result<Answer<Option<Listed<TaskView>>>, ReadError> {
        let mut snapshot = self.0.open(at_least).await?;
        let tasks = match snapshot.first(RUN, vec![Value::text(run.to_string())]).await? {
            Some(_) => Some(tasks(&mut snapshot, run, states, page).await?),
            None => None,
        };
        self.0.answer(snapshot, tasks).await
    }

    async fn task(&self, run: RunId, server: ServerId, at_least: Option<Position>) -> Result<Answer<Option<Task>>, ReadError> {
        let mut snapshot = self.0.open(at_least).await?;
        let row = snapshot.first(TASK, vec![Value::text(run.to_string()), Value::text(server.to_string())]).await?;
        let task = row.as_ref().map(read_task).transpose()?.map(|view| view.task);
        self.0.answer(snapshot, task).await
    }

    async fn told(&self, server: ServerId, at_least: Option<Position>) -> Result<Answer<Vec<Told>>, ReadError> {
        let mut snapshot = self.0.open(at_least).await?;
        let told = told(&mut snapshot, server).await?;
        self.0.answer(snapshot, told).await
    }
}

async fn tokens(snapshot: &mut Snapshot, page: &Page) -> Result<Listed<TokenView>, ReadError> {
    let (id, name) = read_cursor(page)?;
    let rows = snapshot.query(TOKENS, vec![Value::text(&name), Value::text(name), Value::text(id), fetched(page)]).await?;
    let listed = cut(&rows, page, read_token, |(token, _)| write_cursor(&token.id.to_string(), token.name.as_str()))?;
    let path = nodes::paths_if_there(snapshot, &listed.items.iter().filter_map(|(token, _)| token.node).collect()).await?;
    changed(listed, |(token, fact)| Ok(TokenView { path: token.node.map(&path).transpose()?.flatten(), token, fact }))
}

async fn packages(snapshot: &mut Snapshot, name: Option<&PackageName>, page: &Page) -> Result<Listed<PackageView>, ReadError> {
    let (id, place) = read_cursor(page)?;
    // neither has a blank
    let (after, version) = place.split_once(' ').unwrap_or_default();
    let (sql, mut values) = match name {
        Some(name) => (PACKAGES_OF_NAME, vec![Value::text(name.as_str()), Value::text(version), Value::text(version)]),
        None => (PACKAGES, vec![Value::text(after), Value::text(after), Value::text(version), Value::text(version)]),
    };
    values.extend([Value::text(id), fetched(page)]);
    let rows = snapshot.query(sql, values).await?;
    let cursor =
        |view: &PackageView| write_cursor(&view.package.id.to_string(), &format!("{} {}", view.package.name, view.package.version));
    cut(&rows, page, read_package, cursor)
}

/// From the top down: what lies nearer takes the place of what has the same name.
async fn templates(snapshot: &mut Snapshot, node: &NodeRef) -> Result<Option<Vec<TemplateView>>, ReadError> {
    let chain = nodes::chain(snapshot, node).await?;
    if chain.is_empty() {
        return Ok(None);
    }
    let mut nearest = BTreeMap::new();
    for depth in 1..=chain.len() {
        let path = super::inherit::path(&chain[..depth]);
        for row in snapshot.query(TEMPLATES, vec![Value::text(chain[depth - 1].0.id.to_string())]).await? {
            let (template, fact) = read_template(&row)?;
            nearest.insert(template.name.clone(), TemplateView { template, path: path.clone(), fact });
        }
    }
    Ok(Some(nearest.into_values().collect()))
}

async fn runs(snapshot: &mut Snapshot, filter: &RunFilter, page: &Page) -> Result<Option<Listed<RunView>>, ReadError> {
    let (before_id, before_ms) = match read_cursor(page)? {
        (id, _) if id.is_empty() => (id, i64::MAX),
        (id, begun_ms) => (id, begun_ms.parse().map_err(|_| invalid("cursor", "is none that was given"))?),
    };
    let (under, is_under, mut values) = match &filter.node {
        None => ("", "", vec![]),
        Some(NodeRef::Path(path)) if path.is_root() => ("", "", vec![]),
        Some(node) => match nodes::chain(snapshot, node).await?.last() {
            None => return Ok(None),
            // a set that is walked downwards ends, also if nodes should form a ring
            Some((node, _)) => (
                "WITH RECURSIVE under (id) AS (SELECT id FROM node WHERE id = ? UNION SELECT node.id FROM node JOIN under ON node.parent = under.id) ",
                " AND run.node IN (SELECT id FROM under)",
                vec![Value::text(node.id.to_string())],
            ),
        },
    };
    values.extend([Value::Int(before_ms), Value::Int(before_ms), Value::text(before_id)]);
    let states: Vec<RunState> = RunState::ALL
        .into_iter()
        .filter(|state| filter.state.is_none_or(|wanted| wanted == *state) && !(filter.unfinished && state.is_ended()))
        .collect();
    if states.is_empty() {
        return Ok(Some(Listed { items: vec![], next: None }));
    }
    let are = if states.len() == RunState::ALL.len() {
        String::new()
    } else {
        values.extend(states.iter().map(|state| Value::text(state.as_str())));
        format!(" AND run.state IN ({})", vec!["?"; states.len()].join(", "))
    };
    values.push(fetched(page));
    let sql = format!(
        "{under}SELECT run.json, run.fact FROM run WHERE run.begun_ms <= ? AND (run.begun_ms < ? OR run.id < ?){is_under}{are} \
         ORDER BY run.begun_ms DESC, run.id DESC LIMIT ?"
    );
    // what is before the list comes first among the values
    let rows = snapshot.query(sql, values).await?;
    let listed = cut(&rows, page, read_run, |(run, _)| write_cursor(&run.id.to_string(), &run.begun_ms.to_string()))?;
    let path = nodes::paths_if_there(snapshot, &listed.items.iter().map(|(run, _)| run.node).collect()).await?;
    changed(listed, |(run, fact)| Ok(RunView { path: path(run.node)?, run: *run, fact })).map(Some)
}

async fn detail(snapshot: &mut Snapshot, run: RunId) -> Result<Option<RunDetail>, ReadError> {
    let id = Value::text(run.to_string());
    let Some(row) = snapshot.first(RUN, vec![id.clone()]).await? else { return Ok(None) };
    let (run, fact) = read_run(&row)?;
    let (package, from) = match &run.job {
        Job::Deploy { package, from, .. } => (Some(*package), *from),
        Job::Script { .. } => (None, None),
    };
    let (package, from) = (package_of(snapshot, package).await?, package_of(snapshot, from).await?);
    let tasks = counts(snapshot, TASK_STATES, vec![id.clone()]).await?;
    let batch = match run.batches {
        1 => tasks.clone(),
        _ => counts(snapshot, BATCH_STATES, vec![id, Value::Int(run.batch.into())]).await?,
    };
    let path = nodes::paths_if_there(snapshot, &BTreeSet::from([run.node])).await?(run.node)?;
    Ok(Some(RunDetail { view: RunView { run: *run, path, fact }, package, from, tasks, batch }))
}

async fn counts(snapshot: &mut Snapshot, sql: &'static str, values: Vec<Value>) -> Result<BTreeMap<TaskState, u64>, ReadError> {
    let mut counts = BTreeMap::new();
    for row in snapshot.query(sql, values).await? {
        counts.insert(row.parsed::<TaskState>(0)?, row.offset(1)?);
    }
    Ok(counts)
}

async fn package_of(snapshot: &mut Snapshot, id: Option<PackageId>) -> Result<Option<Package>, ReadError> {
    let Some(id) = id else { return Ok(None) };
    let row = snapshot.first(PACKAGE_BY_ID, vec![Value::text(id.to_string())]).await?;
    Ok(row.as_ref().map(read_package).transpose()?.map(|view| view.package))
}

async fn batches(snapshot: &mut Snapshot, run: RunId, page: &Page) -> Result<Listed<Batch>, ReadError> {
    let from = match &page.cursor {
        None => 0,
        Some(cursor) => cursor.parse().map_err(|_| invalid("cursor", "is none that was given"))?,
    };
    let rows = snapshot.query(BATCHES, vec![Value::text(run.to_string()), Value::Int(from), fetched(page)]).await?;
    cut(&rows, page, read_batch, |batch| (batch.number + 1).to_string())
}

async fn tasks(snapshot: &mut Snapshot, run: RunId, states: &[TaskState], page: &Page) -> Result<Listed<TaskView>, ReadError> {
    let after = page.cursor.clone().unwrap_or_default();
    let mut values = vec![Value::text(run.to_string()), Value::text(after)];
    values.extend(states.iter().map(|state| Value::text(state.as_str())));
    values.push(fetched(page));
    let are = match states.len() {
        0 => String::new(),
        many => format!(" AND task.state IN ({})", vec!["?"; many].join(", ")),
    };
    // no index has the states of one run: its own part of `task_by_run` is read, and that is 20,000 rows at most
    let sql = format!(
        "SELECT task.json, task.fact, server.name FROM task LEFT JOIN server ON server.id = task.server \
         WHERE task.run = ? AND task.server > ?{are} ORDER BY task.server LIMIT ?"
    );
    let rows = snapshot.query(sql, values).await?;
    cut(&rows, page, read_task, |view| view.task.server.to_string())
}

async fn told(snapshot: &mut Snapshot, server: ServerId) -> Result<Vec<Told>, ReadError> {
    let mut told = Vec::new();
    for row in snapshot.query(OPEN_TASKS, vec![Value::text(server.to_string()), Value::Int(TOLD_MAX as i64)]).await? {
        let task = match read(&row, Kind::Task, 0)? {
            Entity::Task(task) => task,
            other => return Err(misplaced(&other).into()),
        };
        let run = match read(&row, Kind::Run, 2)? {
            Entity::Run(run) => run,
            other => return Err(misplaced(&other).into()),
        };
        let Some(signature) = task.signature else { continue };
        let package = package_of(snapshot, task::package_of(&run, &task)).await?;
        let Some(document) = task::document(&run, &task, package.as_ref()) else { continue };
        // JSON is written as UTF-8
        let document = String::from_utf8(document).map_err(|error| Fault::Unusable(format!("a document is no text: {error}")))?;
        told.push(Told { document, signature, fact: row.offset(1)? });
    }
    Ok(told)
}

/// One more than the page holds tells whether there is a next one.
fn fetched(page: &Page) -> Value {
    Value::Int(page.bounded() as i64 + 1)
}

/// The page's part of what was fetched, read.
fn cut<T>(
    rows: &[Row],
    page: &Page,
    read: impl Fn(&Row) -> Result<T, Fault>,
    cursor: impl Fn(&T) -> String,
) -> Result<Listed<T>, ReadError> {
    let limit = page.bounded();
    let items = rows.iter().take(limit).map(read).collect::<Result<Vec<T>, Fault>>()?;
    let next = items.last().filter(|_| rows.len() > limit).map(cursor);
    Ok(Listed { items, next })
}

fn changed<T, U>(listed: Listed<T>, change: impl Fn(T) -> Result<U, Fault>) -> Result<Listed<U>, ReadError> {
    let items = listed.items.into_iter().map(change).collect::<Result<_, Fault>>()?;
    Ok(Listed { items, next: listed.next })
}
