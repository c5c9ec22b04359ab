//! The bearer token: every route but `/livez` and `/readyz` asks for it.

use axum::Router;
use axum::routing::post;
use reqwest::Method;

use crate::cell::{Cell, Setting};

#[tokio::test]
async fn every_route_but_health_asks_for_the_token() {
    let operations =
        Router::new().route("/v1/operations/rebuild/{store}", post(async || "done")).route("/v1/operations/verify", post(async || "done"));
    let cell = Cell::start_with(Setting { token: "secret", operations, ..Setting::default() }).await;
    let description = serde_json::to_value(loki_api::openapi()).unwrap();
    let mut routes: Vec<(Method, String)> = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            routes.push((method, path.replace("{path}", "acme/shop").replace(['{', '}'], "")));
        }
    }
    assert!(routes.len() >= 15, "{routes:?}");
    for path in ["/", "/openapi.json", "/api/put", "/metrics", "/v1/nothing"] {
        routes.push((Method::GET, path.to_owned()));
    }
    for path in ["/v1/operations/rebuild/mysql", "/v1/operations/verify"] {
        routes.push((Method::POST, path.to_owned()));
    }
    let right = cell.client.with_token("secret");
    for (method, path) in routes {
        let refused = cell.client.ask(cell.client.request(method.clone(), &path)).await;
        refused.problem(401, "unauthorized");
        assert_eq!(refused.header("www-authenticate"), "Bearer", "{method} {path}");
        let wrong = cell.client.with_token("secre");
        wrong.ask(wrong.request(method.clone(), &path)).await.problem(401, "unauthorized");
        let basic = cell.client.request(method.clone(), &path).header("authorization", "Basic secret");
        cell.client.ask(basic).await.problem(401, "unauthorized");
        if path != "/v1/events" {
            let let_in = right.ask(right.request(method.clone(), &path)).await;
            assert_ne!(let_in.status, 401, "{method} {path}");
        }
    }
    for path in ["/livez", "/readyz"] {
        assert_eq!(cell.client.get(path).await.status, 200, "{path}");
    }
    // what may be asked is not told to whoever has no token
    cell.client.ask(cell.client.request(Method::DELETE, "/v1/commands")).await.problem(401, "unauthorized");
    let lower = cell.client.request(Method::GET, "/v1/status").header("authorization", "bearer secret");
    cell.client.ask(lower).await.good();
}

#[tokio::test]
async fn a_browser_is_given_a_form_for_the_token() {
    const HTML: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let cell = Cell::api_alone(Setting { token: "secret", ..Setting::default() }).await;
    let form = cell.client.get_with("/", "accept", HTML).await;
    assert_eq!((form.status, form.header("content-type")), (401, "text/html; charset=utf-8"), "{}", form.text);
    assert_eq!((form.header("www-authenticate"), form.header("cache-control")), ("Bearer", "no-store"));
    assert!(
        form.text.contains("<form") && form.text.contains("sessionStorage") && form.text.contains("`Bearer ${token}`"),
        "{}",
        form.text
    );
    // other paths and other clients hear it as a problem
    for (path, accept) in [("/v1/tree", HTML), ("/openapi.json", HTML), ("/", "application/json"), ("/", "*/*")] {
        cell.client.get_with(path, "accept", accept).await.problem(401, "unauthorized");
    }
    cell.client.ask(cell.client.request(Method::POST, "/").header("accept", HTML)).await.problem(401, "unauthorized");
    // with the token it is the page, which asks for nothing that could not carry the token
    let right = cell.client.with_token("secret");
    let page = right.get_with("/", "accept", HTML).await;
    assert_eq!((page.status, page.header("content-type"), page.header("cache-control")), (200, "text/html; charset=utf-8", "no-store"));
    for outside in [" src=", "<link", "@import"] {
        assert!(!form.text.contains(outside) && !page.text.contains(outside), "{outside}");
    }
    for text in [&form.text, &page.text] {
        assert_eq!((text.matches("<script").count(), text.matches("</script").count()), (1, 1), "no script ends early");
    }
    assert!(page.text.contains("id=\"projections\"") && page.text.contains("sessionStorage.getItem"), "{}", page.text);
}

#[tokio::test]
async fn without_a_token_the_page_is_there_at_once() {
    let cell = Cell::api_alone(Setting::default()).await;
    let page = cell.client.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("id=\"projections\""), "{}", page.text);
}
