//! `GET /v1/dead`, `GET` and `DELETE /v1/dead/{id}`, and `POST /v1/dead/{id}/replay`.

use loki_log::{Log, NewRecord, Partition, Topic};
use reqwest::Method;
use serde_json::json;

use crate::cell::Cell;

#[tokio::test]
async fn dead_letters_are_listed_shown_and_replayed_once() {
    let cell = Cell::start().await;
    assert_eq!(cell.client.get("/v1/dead").await.good(), &json!({ "items": [], "next": null }));
    let commands = Partition::only(&Topic::new(&cell.topics.commands));
    for number in 0..5 {
        let value = format!("{{broken {number}");
        let headers = vec![("x".to_owned(), "y".into())];
        cell.log.append(&commands, vec![NewRecord { value: Some(value.into()), headers, ..NewRecord::default() }]).await.unwrap();
    }
    cell.settled().await;
    let all = cell.client.get("/v1/dead").await;
    let ids: Vec<_> = all.good()["items"].as_array().unwrap().iter().map(|letter| letter["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, (0..5).map(|number| format!("loki.commands/0/{number}/0")).collect::<Vec<_>>());
    assert_eq!(all.body["items"][0]["code"], "bad_json");
    assert!(all.body["items"][0].get("value").is_none());

    let mut parts = Vec::new();
    let mut path = "/v1/dead?limit=2".to_owned();
    loop {
        let part = cell.client.get(&path).await;
        parts.extend(part.good()["items"].as_array().unwrap().iter().map(|letter| letter["id"].as_str().unwrap().to_owned()));
        match part.link() {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(parts, ids);

    let path = format!("/v1/dead/{}", ids[2].replace('/', "%2F"));
    let one = cell.client.get(&path).await;
    assert_eq!((&one.good()["value"], &one.body["headers"]["x"]), (&json!("{broken 2"), &json!("y")));
    let replayed = cell.client.post(&format!("{path}/replay"), "").await;
    assert_eq!((replayed.status, &replayed.body["position"]), (202, &json!("c5")));
    cell.client.post(&format!("{path}/replay"), "").await.problem(404, "not_found");
    cell.client.get(&path).await.problem(404, "not_found");
    // it is as broken as before: a letter of its new place
    let outcome = cell.client.get("/v1/commands/c5?wait=60s").await;
    assert_eq!(outcome.good()["outcome"], "dead");
    let left = cell.client.get("/v1/dead").await;
    let left: Vec<_> = left.good()["items"].as_array().unwrap().iter().map(|letter| letter["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(left, [&ids[0], &ids[1], &ids[3], &ids[4], &"loki.commands/0/5/0".to_owned()].map(String::as_str));

    cell.client.get("/v1/dead/nothing").await.problem(404, "not_found");
    cell.client.get("/v1/dead?limit=0").await.names("limit");
    cell.client.get("/v1/dead?cursor=x").await.names("cursor");
    cell.client.get("/v1/dead/%ff").await.names("id");
}

#[tokio::test]
async fn an_original_that_was_not_kept_is_told_and_not_replayed() {
    let cell = Cell::start().await;
    let commands = Partition::only(&Topic::new(&cell.topics.commands));
    // small to the log, but each header costs more than its name and value
    let headers = vec![("x".to_owned(), "y".into()); 40_000];
    cell.log.append(&commands, vec![NewRecord { value: Some("{".into()), headers, ..NewRecord::default() }]).await.unwrap();
    cell.settled().await;
    let path = "/v1/dead/loki.commands%2F0%2F0%2F0";
    let letter = cell.client.get(path).await;
    assert_eq!((&letter.good()["bytes"], &letter.body["code"]), (&json!(80_001), &json!("too_large")));
    assert!(letter.body["message"].as_str().is_some_and(|message| message.ends_with("not kept here: it lies at c0")), "{}", letter.text);
    cell.client.post(&format!("{path}/replay"), "").await.problem(409, "not_kept");
    assert_eq!(cell.client.get(path).await.status, 200);
}

/// What no version will ever understand does not stay for ever.
#[tokio::test]
async fn a_letter_is_dropped_once_and_the_others_stay() {
    let cell = Cell::start().await;
    let commands = Partition::only(&Topic::new(&cell.topics.commands));
    let broken = |number: u32| NewRecord { value: Some(format!("{{broken {number}").into()), ..NewRecord::default() };
    cell.log.append(&commands, (0..3).map(broken).collect()).await.unwrap();
    cell.settled().await;
    let drop = async |id: &str| cell.client.ask(cell.client.request(Method::DELETE, &format!("/v1/dead/{}", id.replace('/', "%2F")))).await;
    assert_eq!(drop("loki.commands/0/1/0").await.good(), &json!({ "id": "loki.commands/0/1/0" }));
    drop("loki.commands/0/1/0").await.problem(404, "not_found");
    drop("nothing").await.problem(404, "not_found");
    cell.client.post("/v1/dead/loki.commands%2F0%2F1%2F0/replay", "").await.problem(404, "not_found");
    let left = cell.client.get("/v1/dead").await;
    let left: Vec<_> = left.good()["items"].as_array().unwrap().iter().map(|letter| letter["id"].as_str().unwrap()).collect();
    assert_eq!(left, ["loki.commands/0/0/0", "loki.commands/0/2/0"]);
    // the original is where it was: nothing was appended, and its outcome stays
    assert_eq!(cell.log.bounds(&commands).await.unwrap().end, 3);
    assert_eq!(cell.client.get("/v1/commands/c1").await.good()["outcome"], "dead");
}

/// Each letter is found where it lies, however many lie before it.
#[tokio::test]
async fn large_letters_are_found_one_by_one() {
    let cell = Cell::start().await;
    let commands = Partition::only(&Topic::new(&cell.topics.commands));
    let large = |number: u32| NewRecord { value: Some(format!("{{{number}{}", "x".repeat(60_000)).into()), ..NewRecord::default() };
    for part in 0..4 {
        cell.log.append(&commands, (0..50).map(|number| large(part * 50 + number)).collect()).await.unwrap();
    }
    cell.settled().await;
    let all = cell.client.get("/v1/dead?limit=1000").await;
    assert_eq!(all.good()["items"].as_array().unwrap().len(), 200);
    assert!(all.text.len() < 200 * 500, "a list has no values: {} bytes", all.text.len());
    for number in [0, 77, 199] {
        let one = cell.client.get(&format!("/v1/dead/loki.commands%2F0%2F{number}%2F0")).await;
        assert!(one.good()["value"].as_str().unwrap().starts_with(&format!("{{{number}x")), "{number}");
    }
}
