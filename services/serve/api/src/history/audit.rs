//! `GET /v1/audit`: who asked for what and what became of it, newest first.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use loki_domain::Position;
use loki_mysql::port::{AuditFilter, Entry};
use loki_wire::outcome::v1::Kind;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::moment;
use crate::App;
use crate::extract::Query;
use crate::problem::{Problem, Result};
use crate::read;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// Only this actor's.
    actor: Option<String>,
    /// Only this command type, `node.create`.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    kind: Option<String>,
    /// Only `accepted`, `rejected`, `duplicate` or `dead` ones.
    outcome: Option<String>,
    /// Only those that changed this entity, `node/<id>`.
    key: Option<String>,
    /// From this position or time on.
    from: Option<String>,
    /// Up to this position or time.
    to: Option<String>,
    /// How many, 1 to 1,000; 100 when absent.
    limit: Option<usize>,
    /// `next` of the part before.
    cursor: Option<String>,
    /// A command's position that the history must have passed, `c17`.
    after: Option<String>,
}

/// A line of the audit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Line {
    /// The command's position.
    position: String,
    id: String,
    actor: String,
    #[serde(rename = "type")]
    kind: String,
    /// When it was decided, RFC 3339.
    at: String,
    /// `accepted`, `rejected`, `duplicate` or `dead`.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_of: Option<String>,
    /// How many entities it changed.
    changes: u64,
    /// The first of them.
    keys: Vec<String>,
}

/// The audit journal, newest first.
#[utoipa::path(
    get, path = "/v1/audit", tag = "history", params(Parameters),
    responses((status = 200, description = "A part of the list", body = read::Listed<Line>),
        (status = 400, description = "A bad parameter", body = Problem), (status = 503, description = "Not ready", body = Problem))
)]
pub(crate) async fn list_audit(
    State(app): State<App>,
    Query(parameters): Query<Parameters>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response> {
    let at_least = read::history_after(&app, parameters.after.as_deref(), &headers).await?;
    let filter = AuditFilter {
        actor: parameters.actor,
        command_type: parameters.kind,
        result: parameters.outcome.as_deref().map(kind).transpose()?,
        key: parameters.key.map(|key| read::value("key", &key)).transpose()?,
        from: parameters.from.map(|text| moment::read("from", &text)).transpose()?,
        to: match parameters.to {
            Some(text) => Some(moment::settled(&app, moment::read("to", &text)?).await),
            None => None,
        },
    };
    moment::told(&app, filter.to).await?;
    let page = read::page(parameters.limit, parameters.cursor)?;
    let answer = app.history.audit(&filter, &page, at_least).await?;
    let lines: Vec<Line> = answer.value.items.into_iter().map(line).collect();
    Ok(read::listed(read::last_outcome(answer.stored.position), &uri, lines, answer.value.next))
}

fn line(entry: Entry) -> Line {
    Line {
        position: Position::command(entry.command).to_string(),
        id: entry.id,
        actor: entry.actor,
        kind: entry.command_type,
        at: loki_wire::envelope::write_time(entry.at_ms),
        outcome: match entry.result {
            Kind::Accepted => "accepted",
            Kind::Rejected => "rejected",
            Kind::Duplicate => "duplicate",
            Kind::Dead => "dead",
        },
        code: entry.code,
        field: entry.field,
        message: entry.message,
        duplicate_of: entry.duplicate_of.map(|offset| Position::command(offset).to_string()),
        changes: entry.changes,
        keys: entry.keys.iter().map(ToString::to_string).collect(),
    }
}

fn kind(text: &str) -> Result<Kind> {
    match text {
        "accepted" => Ok(Kind::Accepted),
        "rejected" => Ok(Kind::Rejected),
        "duplicate" => Ok(Kind::Duplicate),
        "dead" => Ok(Kind::Dead),
        _ => Err(Problem::bad_parameter("outcome", "`outcome` must be `accepted`, `rejected`, `duplicate` or `dead`")),
    }
}
