//! Rows of these tables, as what they say.

use loki_domain::{Batch, Entity, Kind, Run, Template, Token};

use super::super::nodes::{misplaced, read};
use crate::port::{PackageView, TaskView};
use crate::sql::{Fault, Row};

pub(super) fn read_token(row: &Row) -> Result<(Token, u64), Fault> {
    match read(row, Kind::Token, 0)? {
        Entity::Token(token) => Ok((token, row.offset(1)?)),
        other => Err(misplaced(&other)),
    }
}

pub(super) fn read_package(row: &Row) -> Result<PackageView, Fault> {
    match read(row, Kind::Package, 0)? {
        Entity::Package(package) => Ok(PackageView { package: *package, fact: row.offset(1)? }),
        other => Err(misplaced(&other)),
    }
}

pub(super) fn read_template(row: &Row) -> Result<(Template, u64), Fault> {
    match read(row, Kind::Template, 0)? {
        Entity::Template(template) => Ok((*template, row.offset(1)?)),
        other => Err(misplaced(&other)),
    }
}

pub(super) fn read_run(row: &Row) -> Result<(Box<Run>, u64), Fault> {
    match read(row, Kind::Run, 0)? {
        Entity::Run(run) => Ok((run, row.offset(1)?)),
        other => Err(misplaced(&other)),
    }
}

pub(super) fn read_batch(row: &Row) -> Result<Batch, Fault> {
    match read(row, Kind::Batch, 0)? {
        Entity::Batch(batch) => Ok(batch),
        other => Err(misplaced(&other)),
    }
}

pub(super) fn read_task(row: &Row) -> Result<TaskView, Fault> {
    let name = row.text_or_null(2)?.map(|_| row.parsed(2)).transpose()?;
    match read(row, Kind::Task, 0)? {
        Entity::Task(task) => Ok(TaskView { task, name, fact: row.offset(1)? }),
        other => Err(misplaced(&other)),
    }
}
