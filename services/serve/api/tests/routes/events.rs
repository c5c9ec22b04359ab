//! `GET /v1/events`.

use std::time::Duration;

use loki_domain::{Code, Key, NodeId, Rejection, RunId, ServerId};
use loki_wire::Verdict;
use loki_wire::outcome::WrittenFact;
use reqwest::Method;
use serde_json::json;

use crate::cell::{Cell, until};
use crate::client::Client;
use crate::told::{Chain, ToldCell};

/// A client that follows.
struct Following {
    response: reqwest::Response,
    text: String,
    /// The ids that came without an event.
    alone: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Event {
    id: String,
    kind: String,
    command: String,
}

impl Following {
    async fn start(client: &Client, path: &str, last: Option<&str>) -> Self {
        let mut request = client.request(Method::GET, path);
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new(), alone: Vec::new() }
    }

    /// The next event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let line = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(|text| text.trim().to_owned());
                let found = line("data:").map(|data| {
                    let data: serde_json::Value = serde_json::from_str(&data).unwrap();
                    Event {
                        id: line("id:").unwrap(),
                        kind: line("event:").unwrap(),
                        command: data["position"].as_str().unwrap().to_owned(),
                    }
                });
                if found.is_none() {
                    self.alone.extend(line("id:"));
                }
                self.text = rest.to_owned();
                match found {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let chunk = tokio::time::timeout(Duration::from_secs(60), self.response.chunk()).await.expect("an event in time");
            self.text.push_str(std::str::from_utf8(&chunk.unwrap()?).unwrap());
        }
    }

    async fn take(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::new();
        while events.len() < count {
            events.push(self.next().await.expect("the stream goes on"));
        }
        events
    }
}

fn commands(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.command.as_str()).collect()
}

#[tokio::test]
async fn events_come_live_and_go_on_where_a_client_stopped() {
    let cell = Cell::start().await;
    cell.client.accept("node.create", json!({ "path": "/old" })).await;
    let mut live = Following::start(&cell.client, "/v1/events", None).await;
    for name in ["a", "b", "a", "c", "d"] {
        cell.client.command("node.create", json!({ "path": format!("/{name}") })).await.good();
    }
    let events = live.take(5).await;
    assert_eq!(commands(&events), ["c1", "c2", "c3", "c4", "c5"], "what was before is not sent");
    assert_eq!(
        events.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(),
        ["accepted", "accepted", "rejected", "accepted", "accepted"]
    );

    // away for a while, then from the last that was seen: no gap, nothing twice
    drop(live);
    cell.client.accept("node.create", json!({ "path": "/e" })).await;
    let mut again = Following::start(&cell.client, "/v1/events", Some(&events[2].id)).await;
    cell.client.accept("node.create", json!({ "path": "/f" })).await;
    assert_eq!(commands(&again.take(4).await), ["c4", "c5", "c6", "c7"]);
    // the header wins over the address, which a browser repeats as it was
    let mut both = Following::start(&cell.client, "/v1/events?from=o", Some(&events[4].id)).await;
    assert_eq!(commands(&both.take(2).await), ["c6", "c7"]);
    let mut all = Following::start(&cell.client, "/v1/events?from=o", None).await;
    assert_eq!(commands(&all.take(8).await), ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"]);

    cell.client.get("/v1/events?from=c1").await.names("from");
    cell.client.get_with("/v1/events", "Last-Event-ID", "7").await.names("Last-Event-ID");
    cell.client.get("/v1/events?from=o9999").await.problem(410, "gone");
}

#[tokio::test]
async fn many_outcomes_arrive_once_and_in_order_while_they_are_made() {
    let cell = Cell::start().await;
    let first = json!({ "type": "node.create", "data": { "path": "/n" } }).to_string();
    let sending = tokio::spawn({
        let client = cell.client.clone();
        async move {
            for _ in 0..400 {
                assert_eq!(client.post("/v1/commands", first.clone()).await.status, 202);
            }
        }
    });
    let mut seen: Vec<String> = Vec::new();
    let mut last = None;
    // a client that comes back after every few
    while seen.len() < 400 {
        let mut following = Following::start(&cell.client, "/v1/events?from=o", last.as_deref()).await;
        for event in following.take(40.min(400 - seen.len())).await {
            last = Some(event.id);
            seen.push(event.command);
        }
    }
    sending.await.unwrap();
    assert_eq!(seen, (0..400).map(|number| format!("c{number}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn streams_end_with_the_process_and_are_bounded() {
    let cell = Cell::start().await;
    let mut following = Vec::new();
    for _ in 0..256 {
        following.push(Following::start(&cell.client, "/v1/events", None).await);
    }
    cell.client.get("/v1/events").await.problem(503, "not_ready");
    // other requests are not in their way
    cell.client.accept("node.create", json!({ "path": "/a" })).await;
    following.truncate(250);
    until("places are given back", async || {
        let response = cell.client.request(Method::GET, "/v1/events").send().await.unwrap();
        response.status() == 200
    })
    .await;
    cell.shutdown.begin();
    for mut one in following {
        assert_eq!(one.next().await.map(|event| event.command).as_deref(), Some("c0"));
        assert_eq!(one.next().await, None);
    }
}

#[tokio::test]
async fn who_has_caught_up_is_served_from_memory() {
    let cell = ToldCell::start().await;
    let mut chain = Chain::default();
    cell.decide(&mut chain, "old");
    until("it is kept", async || cell.client.get("/v1/commands/c0").await.status == 200).await;
    let mut following = Vec::new();
    for _ in 0..3 {
        following.push(Following::start(&cell.client, "/v1/events", None).await);
    }
    let before = cell.log.readers();
    for number in 1..20 {
        cell.decide(&mut chain, &format!("k{number}"));
        for one in &mut following {
            assert_eq!(one.next().await.unwrap().command, format!("c{number}"));
        }
    }
    assert_eq!(cell.log.readers(), before, "the log is read by the process's one tail alone");
    // one that comes back finds all it missed there as well
    let mut again = Following::start(&cell.client, "/v1/events", Some("o2")).await;
    assert_eq!(again.take(18).await.len(), 18);
    assert_eq!(cell.log.readers(), before);
}

#[tokio::test]
async fn who_follows_a_run_hears_of_nothing_else() {
    let cell = ToldCell::start().await;
    let mut chain = Chain::default();
    let (mine, other, server) = (RunId::MIN, RunId::MAX, ServerId::MIN);
    let keys =
        [Key::Run(other), Key::Run(mine), Key::Node(NodeId::MIN), Key::Batch(mine, 1), Key::Task(other, server), Key::Task(mine, server)];
    for (number, key) in (0..).zip(keys) {
        let facts = vec![WrittenFact { key, offset: number, json: None }];
        cell.answer(&mut chain, &format!("k{number}"), Verdict::Accepted { after: Some(number), facts });
    }
    cell.answer(&mut chain, "k6", Verdict::Rejected(Rejection::new(Code::read("forbidden").unwrap(), "run", "no")));
    until("all are kept", async || cell.client.get("/v1/commands/c6").await.status == 200).await;
    let take = async |query: &str, count: usize| {
        let mut following = Following::start(&cell.client, &format!("/v1/events?from=o&{query}"), None).await;
        commands(&following.take(count).await).join(" ")
    };
    assert_eq!(take(&format!("run={mine}"), 3).await, "c1 c3 c5");
    assert_eq!(take(&format!("key=task/{mine}.{server}"), 1).await, "c5");
    assert_eq!(take(&format!("key=run/{other}&run={other}"), 1).await, "c0");
    for field in ["run", "key"] {
        cell.client.get(&format!("/v1/events?{field}=x")).await.names(field);
    }

    // of what it does not hear it learns how far it is
    let mut following = Following::start(&cell.client, &format!("/v1/events?run={mine}"), None).await;
    for number in 7..1_100 {
        cell.decide(&mut chain, &format!("k{number}"));
    }
    let facts = vec![WrittenFact { key: Key::Run(mine), offset: 6, json: None }];
    cell.answer(&mut chain, "last", Verdict::Accepted { after: Some(6), facts });
    assert_eq!(following.next().await.unwrap().command, "c1100");
    assert_eq!(following.alone.len(), 1, "{:?}", following.alone);
}

#[tokio::test]
async fn a_code_of_a_later_decider_is_told_as_it_is() {
    let cell = ToldCell::start().await;
    let mut chain = Chain::default();
    let mut following = Following::start(&cell.client, "/v1/events", None).await;
    let code = Code::read("gate_closed").unwrap();
    cell.answer(&mut chain, "shut", Verdict::Rejected(Rejection::new(code, "node", "a gate is closed")));
    cell.decide(&mut chain, "next");
    for command in ["c0", "c1"] {
        assert_eq!(following.next().await.unwrap().command, command);
    }
    let told = cell.client.get("/v1/commands/c0").await;
    assert_eq!((&told.good()["outcome"], &told.body["code"]), (&json!("rejected"), &json!("gate_closed")), "{}", told.text);
}

#[tokio::test]
async fn a_log_that_was_made_anew_is_noticed_although_it_is_longer() {
    let cell = ToldCell::start().await;
    let mut chain = Chain::default();
    for number in 0..5 {
        cell.decide(&mut chain, &format!("old{number}"));
    }
    until("it is kept", async || cell.client.get("/v1/commands/c4").await.status == 200).await;
    let mut following = Following::start(&cell.client, "/v1/events", None).await;
    // as long as it has not noticed: nobody is answered with what another was
    let body = json!({ "id": "mine", "type": "node.create", "data": { "path": "/a" } }).to_string();
    let posted = cell.client.post("/v1/commands?wait=50ms", body).await;
    assert_eq!((posted.status, &posted.body["position"], &posted.body["id"]), (202, &json!("c0"), &json!("mine")), "{}", posted.text);
    let mut chain = Chain::default();
    cell.make_anew(|cell| (0..8).for_each(|number| cell.decide(&mut chain, &format!("new{number}"))));
    until("the new outcomes are told", async || cell.client.get("/v1/commands/c2").await.body["id"] == "new2").await;
    assert_eq!(cell.client.get("/v1/commands/c7").await.good()["id"], "new7");
    assert!(cell.client.get("/v1/commands/old1").await.status != 200, "what the old log said is forgotten");
    assert_eq!(following.next().await, None, "whoever follows begins again");
}
