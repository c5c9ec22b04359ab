//! Servers by id, by name and in a list.

use std::borrow::Cow;

use loki_domain::{Entity, Kind, Server, ServerRef, ServerState};

use super::nodes::{misplaced, paths_of_server, read, read_cursor, write_cursor};
use super::snapshot::Snapshot;
use crate::port::{Listed, MountView, Page, ReadError, ServerFilter, ServerView};
use crate::sql::{Fault, Row, Value};

const BY_ID: &str = "SELECT json, fact FROM server WHERE id = ?";

/// Only one of them is not retired; of the retired ones the last comes first.
const BY_NAME: &str = "SELECT json, fact FROM server WHERE name = ? ORDER BY state = 'retired', fact DESC LIMIT 1";

const MOUNTS: &str = "SELECT json FROM mount WHERE server = ?";

/// Labels are compared outside of SQL: so many rows are looked at for one page.
const LOOKED_AT_MAX: usize = 20_000;

pub(super) async fn server(snapshot: &mut Snapshot, server: &ServerRef) -> Result<Option<ServerView>, ReadError> {
    let row = match server {
        ServerRef::Id(id) => snapshot.first(BY_ID, vec![Value::text(id.to_string())]).await?,
        ServerRef::Name(name) => snapshot.first(BY_NAME, vec![Value::text(name.as_str())]).await?,
    };
    let Some(row) = row else { return Ok(None) };
    let server = read_server(&row)?;
    let id = server.id.to_string();
    let rows = snapshot.query(MOUNTS, vec![Value::text(&id)]).await?;
    let path = paths_of_server(snapshot, &id).await?;
    let mut mounts = Vec::with_capacity(rows.len());
    for row in &rows {
        match read(row, Kind::Mount, 0)? {
            Entity::Mount(mount) => mounts.push(MountView { path: path(mount.node)?, mount }),
            other => return Err(misplaced(&other).into()),
        }
    }
    mounts.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Some(ServerView { server, mounts, fact: row.offset(1)? }))
}

pub(super) async fn servers(snapshot: &mut Snapshot, filter: &ServerFilter, page: &Page) -> Result<Listed<Server>, ReadError> {
    let limit = page.bounded();
    let fetched = if filter.labels.is_empty() { limit + 1 } else { Page::LIMIT_MAX };
    let (mut id, mut name) = read_cursor(page)?;
    let mut items = Vec::new();
    let mut looked_at = 0;
    loop {
        let rows = snapshot.query(list_sql(filter), list_values(filter, &id, &name, fetched)).await?;
        for row in &rows {
            if items.len() == limit || looked_at == LOOKED_AT_MAX {
                return Ok(Listed { items, next: Some(write_cursor(&id, &name)) });
            }
            let server = read_server(row)?;
            looked_at += 1;
            (id, name) = (server.id.to_string(), server.name.to_string());
            if server.labels.include(&filter.labels) {
                items.push(server);
            }
        }
        if rows.len() < fetched {
            return Ok(Listed { items, next: None });
        }
    }
}

fn list_sql(filter: &ServerFilter) -> Cow<'static, str> {
    let state = if filter.state.is_some() { "state = ?" } else { "state <> ?" };
    // MySQL takes texts that differ in spaces at their end as equal
    let idc = if filter.idc.is_some() { " AND idc = ? AND HEX(idc) = HEX(?)" } else { "" };
    let prefix = if filter.name_prefix.is_some() { " AND name >= ? AND name < ?" } else { "" };
    format!("SELECT json, fact FROM server WHERE name >= ? AND (name > ? OR id > ?) AND {state}{idc}{prefix} ORDER BY name, id LIMIT ?")
        .into()
}

fn list_values(filter: &ServerFilter, id: &str, name: &str, limit: usize) -> Vec<Value> {
    let mut values = vec![Value::text(name), Value::text(name), Value::text(id)];
    values.push(Value::text(filter.state.unwrap_or(ServerState::Retired).as_str()));
    if let Some(idc) = &filter.idc {
        values.extend([Value::text(idc.as_str()), Value::text(idc.as_str())]);
    }
    if let Some(prefix) = &filter.name_prefix {
        // names are of letters, digits, `.`, `-` and `_`, all of which come before `~`
        values.extend([Value::text(prefix), Value::text(format!("{prefix}~"))]);
    }
    values.push(Value::Int(limit as i64));
    values
}

fn read_server(row: &Row) -> Result<Server, Fault> {
    match read(row, Kind::Server, 0)? {
        Entity::Server(server) => Ok(server),
        other => Err(misplaced(&other)),
    }
}
