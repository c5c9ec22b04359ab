//! `POST /v1/commands`: checks a command, appends it, and if asked waits for its outcome.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use loki_log::{Class, NewRecord, Partition};
use loki_runtime::Clock;
use loki_telemetry::fields;
use loki_telemetry::trace::TraceParent;
use loki_wire::envelope::check_id;
use loki_wire::signature::Signed;
use loki_wire::{Envelope, Intake};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{answer, get};
use crate::App;
use crate::auth::Signer;
use crate::extract::{Body, Query};
use crate::problem::{Problem, Result};
use crate::wait;

/// What a command comes from when its sender does not say.
const SOURCE: &str = "loki/api";

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// How long to wait for the outcome, `10s`; at most an hour, and never longer than `api.wait_max`. Without it the answer is 202 at once.
    wait: Option<String>,
}

/// Appends a command to the log.
///
/// Answers 202 with its id and position as soon as it is durable, or with `wait` its outcome when that is there in time. The same id (field `id`
/// or header `Idempotency-Key`) with the same data is answered with the first outcome for 24 hours. A 503 names the `id`, given or made here: the
/// command may be in the log all the same, and is sent again with that id. The trace is that of the header `traceparent`, else of the body's field,
/// else a new one; `source` is kept as it was sent, and is `loki/api` when it was not. What comes with the secret of a named token as bearer token is
/// signed with it, unless it is signed already, and has ten minutes to be decided in, unless it says otherwise.
#[utoipa::path(
    post, path = "/v1/commands", tag = "commands",
    params(Parameters, ("Idempotency-Key" = Option<String>, Header, description = "The command's id, when the body has none"),
        ("traceparent" = Option<String>, Header, description = "W3C trace context; the outcome and every fact carry it on")),
    request_body(content = serde_json::Value, description = "`{\"type\":\"node.create\",\"data\":{\"path\":\"/acme/shop\",\"parents\":true}}`; optional `id`, `actor`, `expires`, `source`, `traceparent`; of a signed command `keyid` and `signature`"),
    responses(
        (status = 200, description = "The outcome", body = serde_json::Value),
        (status = 202, description = "In the log; no outcome yet", body = answer::Pending),
        (status = 400, description = "No JSON, or a bad parameter", body = Problem),
        (status = 413, description = "Over 64 KiB with its envelope, or the body is over `api.body_max`", body = Problem),
        (status = 422, description = "Unknown type, or a field that is not allowed", body = Problem),
        (status = 503, description = "The log is away", body = Problem),
    )
)]
pub(crate) async fn post_command(
    State(app): State<App>,
    Query(parameters): Query<Parameters>,
    signer: Option<Extension<Signer>>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response> {
    let limit = parameters.wait.as_deref().map(|text| wait::duration("wait", text, app.config.wait_max)).transpose()?;
    let mut envelope = Envelope::read_body(&body)?;
    identify(&mut envelope, &headers)?;
    if let Some(Extension(signer)) = signer {
        signer.sign(&mut envelope, Clock::system().now_ms())?;
    }
    // the decider reads it again; here a mistake is answered at once
    Intake::read(&envelope)?;
    Signed::read(&envelope)?;

    let trace = TraceParent::accept(header("traceparent", &headers).into_iter().chain(envelope.traceparent.as_deref()));
    envelope.traceparent = Some(trace.as_str().to_owned());
    envelope.source.get_or_insert_with(|| SOURCE.to_owned());
    let id = envelope.id.clone().unwrap_or_default();
    let partition = Partition::only(&app.commands);
    let record = NewRecord { key: None, value: Some(envelope.data.clone()), headers: envelope.headers(), timestamp_ms: None };
    // as the decider will: what it could not read must not be acknowledged
    Envelope::read(record.value.as_ref(), &record.headers)?;
    let appended = app.log.append(&partition, vec![record]).await.map_err(|error| not_appended(error, &id))?;
    let position = appended.first().copied().ok_or_else(|| Problem::not_ready("the log gave no position").unknown_result(&id))?;
    tracing::debug!(
        { fields::COMMAND_ID } = %id, { fields::COMMAND_TYPE } = %envelope.kind, { fields::COMMAND_POSITION } = position,
        { fields::TRACE_ID } = trace.trace_id(), "appended"
    );
    match limit {
        Some(limit) => get::outcome(&app, &id, position, limit).await.map_err(|problem| problem.id(&id)),
        None => Ok(answer::pending(&id, position)),
    }
}

/// The text of a header; one that is no text is none.
fn header<'h>(name: &str, headers: &'h HeaderMap) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What became of it is known only where the log refused it.
fn not_appended(error: loki_log::Error, id: &str) -> Problem {
    let refused = error.class() == Class::Invalid;
    let problem = Problem::from(error);
    if refused { problem.id(id) } else { problem.unknown_result(id) }
}

/// The id from the body, else from the header, else a new one.
fn identify(envelope: &mut Envelope, headers: &HeaderMap) -> Result<()> {
    let given = headers.get("idempotency-key").map(|value| value.to_str().map(|text| text.trim_matches('"').to_owned()));
    let header = given.transpose().map_err(|_| Problem::bad_parameter("Idempotency-Key", "`Idempotency-Key` must be ASCII"))?;
    match (&envelope.id, header) {
        (Some(id), Some(header)) if *id != header => {
            return Err(Problem::bad_parameter("Idempotency-Key", "`Idempotency-Key` and the body's `id` differ: send one of them"));
        }
        (Some(_), _) => {}
        (None, Some(header)) => {
            check_id(&header)
                .map_err(|error| Problem::bad_parameter("Idempotency-Key", format!("`Idempotency-Key` is the `id`: {error}")))?;
            envelope.id = Some(header);
        }
        (None, None) => envelope.id = Some(uuid::Uuid::now_v7().to_string()),
    }
    if envelope.id.as_deref().is_some_and(|id| id.starts_with('@')) {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_envelope", "`id` may not begin with `@`").field("id"));
    }
    Ok(())
}
