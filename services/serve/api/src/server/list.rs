//! `GET /v1/servers`: the servers of a node (the most asked question, answered from kept bytes), or all servers in parts.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use loki_domain::{Entity, Labels, Stream};
use loki_mysql::port::ServerFilter;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::App;
use crate::entity;
use crate::extract::Query;
use crate::problem::{Problem, Result};
use crate::{read, wait};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// The node, by path or id. Without it all servers are listed in parts.
    node: Option<String>,
    /// Also the servers of all nodes under it.
    recursive: Option<bool>,
    /// Only this state; all servers that are not retired when absent. Without `node` only.
    state: Option<String>,
    /// Only this idc. Without `node` only.
    idc: Option<String>,
    /// Only names that begin like this. Without `node` only.
    prefix: Option<String>,
    /// Only servers with this label, `role=web`. Without `node` only.
    label: Option<String>,
    /// How many, 1 to 1,000; 100 when absent. Without `node` only.
    limit: Option<usize>,
    /// `next` of the part before. Without `node` only.
    cursor: Option<String>,
    /// A fact's position that must have been passed, `f42`.
    after: Option<String>,
}

impl Parameters {
    /// The first parameter that only the list of all servers knows.
    fn of_all_servers(&self) -> Option<&'static str> {
        let texts =
            [("state", &self.state), ("idc", &self.idc), ("prefix", &self.prefix), ("label", &self.label), ("cursor", &self.cursor)];
        let given = texts.into_iter().find(|(_, text)| text.is_some()).map(|(field, _)| field);
        given.or(self.limit.is_some().then_some("limit"))
    }
}

/// Servers.
///
/// With `node`: that node's servers with state and reduced weights, with an `ETag`; `If-None-Match` gives 304 while nothing has changed.
/// Without: all servers by name, in parts.
#[utoipa::path(
    get, path = "/v1/servers", tag = "servers", params(Parameters, ("If-None-Match" = Option<String>, Header, description = "The tag of the answer that the caller has")),
    responses((status = 200, description = "The servers", body = serde_json::Value), (status = 304, description = "Nothing has changed"),
        (status = 400, description = "A bad parameter", body = Problem), (status = 404, description = "No such node", body = Problem),
        (status = 503, description = "Not ready", body = Problem))
)]
pub(crate) async fn list_servers(State(app): State<App>, Query(parameters): Query<Parameters>, request: Request) -> Result<Response> {
    let (asked, _) = request.into_parts();
    match &parameters.node {
        Some(node) => of_node(&app, node, &parameters, &asked.headers).await,
        None => all(&app, parameters, &asked.uri, &asked.headers).await,
    }
}

async fn of_node(app: &App, node: &str, parameters: &Parameters, headers: &HeaderMap) -> Result<Response> {
    if let Some(field) = parameters.of_all_servers() {
        return Err(Problem::bad_parameter(field, format!("`{field}` cannot be used together with `node`")));
    }
    let after = wait::after(parameters.after.as_deref(), headers, Stream::Fact)?;
    let recursive = parameters.recursive.unwrap_or(false);
    let Some(servers) = &app.servers else {
        if let Some(after) = after {
            wait::unless_stopping(app, app.tree.wait(after, app.config.wait_max)).await?;
        }
        let answer = app.tree.servers(node, recursive)?;
        let encoded = answer.value.as_ref().map(|encoded| (&encoded.body, encoded.etag.as_str()));
        return encoded_answer(node, encoded, answer.position, headers);
    };
    if let Some(after) = after {
        wait::unless_stopping(app, servers.wait(after, app.config.wait_max)).await?;
    }
    let answer = servers.servers(node, recursive).await?;
    let encoded = answer.value.as_ref().map(|encoded| (&encoded.body, encoded.etag.as_str()));
    encoded_answer(node, encoded, answer.position, headers)
}

fn encoded_answer(node: &str, encoded: Option<(&Bytes, &str)>, position: u64, headers: &HeaderMap) -> Result<Response> {
    let (body, etag) = encoded.ok_or_else(|| Problem::not_found(format!("no node `{node}`")))?;
    let position = read::last_fact(position);
    let tag = HeaderValue::try_from(etag).map_err(|_| Problem::not_ready("the answer has no tag"))?;
    if has(headers, etag) {
        return Ok(read::not_modified(tag, position));
    }
    let position = HeaderValue::try_from(position.to_string()).unwrap_or(HeaderValue::from_static("-"));
    let json = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, json), (header::ETAG, tag), (read::POSITION, position)], body.clone()).into_response())
}

/// Whether the caller has this answer already (RFC 9110, section 13.1.2: weak comparison).
fn has(headers: &HeaderMap, etag: &str) -> bool {
    let given = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    given.flat_map(|text| text.split(',')).map(str::trim).any(|given| given == "*" || given.strip_prefix("W/").unwrap_or(given) == etag)
}

async fn all(app: &App, parameters: Parameters, uri: &Uri, headers: &HeaderMap) -> Result<Response> {
    if parameters.recursive.is_some() {
        return Err(Problem::bad_parameter("recursive", "`recursive` needs `node`"));
    }
    let labels = match parameters.label.as_deref().map(|label| label.split_once('=').ok_or(label)) {
        None => Labels::default(),
        Some(Ok((key, value))) => Labels::new([(key.to_owned(), read::value("label", value)?)])
            .map_err(|invalid| Problem::bad_parameter("label", format!("`label`: {invalid}")))?,
        Some(Err(_)) => return Err(Problem::bad_parameter("label", "`label` must be `key=value`")),
    };
    let filter = ServerFilter {
        state: parameters.state.map(|text| read::value("state", &text)).transpose()?,
        idc: parameters.idc.map(|text| read::value("idc", &text)).transpose()?,
        name_prefix: parameters.prefix,
        labels,
    };
    let page = read::page(parameters.limit, parameters.cursor)?;
    let at_least = read::state_after(app, parameters.after.as_deref(), headers).await?;
    let answer = app.state.servers(&filter, &page, at_least).await?;
    let items: Vec<_> = answer.value.items.into_iter().map(|server| entity::json(&Entity::Server(server))).collect();
    Ok(read::listed(read::last_fact(answer.stored.position), uri, items, answer.value.next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly() {
        let mut headers = HeaderMap::new();
        assert!(!has(&headers, "\"a\""));
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("\"x\", W/\"a\""));
        assert!(has(&headers, "\"a\"") && !has(&headers, "\"b\""));
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
        assert!(has(&headers, "\"b\""));
    }
}
