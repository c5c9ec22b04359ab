//! `GET /v1/history/diff`: what differs between two moments.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use loki_mysql::port::Difference;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::moment;
use crate::App;
use crate::entity;
use crate::extract::Query;
use crate::problem::{Problem, Result};
use crate::read;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// A position (`c17`) or a time (RFC 3339).
    from: String,
    /// A position or a time.
    to: String,
    /// How many, 1 to 1,000; 100 when absent.
    limit: Option<usize>,
    /// `next` of the part before.
    cursor: Option<String>,
    /// A command's position that the history must have passed, `c17`.
    after: Option<String>,
}

/// An entity that is not the same at the two moments.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Changed {
    /// `node/<id>`.
    key: String,
    /// Null: it was not there.
    #[schema(value_type = Option<Object>)]
    before: Option<Box<RawValue>>,
    /// Null: it is gone.
    #[schema(value_type = Option<Object>)]
    after: Option<Box<RawValue>>,
}

/// The entities that differ between two moments.
#[utoipa::path(
    get, path = "/v1/history/diff", tag = "history", params(Parameters),
    responses((status = 200, description = "A part of the list", body = read::Listed<Changed>),
        (status = 400, description = "A bad parameter", body = Problem), (status = 503, description = "Not ready", body = Problem))
)]
pub(crate) async fn list_differences(
    State(app): State<App>,
    Query(parameters): Query<Parameters>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response> {
    let at_least = read::history_after(&app, parameters.after.as_deref(), &headers).await?;
    let from = moment::settled(&app, moment::read("from", &parameters.from)?).await;
    let to = moment::settled(&app, moment::read("to", &parameters.to)?).await;
    moment::told(&app, [from, to]).await?;
    let page = read::page(parameters.limit, parameters.cursor)?;
    let answer = app.history.diff(from, to, &page, at_least).await?;
    let items: Vec<Changed> = answer.value.items.iter().map(changed).collect();
    Ok(read::listed(read::last_outcome(answer.stored.position), &uri, items, answer.value.next))
}

fn changed(difference: &Difference) -> Changed {
    Changed {
        key: difference.key.to_string(),
        before: entity::json_or_null(difference.before.as_ref()),
        after: entity::json_or_null(difference.after.as_ref()),
    }
}
