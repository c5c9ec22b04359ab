//! `POST /api/put`: points into the log. Answered once they are durable there.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use loki_intake::Put;

use super::wrong;
use crate::App;
use crate::extract::Whole;
use crate::problem::Result;

pub(super) async fn put_points(State(app): State<App>, RawQuery(query): RawQuery, body: Result<Whole>) -> Response {
    let Whole(body) = match body {
        Ok(body) => body,
        Err(problem) => return wrong::problem(&problem),
    };
    let query = query.unwrap_or_default();
    let value = |name: &str| query.split('&').map(|part| part.split_once('=').unwrap_or((part, ""))).find(|(given, _)| *given == name);
    let put = Put {
        body,
        details: value("details").is_some(),
        summary: value("summary").is_some(),
        timeouts: value("sync_timeout").is_some_and(|(_, text)| text.parse::<i32>().is_ok_and(|ms| ms > 0)),
    };
    match put.run(&app.intake, app.config.body_max).await {
        Ok(answer) => wrong::answer(answer),
        Err(error) => wrong::away(&error.to_string()),
    }
}
