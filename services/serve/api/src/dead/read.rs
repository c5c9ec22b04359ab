//! `GET /v1/dead` and `GET /v1/dead/{id}`. The topic is small and compacted, so it is read from its start for each request, a bounded part at a time.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use loki_log::{Partition, Record};
use loki_runtime::task;
use loki_wire::DeadLetter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::extract::{Path, Query};
use crate::problem::{Problem, Result};
use crate::read::{self, Listed};

/// How much of the original is shown as text.
const TEXT_MAX: usize = 64 * 1024;
/// How long the topic may take to be read.
const SCAN_WAIT: Duration = Duration::from_secs(15);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// How many, 1 to 1,000; 100 when absent.
    limit: Option<usize>,
    /// `next` of the part before.
    cursor: Option<String>,
}

/// A record that could not be used.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Letter {
    /// `<topic>/<partition>/<offset>/<index>`.
    id: String,
    /// When, RFC 3339.
    at: String,
    code: String,
    message: String,
    /// How large the original is.
    bytes: u64,
    /// The original value, as far as it is text; only for one letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// The original headers; only for one letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<BTreeMap<String, String>>,
}

/// The dead letters, oldest first.
#[utoipa::path(
    get, path = "/v1/dead", tag = "dead letters", params(Parameters),
    responses((status = 200, description = "A part of the list", body = Listed<Letter>),
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
    let mut rest = living(&app).await?.split_off(&from).into_iter();
    let items: Vec<Letter> = rest.by_ref().take(limit).map(|(_, letter)| letter).collect();
    let next = rest.next().map(|(offset, _)| offset.to_string());
    let link = next.as_deref().and_then(|next| read::link(&uri, next)).map(|link| [(header::LINK, link)]);
    Ok((link, Json(Listed { items, next })).into_response())
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

/// The letter with this id: the newest record with that key.
pub(super) async fn find(app: &App, id: &str) -> Result<DeadLetter> {
    let mut found = None;
    scan(app, |record| {
        if record.key.as_deref() == Some(id.as_bytes()) {
            found = record.value.is_some().then_some(record);
        }
    })
    .await?;
    let letter = found.and_then(|record| letter(&record));
    letter.ok_or_else(|| Problem::not_found(format!("no dead letter `{}`", id.escape_default())))
}

/// All letters that were not replayed, by offset; without what they hold, which may be large.
async fn living(app: &App) -> Result<BTreeMap<u64, Letter>> {
    let mut letters = BTreeMap::new();
    let mut offsets = HashMap::new();
    scan(app, |record| {
        let key = record.key.clone().unwrap_or_default();
        if let Some(older) = offsets.remove(&key) {
            letters.remove(&older);
        }
        if let Some(letter) = letter(&record) {
            offsets.insert(key, record.offset);
            letters.insert(record.offset, line(&letter));
        }
    })
    .await?;
    Ok(letters)
}

/// Every record of the topic, up to its end now.
async fn scan(app: &App, mut each: impl FnMut(Record)) -> Result<()> {
    let partition = Partition::only(&app.dead);
    let reading = async {
        let end = app.log.bounds(&partition).await?.end;
        let mut reader = app.log.frugal_reader(&partition, 0).await?;
        while reader.position() < end {
            let batch = reader.read(1000, Duration::from_secs(1)).await?;
            batch.records.into_iter().for_each(&mut each);
            if batch.at_end {
                break;
            }
        }
        Ok::<_, loki_log::Error>(())
    };
    match task::timeout(SCAN_WAIT, reading).await {
        Some(done) => Ok(done?),
        None => Err(Problem::not_ready("the log did not give all dead letters in time")),
    }
}

fn letter(record: &Record) -> Option<DeadLetter> {
    match DeadLetter::read(record.value.as_ref()?, &record.headers) {
        Ok(letter) => Some(letter),
        Err(error) => {
            tracing::warn!(offset = record.offset, %error, "a dead letter cannot be read");
            None
        }
    }
}

fn line(letter: &DeadLetter) -> Letter {
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
