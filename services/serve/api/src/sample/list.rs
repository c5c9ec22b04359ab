//! `GET /v1/samples`: the last value of each series of a metric, in parts.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use loki_domain::Series;
use loki_redis::samples::{Filter, Last, Refusal, SamplesReader};
use loki_wire::envelope::write_time;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::extract::Query;
use crate::problem::{Problem, Result};
use crate::read::{self, Listed};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// The metric, `host.cpu.usage`.
    metric: String,
    /// Only series with all of these tags, `host=web01,core=0`.
    tags: Option<String>,
    /// How many, 1 to 1,000; 100 when absent. A part may have fewer, or none, and not be the last.
    limit: Option<usize>,
    /// `next` of the part before.
    cursor: Option<String>,
}

/// The last value of a series.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sample {
    metric: String,
    tags: BTreeMap<String, String>,
    /// When it was measured, in milliseconds since 1970.
    at_ms: i64,
    value: f64,
    /// When the log took it.
    taken_at: String,
}

/// The last value of each series of a metric.
///
/// Of the last ten minutes of the log: a series that has sent nothing for longer is not listed.
#[utoipa::path(
    get, path = "/v1/samples", tag = "samples", params(Parameters),
    responses((status = 200, description = "A part of the list", body = Listed<Sample>), (status = 400, description = "A bad parameter", body = Problem),
        (status = 503, description = "Not ready", body = Problem))
)]
pub(crate) async fn list_samples(State(app): State<App>, Query(parameters): Query<Parameters>, uri: Uri) -> Result<Response> {
    let filter = Filter {
        metric: read::value("metric", &parameters.metric)?,
        tags: parameters.tags.as_deref().map(tags).transpose()?.unwrap_or_default(),
    };
    let page = read::page(parameters.limit, parameters.cursor)?;
    let found = app.live.last(&filter, page.cursor.as_deref(), page.limit).await?;
    let link = found.next.as_deref().and_then(|next| read::link(&uri, next));
    let mut response = Json(Listed { items: found.values.into_iter().map(sample).collect(), next: found.next }).into_response();
    if let Some(link) = link {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

fn tags(text: &str) -> Result<Vec<(String, String)>> {
    let pairs = text.split(',').map(|pair| pair.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty()));
    let pairs: Option<Vec<_>> = pairs.map(|pair| pair.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect();
    pairs.ok_or_else(|| Problem::bad_parameter("tags", "`tags` must be `name=value`, several separated by commas"))
}

fn sample((series, Last { at, value, log_ms }): (Series, Last)) -> Sample {
    Sample {
        metric: series.metric.to_string(),
        tags: series.tags.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        at_ms: at.ms(),
        value: value.get(),
        taken_at: write_time(log_ms),
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotReady(reason) => Self::not_ready(reason.to_string()),
            Refusal::TooMany(_) => Self::bad_parameter("hosts", refusal.to_string()),
        }
    }
}
