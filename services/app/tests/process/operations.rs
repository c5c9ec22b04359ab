//! Operations on stores: served by `loki all`, and told of where they are served.

use serde_json::{Value, json};

use crate::loki::Running;

const PATHS: [&str; 2] = ["/v1/operations/rebuild/{store}", "/v1/operations/verify"];

#[tokio::test]
async fn the_description_tells_of_what_is_served() {
    let home = tempfile::tempdir().unwrap();
    let mut loki = Running::start(home.path(), "all", &[]);
    loki.ready().await;
    let (status, description) = loki.get("/openapi.json").await.unwrap();
    assert_eq!(status, 200);
    for (method, path, asked, status) in [
        ("post", PATHS[0], "/v1/operations/rebuild/zookeeper", "202"),
        ("get", PATHS[0], "/v1/operations/rebuild/zookeeper", "200"),
        ("get", PATHS[0], "/v1/operations/rebuild/nothing", "404"),
        ("post", PATHS[0], "/v1/operations/rebuild/nothing", "404"),
        ("post", PATHS[1], "/v1/operations/verify", "200"),
    ] {
        let operation = &description["paths"][path][method];
        assert!(operation["summary"].as_str().is_some_and(|text| text.len() > 5), "{method} {path} is described");
        for refused in ["401", "421", "503"].into_iter().chain((method == "post").then_some("403")) {
            assert!(operation["responses"][refused].is_object(), "{method} {path} tells of {refused}");
        }
        let client = loki_cli::client::plain().build().unwrap();
        let request = client.request(method.to_uppercase().parse().unwrap(), format!("http://{}{asked}", loki.address));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_str(), status, "{method} {asked}");
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        let content = &operation["responses"][status]["content"][&kind]["schema"];
        assert!(content.is_object(), "{method} {path} {status} tells of {kind}");
        if kind != "application/x-ndjson" {
            has_the_fields(&description, content, &answer.json().await.unwrap());
        }
    }
    // the rest is what every API serves
    let all = description["paths"].as_object().unwrap();
    let kept: Value = serde_json::from_str(include_str!("../../../serve/api/openapi.json")).unwrap();
    let others: serde_json::Map<_, _> =
        all.iter().filter(|(path, _)| !PATHS.contains(&path.as_str())).map(|(p, i)| (p.clone(), i.clone())).collect();
    assert_eq!(json!(others), kept["paths"]);
}

/// The fields of an answer are those of the schema that is referred to, through one more reference at most.
#[track_caller]
fn has_the_fields(description: &Value, schema: &Value, answer: &Value) {
    let mut schema = schema;
    while let Some(name) = schema["$ref"].as_str() {
        schema = description.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{name} is not there"));
    }
    let fields = schema["properties"].as_object().unwrap_or_else(|| panic!("{schema} has fields"));
    for name in answer.as_object().unwrap().keys() {
        assert!(fields.contains_key(name), "{name} in {schema}");
    }
    for name in schema["required"].as_array().unwrap() {
        assert!(answer.get(name.as_str().unwrap()).is_some(), "{name} in {answer}");
    }
}
