//! The OpenAPI 3.1 description: what the routes say of themselves, and what holds for all of them.

use utoipa::openapi::content::{Content, ContentBuilder};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, OpenApi, Paths, Ref, RefOr, Response, ResponseBuilder, SecurityRequirement};

const PROBLEM: &str = "#/components/schemas/Problem";
const JSON: &str = "application/json";
const PROBLEM_JSON: &str = "application/problem+json";

/// Turns the router's path templates into OpenAPI's, gives problems their media type, and adds the answers that every route has.
pub(crate) fn finish(mut description: OpenApi) -> OpenApi {
    let paths = std::mem::replace(&mut description.paths, Paths::new());
    for (path, mut item) in paths.paths {
        item.get.iter_mut().for_each(|operation| whole(operation, &[]));
        changes(&mut item).for_each(|operation| whole(operation, &[("403", "A page of another site sent it")]));
        description.paths.paths.insert(path.replace("{*", "{"), item);
    }
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    // taken from the crate, which names none
    description.info.license = description.info.license.filter(|license| !license.name.is_empty());
    description.components.get_or_insert_with(Components::new).add_security_scheme("token", scheme);
    // the empty requirement: a process without `api.token` asks for none
    description.security = Some(vec![SecurityRequirement::new("token", [""; 0]), SecurityRequirement::default()]);
    description
}

/// Operations that may change something.
fn changes(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().filter_map(Option::as_mut)
}

fn whole(operation: &mut Operation, own: &[(&str, &str)]) {
    let responses = &mut operation.responses.responses;
    let of_all = [
        ("400", "A bad parameter"),
        ("401", "The bearer token is missing or another"),
        ("421", "A host name that is not this machine's, while no token is set"),
        ("503", "Not ready; `Retry-After` says when to ask again"),
    ];
    for (status, said) in of_all.iter().chain(own) {
        responses.entry((*status).to_owned()).or_insert_with(|| RefOr::T(problem(said)));
    }
    for response in responses.values_mut() {
        if let RefOr::T(response) = response
            && response.content.get(JSON).is_some_and(is_problem)
            && let Some(content) = response.content.shift_remove(JSON)
        {
            response.content.insert(PROBLEM_JSON.to_owned(), content);
        }
    }
}

fn is_problem(content: &RefOr<Content>) -> bool {
    matches!(content, RefOr::T(Content { schema: Some(RefOr::Ref(reference)), .. }) if reference.ref_location == PROBLEM)
}

fn problem(said: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::new(PROBLEM))).build();
    ResponseBuilder::new().description(said).content(PROBLEM_JSON, content).build()
}
