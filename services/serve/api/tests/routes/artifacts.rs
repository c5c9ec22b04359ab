//! Archives come in whole or not at all, and go out from any byte on.

use loki_wire::signature::Secret;
use reqwest::Method;
use serde_json::json;

use crate::cell::Cell;

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
    put(ABC, &"a".repeat((1 << 20) + 1)).await.problem(413, "too_large");
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
