//! Archives come in whole or not at all, and go out from any byte on.

use loki_artifacts::Buckets;
use loki_artifacts::testing::S3;
use loki_wire::signature::Secret;
use reqwest::Method;
use serde_json::json;

use crate::cell::{Cell, Setting, until};
use crate::deploys::{after, as_token, token};

/// FIPS 180-4's example: of `abc`.
const ABC: &str = "/v1/artifacts/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[tokio::test]
async fn an_archive_is_taken_from_whoever_has_a_token_and_given_to_all() {
    let cell = Cell::start().await;
    let secret = Secret::new([1; 32]);
    let owner = json!({ "name": "owner", "uses": ["deploy", "script", "grant"], "key": secret.public().to_string() });
    let made = cell.client.accept("token.create", owner).await;
    cell.client.get(&format!("/v1/tokens?after={}", made["after"].as_str().unwrap())).await.good();
    let owner = cell.client.with_token(&secret.reveal());
    let put = async |path: &str, body: &str| owner.ask(owner.request(Method::PUT, path).body(body.to_owned())).await;

    cell.client.ask(cell.client.request(Method::PUT, ABC).body("abc")).await.problem(403, "forbidden");
    assert_eq!(put(ABC, "abd").await.problem(400, "bad_digest")["field"], "sha256");
    put(ABC, &"a".repeat(64 << 20)).await.problem(413, "too_large");
    let pieces = futures::stream::iter([Ok::<_, String>("a".repeat(1 << 20)), Ok("a".to_owned())]);
    owner.ask(owner.request(Method::PUT, ABC).body(reqwest::Body::wrap_stream(pieces))).await.problem(413, "too_large");
    let made = owner.accept("token.create", token("runner", 2, &["script"])).await;
    cell.client.get(&format!("/v1/tokens?after={}", after(&made))).await.good();
    let runner = as_token(&cell, 2);
    until("the token is known", async || runner.get("/v1/status").await.status == 200).await;
    let refused = runner.ask(runner.request(Method::PUT, ABC).body("abc")).await;
    assert!(refused.problem(403, "forbidden")["detail"].to_string().contains("`runner` is not for `deploy`"), "{}", refused.text);
    put("/v1/artifacts/abc", "abc").await.names("sha256");
    cell.client.get(ABC).await.problem(404, "not_found");
    for _ in 0..2 {
        let taken = put(ABC, "abc").await;
        assert_eq!((taken.status, &taken.body["size"]), (201, &json!(3)), "{}", taken.text);
    }
    let whole = cell.client.get(ABC).await;
    assert_eq!((whole.status, whole.text.as_str(), whole.header("accept-ranges")), (200, "abc", "bytes"));
    let rest = cell.client.get_with(ABC, "Range", "bytes=1-").await;
    assert_eq!((rest.status, rest.text.as_str(), rest.header("content-range")), (206, "bc", "bytes 1-2/3"));
    assert_eq!(rest.header("etag"), whole.header("etag"));
    cell.client.get_with(ABC, "Range", "bytes=3-").await.problem(416, "bad_range");
    let head = cell.client.ask(cell.client.request(Method::HEAD, ABC)).await;
    assert_eq!((head.status, head.header("content-length")), (200, "3"));
}

#[tokio::test]
async fn the_archive_of_a_package_is_given_from_where_it_lies() {
    let s3 = S3::start().await;
    s3.put("releases", "web/1.tar", "abc");
    let buckets = Buckets::open(&["releases".to_owned()], &s3.options()).unwrap();
    let cell = Cell::start_with(Setting { buckets, ..Setting::default() }).await;
    let made = cell.client.accept("token.create", token("owner", 1, &["deploy", "script", "grant"])).await;
    cell.client.get(&format!("/v1/tokens?after={}", after(&made))).await.good();
    let owner = as_token(&cell, 1);
    let urls = [
        "s3://releases/web/1.tar",
        "s3://releases/web/2.tar",
        "s3://others/web",
        "artifact",
        "file:///srv/web",
        "https://dl.acme.example/web",
    ];
    for (version, url) in urls.iter().enumerate() {
        let sha256 = ABC.rsplit('/').next().unwrap();
        let package = json!({ "name": "web", "version": version.to_string(), "url": url, "sha256": sha256, "size": 3 });
        let made = owner.accept("package.register", package).await;
        cell.client.get(&format!("/v1/packages?after={}", after(&made))).await.good();
    }
    let at = |version: usize| format!("/v1/packages/web/{version}/archive");
    let whole = cell.client.get(&at(0)).await;
    assert_eq!((whole.status, whole.text.as_str(), whole.header("content-length")), (200, "abc", "3"));
    let rest = cell.client.get_with(&at(0), "Range", "bytes=1-").await;
    assert_eq!((rest.status, rest.text.as_str(), rest.header("content-range")), (206, "bc", "bytes 1-2/3"));
    cell.client.get_with(&at(0), "Range", "bytes=3-").await.problem(416, "bad_range");
    cell.client.get(&at(1)).await.problem(404, "not_found");
    let detail = cell.client.get(&at(2)).await.problem(404, "no_bucket")["detail"].to_string();
    assert!(detail.contains("artifacts.buckets"), "{detail}");
    cell.client.get(&at(3)).await.problem(404, "not_found");
    owner.ask(owner.request(Method::PUT, ABC).body("abc")).await;
    assert_eq!(cell.client.get(&at(3)).await.text, "abc");
    cell.client.get(&at(4)).await.problem(404, "not_found");
    let elsewhere = cell.client.get(&at(5)).await;
    assert_eq!((elsewhere.status, elsewhere.header("location")), (307, "https://dl.acme.example/web"));
    cell.client.get(&at(6)).await.problem(404, "not_found");
}
