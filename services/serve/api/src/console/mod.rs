//! The one page: tree, servers of a node, runs with their hosts and logs, charts, projections. Plain HTML and one script in three files, compiled in;
//! and the form that asks for the token.

use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

/// One document with the scripts in it: a browser would ask for a second file without the token.
const PAGE: &str = concat!(
    include_str!("index.html"),
    "<script>\n\"use strict\";\n",
    // constants that the page's script calls as soon as it runs
    include_str!("runs.js"),
    include_str!("console.js"),
    include_str!("charts.js"),
    "</script>\n</body>\n</html>\n"
);
/// What a browser is shown that has no token yet. It holds no data.
const SIGN_IN: &str = include_str!("sign_in.html");

pub(crate) async fn page() -> Response {
    answer(StatusCode::OK, PAGE)
}

/// The refusal for a person who has opened the page and can send no header.
pub(crate) fn sign_in() -> Response {
    answer(StatusCode::UNAUTHORIZED, SIGN_IN)
}

/// Whether a browser opens the page.
pub(crate) fn is_opened_by(request: &Request) -> bool {
    let accepted = request.headers().get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    request.uri().path() == "/"
        && (request.method() == Method::GET || request.method() == Method::HEAD)
        && accepted.flat_map(|text| text.split(',')).any(|range| range.trim().to_ascii_lowercase().starts_with("text/html"))
}

/// Never kept by a browser: whether the page or the form is shown depends on the token.
fn answer(status: StatusCode, html: &'static str) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store"), (header::VARY, "accept, authorization")], Html(html)).into_response()
}
