//! Every version of every entity: as they were at a moment, what differs between two, one entity's, one command's.

use std::collections::BTreeMap;

use loki_domain::{Entity, Key, Kind};
use loki_runtime::task;
use loki_wire::fact::v1::{read_entity, read_key};

use super::invalid;
use super::moment::resolve;
use super::nodes::read;
use super::snapshot::Snapshot;
use crate::port::{Difference, Listed, Moment, Page, PastState, ReadError, Resolved, Version, Written};
use crate::sql::{Fault, Row, Value};

/// The last version of each entity of a kind up to a fact, but for those that are removed then.
const STATE_AT: &str = "SELECT entity_change.json FROM entity_change \
     JOIN (SELECT MAX(fact) AS fact FROM entity_change WHERE kind = ? AND fact <= ? GROUP BY entity) AS newest \
     ON newest.fact = entity_change.fact \
     WHERE entity_change.json IS NOT NULL ORDER BY entity_change.entity LIMIT ?";

/// What was changed after one fact up to another, with the versions at both. Kinds are compared before entities.
const DIFF: &str = "SELECT changed.kind, changed.entity, \
     (SELECT earlier.json FROM entity_change AS earlier WHERE earlier.kind = changed.kind AND earlier.entity = changed.entity \
      AND earlier.fact <= ? ORDER BY earlier.fact DESC LIMIT 1), \
     (SELECT later.json FROM entity_change AS later WHERE later.fact = changed.newest) \
     FROM (SELECT kind, entity, MAX(fact) AS newest FROM entity_change WHERE fact > ? AND fact <= ? GROUP BY kind, entity) AS changed \
     WHERE changed.kind >= ? AND (changed.kind > ? OR changed.entity > ?) \
     ORDER BY changed.kind, changed.entity LIMIT ?";

const VERSIONS: &str = "SELECT json, fact, command, at_ms FROM entity_change \
     WHERE kind = ? AND entity = ? AND fact < ? ORDER BY fact DESC LIMIT ?";

/// The newest versions of so many entities are asked for at once.
const CURRENT_MAX: usize = 500;

/// What a command wrote, with the version before and the last command that changed it.
const WRITTEN: &str = "SELECT written.kind, written.entity, \
     (SELECT earlier.json FROM entity_change AS earlier WHERE earlier.kind = written.kind AND earlier.entity = written.entity \
      AND earlier.fact < written.fact ORDER BY earlier.fact DESC LIMIT 1), \
     written.json, written.fact, \
     (SELECT MAX(later.command) FROM entity_change AS later WHERE later.kind = written.kind AND later.entity = written.entity \
      AND later.command > written.command) \
     FROM entity_change AS written WHERE written.command = ? ORDER BY written.fact";

pub(super) async fn state_at(snapshot: &mut Snapshot, kinds: &[Kind], at: Moment) -> Result<PastState, ReadError> {
    let at = resolve(snapshot, at).await?;
    let mut kinds = kinds.to_vec();
    kinds.sort_by_key(|kind| kind.as_str());
    kinds.dedup();
    let mut entities = Vec::new();
    for kind in kinds {
        let left = PastState::ENTITIES_MAX - entities.len();
        let values = vec![Value::text(kind.as_str()), bound(&at), Value::Int(left as i64 + 1)];
        let rows = snapshot.query(STATE_AT, values).await?;
        if rows.len() > left {
            return Err(invalid(
                "at",
                format!(
                    "names a moment with more than {} entities, which cannot be shown as a whole: ask what differs from another moment instead",
                    PastState::ENTITIES_MAX
                ),
            ));
        }
        // up to all of them: too long for a thread that others wait for
        let reading =
            task::spawn_blocking("past entities", move || rows.iter().map(|row| read(row, kind, 0)).collect::<Result<Vec<_>, _>>());
        entities.extend(reading.await.map_err(|error| ReadError::Away(error.to_string()))??);
    }
    Ok(PastState { at, entities })
}

pub(super) async fn diff(snapshot: &mut Snapshot, from: Moment, to: Moment, page: &Page) -> Result<Listed<Difference>, ReadError> {
    let (from, to) = (resolve(snapshot, from).await?, resolve(snapshot, to).await?);
    let backwards = from.fact > to.fact;
    let (early, late) = if backwards { (to, from) } else { (from, to) };
    let (kind, entity) = match page.cursor.as_deref().map(|cursor| cursor.split_once('/')) {
        None => ("", ""),
        Some(Some(key)) => key,
        Some(None) => return Err(invalid("cursor", "is none that was given")),
    };
    let limit = page.bounded();
    let values = vec![
        bound(&early),
        bound(&early),
        bound(&late),
        Value::text(kind),
        Value::text(kind),
        Value::text(entity),
        Value::Int(limit as i64 + 1),
    ];
    let rows = snapshot.query(DIFF, values).await?;
    let mut items = Vec::new();
    let mut last = None;
    for row in rows.iter().take(limit) {
        let key = key(row)?;
        let (early, late) = (entity_or_none(row, 2, &key)?, entity_or_none(row, 3, &key)?);
        let (before, after) = if backwards { (late, early) } else { (early, late) };
        // changed, and changed back
        if before != after {
            items.push(Difference { key, before, after });
        }
        last = Some(key);
    }
    let next = last.filter(|_| rows.len() > limit).map(|key| key.to_string());
    Ok(Listed { items, next })
}

pub(super) async fn versions(snapshot: &mut Snapshot, key: &Key, page: &Page) -> Result<Listed<Version>, ReadError> {
    let below = match &page.cursor {
        None => i64::MAX,
        Some(cursor) => cursor.parse().map_err(|_| invalid("cursor", "is none that was given"))?,
    };
    let limit = page.bounded();
    let values = vec![Value::text(key.kind().as_str()), Value::text(key.id()), Value::Int(below), Value::Int(limit as i64 + 1)];
    let rows = snapshot.query(VERSIONS, values).await?;
    let mut items = Vec::new();
    for row in rows.iter().take(limit) {
        items.push(Version { fact: row.offset(1)?, command: row.offset(2)?, at_ms: row.int(3)?, entity: entity_or_none(row, 0, key)? });
    }
    let next = items.last().filter(|_| rows.len() > limit).map(|version| version.fact.to_string());
    Ok(Listed { items, next })
}

pub(super) async fn current(snapshot: &mut Snapshot, keys: &[Key]) -> Result<BTreeMap<Key, Entity>, ReadError> {
    let mut entities = BTreeMap::new();
    for kind in Kind::ALL {
        let of_kind: Vec<&Key> = keys.iter().filter(|key| key.kind() == kind).collect();
        for some in of_kind.chunks(CURRENT_MAX) {
            let mut values = vec![Value::text(kind.as_str())];
            values.extend(some.iter().map(|key| Value::text(key.id())));
            for row in snapshot.query(newest(some.len()), values).await? {
                let key = key(&row)?;
                entities.extend(entity_or_none(&row, 2, &key)?.map(|entity| (key, entity)));
            }
        }
    }
    Ok(entities)
}

/// The last version of each of `count` entities of a kind.
fn newest(count: usize) -> String {
    let marks = vec!["?"; count].join(", ");
    format!(
        "SELECT entity_change.kind, entity_change.entity, entity_change.json FROM entity_change \
         JOIN (SELECT MAX(fact) AS fact FROM entity_change WHERE kind = ? AND entity IN ({marks}) GROUP BY entity) AS newest \
         ON newest.fact = entity_change.fact"
    )
}

pub(super) async fn written(snapshot: &mut Snapshot, command: u64) -> Result<Option<Vec<Written>>, ReadError> {
    let known = snapshot.first("SELECT 1 FROM outcome WHERE command = ?", vec![Value::offset(command)]).await?;
    if known.is_none() {
        return Ok(None);
    }
    let rows = snapshot.query(WRITTEN, vec![Value::offset(command)]).await?;
    let read = |row: &Row| {
        let key = key(row)?;
        let (before, after) = (entity_or_none(row, 2, &key)?, entity_or_none(row, 3, &key)?);
        Ok(Written { key, before, after, fact: row.offset(4)?, changed_since: row.offset_or_null(5)? })
    };
    rows.iter().map(read).collect::<Result<Vec<_>, ReadError>>().map(Some)
}

/// The last fact up to then; before the first fact there is none.
fn bound(at: &Resolved) -> Value {
    at.fact.map_or(Value::Int(-1), Value::offset)
}

fn key(row: &Row) -> Result<Key, Fault> {
    let kind: Kind = row.parsed(0)?;
    let id = row.text(1)?;
    read_key(kind, &id).map_err(|error| Fault::Unusable(format!("a change names the key `{kind}/{}`: {error}", id.escape_default())))
}

fn entity_or_none(row: &Row, column: usize, key: &Key) -> Result<Option<Entity>, Fault> {
    let json = row.text_or_null(column)?;
    json.map(|json| read_entity(key.kind(), json.as_bytes()))
        .transpose()
        .map_err(|error| Fault::Unusable(format!("a version of `{key}` cannot be read: {error}")))
}
