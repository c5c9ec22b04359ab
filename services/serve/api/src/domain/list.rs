//! `GET /v1/domains`: the domains of a node, of a part of the tree, or all of them, in parts.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use loki_mysql::port::{DomainFilter, DomainView};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::extract::Query;
use crate::problem::{Problem, Result};
use crate::read::{self, Listed};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// The node, by path or id; all domains when absent.
    node: Option<String>,
    /// Also the domains of all nodes under it. With `node` only.
    recursive: Option<bool>,
    /// How many, 1 to 1,000; 100 when absent.
    limit: Option<usize>,
    /// `next` of the part before.
    cursor: Option<String>,
    /// A fact's position that must have been passed, `f42`.
    after: Option<String>,
}

/// A domain, as schema `fact.domain.v1` says; its node with the path.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Domain {
    id: String,
    /// The host, and a port where it is not the scheme's.
    name: String,
    path: String,
    scheme: &'static str,
    /// Who answers: a CDN's name, or `own`.
    vendor: String,
    node: DomainNode,
    expect: Expect,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DomainNode {
    id: String,
    path: String,
}

/// What a good answer is. All of it must hold.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Expect {
    /// One of these: `200`, or `2xx` for a class.
    status: Vec<String>,
    /// A text that the body holds; null: any body.
    body: Option<String>,
    within_ms: u32,
}

/// Domains by name, in parts.
#[utoipa::path(
    get, path = "/v1/domains", tag = "domains", params(Parameters),
    responses((status = 200, description = "A part of the list", body = Listed<Domain>), (status = 400, description = "A bad parameter", body = Problem),
        (status = 404, description = "No such node", body = Problem), (status = 503, description = "Not ready", body = Problem))
)]
pub(crate) async fn list_domains(
    State(app): State<App>,
    Query(parameters): Query<Parameters>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response> {
    if parameters.node.is_none() && parameters.recursive.is_some() {
        return Err(Problem::bad_parameter("recursive", "`recursive` needs `node`"));
    }
    let node = parameters.node.as_deref().map(|text| read::node("node", text)).transpose()?;
    let filter = DomainFilter { node, recursive: parameters.recursive.unwrap_or(false) };
    let page = read::page(parameters.limit, parameters.cursor)?;
    let at_least = read::domains_after(&app, parameters.after.as_deref(), &headers).await?;
    let answer = app.domains.domains(&filter, &page, at_least).await?;
    let part = answer.value.ok_or_else(|| Problem::not_found(format!("no node `{}`", parameters.node.unwrap_or_default())))?;
    Ok(read::listed(read::last_fact(answer.stored.position), &uri, part.items.into_iter().map(domain).collect(), part.next))
}

fn domain(DomainView { domain: loki_domain::Domain { id, site, node, expect }, path, fact: _ }: DomainView) -> Domain {
    Domain {
        id: id.to_string(),
        name: site.name.to_string(),
        path: site.path.to_string(),
        scheme: site.scheme.as_str(),
        vendor: site.vendor.to_string(),
        node: DomainNode { id: node.to_string(), path: path.to_string() },
        expect: Expect {
            status: expect.statuses.iter().map(|status| status.to_string()).collect(),
            body: expect.body.map(|body| body.to_string()),
            within_ms: expect.within.ms(),
        },
    }
}
