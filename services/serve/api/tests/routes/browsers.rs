//! What a browser sends on behalf of other people's pages changes nothing and is told nothing.

use reqwest::Method;

use crate::cell::{Cell, Setting};
use crate::client::{Answer, Client};

const COMMAND: &str = r#"{"type":"node.create","data":{"path":"/acme"}}"#;

async fn send(client: &Client, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = headers.iter().fold(client.request(method, path), |request, (name, value)| request.header(*name, *value));
    client.ask(request.body(COMMAND)).await
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    for token in ["", "secret"] {
        let cell = Cell::api_alone(Setting { token, ..Setting::default() }).await;
        let client = cell.client.with_token(token);
        let port = cell.client.address.port();
        let elsewhere = format!("http://127.0.0.1:{}", port ^ 1);
        for origin in ["https://evil.example", "null", elsewhere.as_str(), "", "http://localhost"] {
            for path in ["/v1/commands", "/v1/dead/x/replay", "/v1/operations/rebuild/mysql", "/v1/nothing"] {
                let headers = [("origin", origin), ("content-type", "text/plain")];
                let refused = send(&client, Method::POST, path, &headers).await;
                assert_eq!(refused.problem(403, "cross_site")["field"], "Origin", "{origin} {path}");
            }
            // a question changes nothing, and its answer is kept from the page by the browser
            let read = send(&client, Method::GET, "/v1/status", &[("origin", origin)]).await;
            read.good();
            assert!(!read.headers.contains_key("access-control-allow-origin"));
        }
        assert_eq!(client.get("/v1/status").await.good()["commands"], "c0", "nothing was appended");
        // the API's own page, and clients that are no browsers
        let own = format!("http://127.0.0.1:{port}");
        let form = [("content-type", "application/x-www-form-urlencoded")];
        for headers in [&[("origin", own.as_str())] as &[_], &form, &[]] {
            assert_eq!(send(&client, Method::POST, "/v1/commands", headers).await.status, 202, "{headers:?}");
        }
    }
}

#[tokio::test]
async fn a_name_that_was_turned_to_this_machine_is_not_answered() {
    let cell = Cell::api_alone(Setting::default()).await;
    let port = cell.client.address.port();
    for host in ["evil.example", &format!("evil.example:{port}"), "0.0.0.0", "localhost.evil.example"] {
        for (method, path) in
            [(Method::GET, "/"), (Method::GET, "/v1/status"), (Method::POST, "/v1/commands"), (Method::GET, "/v1/nothing")]
        {
            // such a page is of the same origin, as the browser sees it
            let refused = send(&cell.client, method, path, &[("host", host), ("origin", &format!("http://{host}"))]).await;
            assert_eq!(refused.problem(421, "foreign_host")["field"], "Host", "{host} {path}");
        }
    }
    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}"), "localhost".to_owned()] {
        send(&cell.client, Method::GET, "/v1/status", &[("host", &host)]).await.good();
        let own = send(&cell.client, Method::POST, "/v1/commands", &[("host", &host), ("origin", &format!("http://{host}"))]).await;
        assert_eq!(own.status, 202, "{}", own.text);
    }
    // probes name whatever they like
    assert_eq!(send(&cell.client, Method::GET, "/livez", &[("host", "pod.example")]).await.status, 200);
    // with a token a name is no way in: a page does not know it
    let cell = Cell::api_alone(Setting { token: "secret", ..Setting::default() }).await;
    send(&cell.client, Method::GET, "/v1/status", &[("host", "loki.example")]).await.problem(401, "unauthorized");
    send(&cell.client.with_token("secret"), Method::GET, "/v1/status", &[("host", "loki.example")]).await.good();
}
