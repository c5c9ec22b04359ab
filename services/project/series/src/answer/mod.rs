//! Which question is answered by what, and what every answer has in common.

mod about;
mod lookup;
mod suggest;

use bytes::Bytes;

pub(crate) use self::lookup::write_tsuid;
use crate::Store;
use crate::query::{self, Json, Parameters, Problem};

/// A request below `/api/`.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// What follows `/api/`, such as `query`; `v1/` before it is the same.
    pub path: String,
    /// What follows `?` in the URL, as it came.
    pub query: String,
    pub body: Bytes,
    pub now_ms: i64,
}

/// The body is JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: Bytes,
}

impl Store {
    /// Answers as OpenTSDB 2.4 does, with its errors as well; what a question may cost is bounded by [`crate::Limits`].
    pub fn answer(&self, request: &Request) -> Answer {
        match route(self, request) {
            Ok(json) => Answer { status: 200, body: json.into_bytes().into() },
            Err(problem) => Answer { status: problem.status, body: problem.body().into() },
        }
    }
}

fn route(store: &Store, request: &Request) -> Result<Json, Problem> {
    let path = request.path.trim_matches('/').to_lowercase();
    let path = path.strip_prefix("v1/").unwrap_or(&path);
    let parameters = Parameters::parse(&request.query)?;
    let most = store.options().limits.body_bytes_max;
    if request.body.len() > most {
        return Err(Problem::too_large(format!("the body has more than {most} bytes: ask in parts")));
    }
    if parameters.has("jsonp") {
        return Err(Problem::bad("`jsonp` is not supported: the answer is JSON"));
    }
    let posted = request.method == "POST";
    match path {
        "query" => {
            if request.method == "DELETE" {
                return Err(Problem::new(400, "Bad request", "Deleting data is not enabled"));
            }
            only_get_and_post(request)?;
            query::answer(store, &parameters, posted.then_some(&request.body), request.now_ms)
        }
        "suggest" => {
            only_get_and_post(request)?;
            suggest::answer(store, &parameters, posted.then_some(&request.body))
        }
        "search/lookup" => {
            if !matches!(request.method.as_str(), "GET" | "POST") {
                return Err(Problem::bad(format!("Unsupported method: {}", request.method)));
            }
            lookup::answer(store, &parameters, Some(&request.body[..]).filter(|body| !body.is_empty()))
        }
        "aggregators" => only_get_and_post(request).map(|()| about::aggregators()),
        "config/filters" => only_get_and_post(request).map(|()| about::filters()),
        "version" => only_get_and_post(request).map(|()| about::version()),
        _ => Err(Problem::new(404, "Endpoint not found", "")),
    }
}

fn only_get_and_post(request: &Request) -> Result<(), Problem> {
    if matches!(request.method.as_str(), "GET" | "POST") {
        return Ok(());
    }
    let details = format!("The HTTP method [{}] is not permitted for this endpoint", request.method);
    Err(Problem::new(405, "Method not allowed", details))
}
