//! `GET /v1/dead`, from the index, and `GET /v1/dead/{id}`, from the log at the place that the index knows.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use loki_log::{NewRecord, Partition};
use loki_runtime::task;
use loki_wire::DeadLetter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::index::{self, Part};
use crate::App;
use crate::extract::{Path, Query};
use crate::problem::{Problem, Result};
use crate::{read, wait};

/// How much of the original is shown as text.
const TEXT_MAX: usize = 64 * 1024;
/// How long one letter may take to be read, and the index to come to the topic's end.
const READ_WAIT: Duration = Duration::from_secs(15);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// How many, 1 to 1,000; 100 when absent.
    limit: Option<usize>,
    /// `next` of the part before.
    cursor: Option<String>,
}

/// A record that could not be used.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Letter {
    /// `<topic>/<partition>/<offset>/<index>`.
    pub(super) id: String,
    /// When, RFC 3339.
    at: String,
    pub(super) code: String,
    pub(super) message: String,
    /// How large the original is.
    bytes: u64,
    /// The original value, as far as it is text; only for one letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// The original headers; only for one letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<BTreeMap<String, String>>,
}

/// A part of the list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Letters {
    items: Vec<Letter>,
    /// The cursor of the next part, also in the header `Link`; null: this was the last.
    next: Option<String>,
    /// There are newer letters, too many to be listed: they follow once some of these were replayed or dropped.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    left_out: bool,
}

/// The dead letters, oldest first.
#[utoipa::path(
    get, path = "/v1/dead", tag = "dead letters", params(Parameters),
    responses((status = 200, description = "A part of the list", body = Letters),
        (status = 503, description = "The log is away", body = Problem))
)]
pub(crate) async fn list_dead(State(app): State<App>, Query(parameters): Query<Parameters>, uri: Uri) -> Result<Response> {
    let limit = parameters.limit.unwrap_or(100);
    if !(1..=1000).contains(&limit) {
        return Err(Problem::bad_parameter("limit", "`limit` must be 1 to 1000"));
    }
    let from = match parameters.cursor.as_deref() {
        Some(cursor) => {
            cursor.parse::<u64>().map_err(|_| Problem::bad_parameter("cursor", "`cursor` must be the `next` of another part"))?
        }
        None => 0,
    };
    seen(&app).await?;
    let Part { items, next, left_out } = app.letters.part(from, limit);
    let next = next.map(|offset| offset.to_string());
    let link = next.as_deref().and_then(|next| read::link(&uri, next)).map(|link| [(header::LINK, link)]);
    Ok((link, Json(Letters { items, next, left_out })).into_response())
}

/// One dead letter, with its original value and headers.
#[utoipa::path(
    get, path = "/v1/dead/{id}", tag = "dead letters", params(("id" = String, Path, description = "The letter's id, with `/` written `%2F`")),
    responses((status = 200, description = "The letter", body = Letter), (status = 404, description = "No such letter", body = Problem),
        (status = 503, description = "The log is away", body = Problem))
)]
pub(crate) async fn get_dead(State(app): State<App>, Path(id): Path<String>) -> Result<Response> {
    let letter = find(&app, &id).await?;
    let value = letter.value.as_ref().map(|value| String::from_utf8_lossy(&value[..value.len().min(TEXT_MAX)]).into_owned());
    let headers = letter.headers.iter().map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned())).collect();
    Ok(Json(Letter { value, headers: Some(headers), ..line(&letter) }).into_response())
}

/// The letter with this id. Only its own record is read.
pub(super) async fn find(app: &App, id: &str) -> Result<DeadLetter> {
    seen(app).await?;
    let partition = Partition::only(&app.dead);
    let Some(offset) = app.letters.offset(id) else {
        let more = if app.letters.leaves_out() { " among the oldest: deal with those first, the list names them" } else { "" };
        return Err(Problem::not_found(format!("no dead letter `{}`{more}", id.escape_default())));
    };
    let reading = async {
        let mut reader = app.log.frugal_reader(&partition, offset).await?;
        loop {
            let batch = reader.read(1, READ_WAIT).await?;
            if !batch.records.is_empty() || batch.at_end {
                return Ok::<_, loki_log::Error>(batch.records.into_iter().next());
            }
        }
    };
    let Some(found) = task::timeout(READ_WAIT, reading).await else {
        return Err(Problem::not_ready("the log did not give the dead letter in time"));
    };
    let letter = found?.filter(|record| record.key.as_deref() == Some(id.as_bytes())).and_then(|record| index::read(&record));
    letter.ok_or_else(|| {
        // replaced meanwhile, or the log is another one now
        app.letters.forget();
        Problem::not_ready("the dead letters have changed and are read anew")
    })
}

/// Takes a letter away: with a removal of its key, which compaction makes final.
pub(super) async fn remove(app: &App, letter: &DeadLetter) -> Result<()> {
    let removal = NewRecord { key: Some(Bytes::from(letter.id())), ..NewRecord::default() };
    app.log.append(&Partition::only(&app.dead), vec![removal]).await?;
    Ok(())
}

/// Returns when everything that is in the topic now is in the index.
async fn seen(app: &App) -> Result<()> {
    let end = app.log.bounds(&Partition::only(&app.dead)).await?.end;
    let reached = app.letters.reach(end, READ_WAIT);
    let so_far = async {
        reached.await.map_err(|at| Problem::not_ready(format!("the dead letters are still being read: {at} of {end} records were seen")))
    };
    wait::unless_stopping(app, so_far).await
}

pub(super) fn line(letter: &DeadLetter) -> Letter {
    Letter {
        id: letter.id(),
        at: loki_wire::envelope::write_time(letter.at_ms),
        code: letter.reason.code.clone(),
        message: letter.reason.message.clone(),
        bytes: letter.bytes(),
        value: None,
        headers: None,
    }
}
