//! Answers by example, worked out by hand.

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::given::{HOUR, ask, get, open, put, read};
use loki_series::Store;

const S: i64 = HOUR / 1_000;

fn filled() -> (TempDir, Store) {
    let folder = tempdir().unwrap();
    let store = open(&folder);
    put(&store, "cpu{host=web01,dc=lga}", &[(0, 1.0), (10, 3.0), (30, 5.0)]);
    put(&store, "cpu{host=web02,dc=lga}", &[(0, 10.0), (20, 20.0), (30, 30.0)]);
    put(&store, "cpu{host=db01,dc=sjc}", &[(5, 100.0)]);
    put(&store, "mem{host=web01}", &[(0, 7.5)]);
    (folder, store)
}

/// A question about the hour, and the answer's groups.
fn groups(store: &Store, m: &str) -> Vec<Value> {
    let (status, answer) = get(store, "query", &format!("start={S}&end={}&m={m}", S + 3_599));
    assert_eq!(status, 200, "{answer}");
    answer.as_array().unwrap().clone()
}

fn dps(points: &[(i64, f64)]) -> Value {
    points.iter().map(|(second, value)| ((S + second).to_string(), json!(value))).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn series_are_added_up_and_lie_on_a_line_between_their_points() {
    let (_folder, store) = filled();
    let found = groups(&store, "sum:cpu{dc=lga}");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["metric"], "cpu");
    assert_eq!((&found[0]["tags"], &found[0]["aggregateTags"]), (&json!({"dc": "lga"}), &json!(["host"])));
    assert_eq!(found[0]["dps"], dps(&[(0, 11.0), (10, 18.0), (20, 24.0), (30, 35.0)]));
}

#[test]
fn groups_are_in_the_order_in_which_values_came() {
    let (_folder, store) = filled();
    let hosts: Vec<Value> = groups(&store, "sum:cpu{host=*}").into_iter().map(|group| group["tags"]["host"].clone()).collect();
    assert_eq!(hosts, ["web01", "web02", "db01"]);
    assert_eq!(groups(&store, "sum:cpu{dc=*}").len(), 2);
    assert_eq!(groups(&store, "none:cpu").len(), 3);
    assert_eq!(groups(&store, "sum:cpu{}{host=wildcard(web*)}").len(), 1);
    assert_eq!(groups(&store, "sum:explicit_tags:cpu{host=*}").len(), 0);
    assert_eq!(groups(&store, "sum:explicit_tags:cpu{host=*,dc=*}").len(), 3);
    assert_eq!(groups(&store, "sum:cpu{host=not_literal_or(db01)}").len(), 2);
    assert_eq!(groups(&store, "sum:cpu{}{dc=not_key()}").len(), 0);
}

#[test]
fn rates_downsampling_and_filling() {
    let (_folder, store) = filled();
    assert_eq!(groups(&store, "sum:rate:cpu{host=web01}")[0]["dps"], dps(&[(10, 0.2), (30, 0.1)]));
    assert_eq!(groups(&store, "sum:20s-avg:cpu{host=web01}")[0]["dps"], dps(&[(0, 2.0), (20, 5.0)]));
    assert_eq!(groups(&store, "sum:0all-max:cpu{host=web01}")[0]["dps"], dps(&[(0, 5.0)]));
    let (_, answer) = get(&store, "query", &format!("start={S}&end={}&m=sum:10s-sum-nan:cpu{{host=web01}}", S + 30));
    assert_eq!(answer[0]["dps"].to_string(), format!(r#"{{"{S}":1.0,"{}":3.0,"{}":"NaN","{}":5.0}}"#, S + 10, S + 20, S + 30));
    let (_, answer) = get(&store, "query", &format!("start={S}&end={}&m=sum:10s-sum-null:cpu{{host=web01}}&arrays", S + 20));
    assert_eq!(answer[0]["dps"], json!([[S, 1.0], [S + 10, 3.0], [S + 20, null]]));
}

#[test]
fn what_lies_in_the_hour_but_not_in_the_question_takes_part_unseen() {
    let (_folder, store) = filled();
    let (_, answer) = get(&store, "query", &format!("start={}&end={}&m=sum:rate:cpu{{host=web01}}", S + 30, S + 40));
    assert_eq!(answer[0]["dps"], dps(&[(30, 0.1)]));
    let (_, answer) = get(&store, "query", &format!("start={}&end={}&m=sum:cpu{{host=web01}}", S + 100, S + 200));
    assert_eq!(answer[0]["dps"], json!({}));
    let (_, answer) = get(&store, "query", &format!("start={}&end={}&m=sum:cpu", S + 7_200, S + 7_300));
    assert_eq!(answer, json!([]));
}

#[test]
fn milliseconds_are_answered_when_asked_for() {
    let (_folder, store) = filled();
    let host = crate::given::series("ms{host=a}");
    store.put(&[crate::given::sample(&host, HOUR + 1, 1.0), crate::given::sample(&host, HOUR + 2, 2.5e7)]).unwrap();
    let question = format!("start={S}&end={}&m=sum:ms", S + 10);
    assert_eq!(
        ask(&store, "GET", "query", &question, "").body,
        format!(r#"[{{"metric":"ms","tags":{{"host":"a"}},"aggregateTags":[],"dps":{{"{S}":2.5E7}}}}]"#)
    );
    let (_, answer) = get(&store, "query", &format!("{question}&ms=true&arrays=true"));
    assert_eq!(answer[0]["dps"], json!([[HOUR + 1, 1.0], [HOUR + 2, 2.5e7]]));
}

#[test]
fn json_asks_the_same() {
    let (_folder, store) = filled();
    let body = json!({"start": HOUR, "end": (S + 3_599).to_string(), "showQuery": true, "queries": [
        {"metric": "cpu", "aggregator": "max", "filters": [{"type": "literal_or", "tagk": "host", "filter": "web01|web02", "groupBy": true}]},
        {"metric": "mem", "aggregator": "sum", "tags": {"host": "*"}},
    ]});
    let (status, answer) = read(&ask(&store, "POST", "query", "arrays=true", &body.to_string()));
    assert_eq!((status, answer.as_array().unwrap().len()), (200, 3), "{answer}");
    assert_eq!(answer[1]["dps"], json!([[S, 10.0], [S + 20, 20.0], [S + 30, 30.0]]));
    assert_eq!((&answer[0]["query"]["index"], &answer[2]["query"]["index"]), (&json!(0), &json!(1)));
    assert_eq!(answer[2]["query"]["filters"], json!([{"tagk": "host", "filter": "*", "group_by": true, "type": "wildcard"}]));
}

#[test]
fn mistakes_are_answered_as_opentsdb_does() {
    let (_folder, store) = filled();
    let start = "start=1h-ago";
    for (method, path, query, status, message) in [
        ("GET", "query", format!("{start}&m=sum:nothing"), 400, "No such name for 'metrics': 'nothing'"),
        ("GET", "query", format!("{start}&m=sum:cpu{{rack=1}}"), 400, "No such name for 'tagv': '1'"),
        ("GET", "query", format!("{start}&m=sum:cpu{{rack=*}}"), 400, "No such name for 'tagk': 'rack'"),
        ("GET", "query", "m=sum:cpu".to_owned(), 400, "Missing parameter <code>start</code>"),
        ("POST", "query", String::new(), 400, "Missing message content"),
        ("PUT", "query", String::new(), 405, "Method not allowed"),
        ("DELETE", "query", String::new(), 400, "Bad request"),
        ("GET", "suggest", String::new(), 400, "Missing parameter <code>type</code>"),
        ("GET", "suggest", "type=x".to_owned(), 400, "Invalid 'type' parameter:x"),
        ("GET", "search/lookup", "m=nothing".to_owned(), 404, "Unable to resolve one or more UIDs"),
        ("PUT", "version", String::new(), 405, "Method not allowed"),
        ("GET", "query/last", String::new(), 404, "Endpoint not found"),
    ] {
        let (found, answer) = read(&ask(&store, method, path, &query, ""));
        assert_eq!((found, &answer["error"]["message"]), (status, &json!(message)), "{method} {path}?{query}");
        assert_eq!(answer["error"]["code"], json!(status));
    }
}

#[test]
fn names_are_suggested_in_alphabetical_order() {
    let (_folder, store) = filled();
    assert_eq!(get(&store, "suggest", "type=metrics"), (200, json!(["cpu", "mem"])));
    assert_eq!(get(&store, "suggest", "type=tagv&q=web&max=1").1, json!(["web01"]));
    assert_eq!(get(&store, "suggest", "type=tagk&q=x").1, json!([]));
    let posted = read(&ask(&store, "POST", "suggest", "", r#"{"type":"tagk","q":"","max":10}"#));
    assert_eq!(posted.1, json!(["dc", "host"]));
}

#[test]
fn series_are_looked_up() {
    let (_folder, store) = filled();
    let (status, answer) = get(&store, "search/lookup", "m=cpu{host=*,dc=lga}&limit=100000000");
    assert_eq!((status, &answer["type"], &answer["totalResults"]), (200, &json!("LOOKUP"), &json!(2)));
    assert_eq!(answer["results"][0]["tags"], json!({"host": "web01", "dc": "lga"}));
    assert_eq!(answer["results"][0]["metric"], "cpu");
    let count = |query: &str| get(&store, "search/lookup", query).1["results"].as_array().unwrap().len();
    assert_eq!((count("m=cpu&limit=0"), count("m=cpu&limit=2"), count("m={host=web01}"), count("m=*{*=lga}")), (3, 2, 2, 2));
    assert_eq!(count("m=cpu{host=web01,host=db01}"), 2);
    let posted = read(&ask(&store, "POST", "search/lookup", "", r#"{"metric":"mem","tags":[{"key":"host","value":"*"}]}"#));
    assert_eq!(posted.1["tags"], json!([{"key": "host", "value": "*"}]));
    assert_eq!(posted.1["results"].as_array().unwrap().len(), 1);
}

#[test]
fn clients_may_ask_what_there_is() {
    let (_folder, store) = filled();
    let aggregators = get(&store, "aggregators", "").1;
    assert!(["sum", "p99", "none"].iter().all(|name| aggregators.as_array().unwrap().contains(&json!(name))));
    let filters = get(&store, "config/filters", "").1;
    assert_eq!(filters.as_object().unwrap().len(), 8);
    assert!(filters["regexp"]["examples"].is_string() && filters["not_key"]["description"].is_string());
    assert_eq!(get(&store, "v1/version/", "").1["version"], "2.4.1");
}
