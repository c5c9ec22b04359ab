//! All routes, their description, and what wraps them.

use std::sync::Arc;

use axum::http::{StatusCode, Uri};
use axum::routing::get;
use axum::{Json, Router, middleware};
use loki_runtime::Clock;
use loki_telemetry::{Metrics, routes as process};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Doors;
use crate::gate::{self, Gate};
use crate::limit::Requests;
use crate::observe::{self, Observed};
use crate::openapi::finish;
use crate::problem::Problem;
use crate::{App, artifact, command, console, dead, deploy, domain, events, history, node, origin, sample, series, server, status, tree};

#[derive(OpenApi)]
#[openapi(info(
    title = "Loki",
    description = "An operations platform: a service tree, servers, domains, and what became of every command. Every read of facts takes `after`. \
                   Under `/api/` it answers as OpenTSDB 2.4 does, whose documents describe those routes."
))]
struct Description;

fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(command::post::post_command))
        .routes(routes!(command::get::get_command))
        .routes(routes!(tree::get::get_root))
        .routes(routes!(tree::get::get_tree))
        .routes(routes!(node::list::list_nodes))
        .routes(routes!(node::get::get_node))
        .routes(routes!(server::list::list_servers))
        .routes(routes!(server::get::get_server))
        .routes(routes!(sample::list::list_samples))
        .routes(routes!(domain::list::list_domains))
        .routes(routes!(deploy::tokens::list_tokens))
        .routes(routes!(deploy::packages::list_packages))
        .routes(routes!(deploy::packages::get_package))
        .routes(routes!(artifact::package::get_archive))
        .routes(routes!(deploy::templates::list_templates))
        .routes(routes!(deploy::runs::list_runs))
        .routes(routes!(deploy::run::get_run))
        .routes(routes!(deploy::run::list_batches))
        .routes(routes!(deploy::run::list_tasks))
        .routes(routes!(deploy::told::list_told))
        .routes(routes!(deploy::log::get_log, deploy::log::post_log))
        .routes(routes!(artifact::get::get_artifact, artifact::put::put_artifact))
        .routes(routes!(history::audit::list_audit))
        .routes(routes!(history::diff::list_differences))
        .routes(routes!(history::undo::plan_undo))
        .routes(routes!(events::stream_events))
        .routes(routes!(dead::read::list_dead))
        .routes(routes!(dead::read::get_dead, dead::drop::drop_dead))
        .routes(routes!(dead::replay::replay_dead))
        .routes(routes!(status::get_status))
}

/// The OpenAPI 3.1 description of what every API serves. `/openapi.json` has the further routes of its process as well.
pub fn openapi() -> utoipa::openapi::OpenApi {
    finish(documented().into_openapi())
}

/// What is answered on a connection for which there is no place: health as ever, to everything else that it may come back.
pub(crate) fn crowded(app: &App) -> Router {
    let none = || async { Problem::not_ready("as many connections as `api.connections_max` allows are at work") };
    Router::new().merge(process::health(app.health.clone())).fallback(none)
}

/// The whole service. `operations`: routes that only some processes have; behind the token like the others.
pub(crate) fn router(app: App, metrics: Metrics, operations: OpenApiRouter) -> Router {
    let (routes, description) = documented().with_state(app.clone()).merge(operations).split_for_parts();
    let description = Json(finish(description));
    let observed = Observed::default();
    let gate = Arc::new(Gate {
        doors: Doors::new(app.config.token.clone(), Arc::clone(&app.deploys), Clock::system()),
        for_this_machine: origin::is_for_this_machine(app.config.listen, &app.config.token),
        requests: Requests::new(&app.config),
        body_max: app.config.body_max,
        observed: observed.clone(),
    });
    let guarded = routes
        .merge(series::routes().with_state(app.clone()))
        .merge(process::metrics(metrics))
        .route("/openapi.json", get(move || async move { description.clone() }))
        .route("/", get(console::page))
        .fallback(|uri: Uri| async move {
            // not as what a route does not find: whoever is newer than this API can tell
            Problem::new(StatusCode::NOT_FOUND, "no_such_route", format!("no route `{}`: see /openapi.json", uri.path()))
        })
        .method_not_allowed_fallback(|| async { Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "see /openapi.json") })
        .layer(middleware::from_fn_with_state(gate, gate::pass));
    let health = process::health(app.health.clone()).layer(middleware::from_fn_with_state(observed, observe::observe));
    Router::new().merge(health).merge(guarded)
}
