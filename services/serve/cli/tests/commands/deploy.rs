//! `loki deploy`, `loki package` and `loki admin`.

use std::time::Duration;

use loki_cli::Exit;
use loki_cli::client::Patience;
use loki_wire::signature::Secret;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::run::{Run, check, loki};
use crate::scripted::{Answer, Scripted};

const POST: &str = "POST /v1/commands";
const RUN: &str = "GET /v1/runs/0000000000000007";
const TASKS: &str = "GET /v1/runs/0000000000000007/tasks";

fn accepted(facts: &[&str]) -> Answer {
    let facts: Vec<_> = facts.iter().map(|key| json!({ "key": key, "position": "f9", "data": null })).collect();
    Answer::ok(json!({ "id": "x", "outcome": "accepted", "position": "c7", "after": "f9", "facts": facts }).to_string())
}

fn the_run(state: &str, batch: u32, why: Option<&str>, tasks: &Value) -> Answer {
    let plan = json!({ "batches": "1", "failures": "0", "on_failure": "pause", "pause_ms": 0, "timeout_ms": 1, "progress_ms": 1 });
    let job = json!({ "type": "script", "script": "uptime", "user": null, "output_bytes_max": 1 });
    let run = json!({ "id": "0000000000000007", "node": "0000000000000001", "template": "script", "job": job, "plan": plan, "by": "ci",
        "state": state, "why": why, "servers": 2, "batches": 2, "batch": batch, "begun_ms": 0, "since_ms": 0, "next_ms": null,
        "forgiven": 0, "again_ms": null, "ended_ms": null });
    Answer::ok(json!({ "run": run, "path": "/acme", "package": null, "from": null, "tasks": tasks }).to_string())
}

/// The same of more servers than are told one by one.
fn a_large_run(state: &str, tasks: &Value) -> Answer {
    the_run(state, 0, None, tasks).replaced(r#""servers":2"#, r#""servers":5000"#)
}

fn told(states: &[(&str, &str, Option<&str>)]) -> Answer {
    let task = |(server, state, message): &(&str, &str, Option<&str>)| {
        let task = json!({ "run": "0000000000000007", "server": server, "batch": 0, "attempt": 1, "direction": "forward", "state": state,
            "step": null, "message": message, "told_ms": 0, "changed_ms": 0, "signature": null });
        json!({ "task": task, "name": server })
    };
    Answer::ok(json!({ "items": states.iter().map(task).collect::<Vec<_>>(), "next": null }).to_string())
}

#[tokio::test]
async fn a_run_is_followed_to_its_end() {
    let api = Scripted::new([
        (POST, vec![accepted(&["run/0000000000000007", "timer/0000000000000007"])]),
        (RUN, vec![the_run("running", 0, None, &json!({ "pending": 1 })), the_run("succeeded", 1, None, &json!({ "succeeded": 2 }))]),
        (TASKS, vec![told(&[("web01", "pending", None)]), told(&[("web01", "succeeded", None), ("web02", "succeeded", None)])]),
    ])
    .await;
    let arguments = ["deploy", "start", "/acme", "--template", "script", "--script", "uptime", "--batches", "1 *2", "--wait", "1m"];
    let expected = "accepted c7, to be read after f9\n  f9  run/0000000000000007\n  f9  timer/0000000000000007\nrun 0000000000000007\n\
        script to /acme, by ci\n\
        run 0000000000000007  running  batch 1 of 2  0 of 2 servers succeeded, 1 told\n  web01  pending\n\
        run 0000000000000007  succeeded  2 of 2 servers succeeded\n  web01  succeeded\n  web02  succeeded\n";
    check(&api.api, &arguments, expected).await;
    let sent = api.seen()[0].json();
    assert_eq!(sent["type"], "run.start");
    assert_eq!(sent["data"], json!({ "node": "/acme", "template": "script", "settings": { "script": "uptime", "batches": "1 *2" } }));
    assert!(api.lines()[1].ends_with("?after=f9"), "{:?}", api.lines());
}

#[tokio::test]
async fn a_run_that_waits_for_somebody_ends_the_wait() {
    let why = Some("1 server has failed, 0 may");
    let api = Scripted::new([
        (POST, vec![accepted(&[])]),
        (RUN, vec![the_run("paused", 0, why, &json!({ "failed": 1 }))]),
        (TASKS, vec![told(&[("web01", "failed", Some("no such port"))])]),
    ])
    .await;
    let ran = loki(&api.api, &["deploy", "retry", "0000000000000007", "--wait", "--id", "a-1"]).await;
    assert_eq!(ran.exit, Exit::Failed);
    assert!(ran.out.ends_with("servers succeeded, 1 failed: 1 server has failed, 0 may\n  web01  failed: no such port\n"), "{}", ran.out);
    assert!(ran.err.contains("loki deploy resume 0000000000000007"), "{}", ran.err);
    assert_eq!((&api.seen()[0].json()["type"], &api.seen()[0].json()["id"]), (&json!("run.retry"), &json!("a-1")));
    // without waiting it ends with the command
    check(&api.api, &["deploy", "rollback", "0000000000000007", "--fast"], "accepted c7, it was so already\n").await;
    let sent = api.seen().into_iter().rfind(|seen| seen.line.starts_with("POST")).unwrap().json();
    assert_eq!((&sent["type"], &sent["data"]["fast"]), (&json!("run.roll_back"), &json!(true)));
}

/// Each of these is what its command asks for, and a failure to every other one.
#[tokio::test]
async fn what_was_asked_for_is_no_failure() {
    let ends = [("pause", "paused"), ("stop", "cancelled"), ("rollback", "rolled_back")];
    for (verb, _) in ends.into_iter().chain([("resume", ""), ("approve", "")]) {
        for state in ["paused", "cancelled", "rolled_back", "awaiting_approval", "failed"] {
            let api = Scripted::new([
                (POST, vec![accepted(&["run/0000000000000007"])]),
                (RUN, vec![the_run(state, 0, None, &json!({}))]),
                (TASKS, vec![told(&[])]),
            ])
            .await;
            let ran = loki(&api.api, &["deploy", verb, "0000000000000007", "--wait"]).await;
            let expected = if ends.contains(&(verb, state)) { Exit::Ok } else { Exit::Failed };
            assert_eq!(ran.exit, expected, "{verb} and {state}: {}{}", ran.out, ran.err);
            // what the run was before the command is not taken for its end
            assert!(api.lines()[1].ends_with("?after=f9"), "{:?}", api.lines());
        }
    }
}

#[tokio::test]
async fn a_wait_without_a_reader_ends_as_the_run_does() {
    for (state, exit) in [("succeeded", Exit::Ok), ("failed", Exit::Failed)] {
        let runs = vec![the_run("running", 0, None, &json!({})), the_run(state, 1, None, &json!({}))];
        let api = Scripted::new([(POST, vec![accepted(&["run/0000000000000007"])]), (RUN, runs), (TASKS, vec![told(&[])])]).await;
        let arguments = ["deploy", "start", "/acme", "--package", "web", "--version", "1", "--wait"];
        let ran = Run::new(&api.api, &arguments).unread().ran().await;
        assert_eq!((ran.exit, ran.err.as_str()), (exit, ""));
    }
    let rejected = Answer::ok(r#"{"id":"x","outcome":"rejected","position":"c8","code":"forbidden","message":"no"}"#);
    let api = Scripted::new([(POST, vec![rejected])]).await;
    assert_eq!(Run::new(&api.api, &["deploy", "stop", "0000000000000007"]).unread().ran().await.exit, Exit::Failed);
}

/// For programs: servers as they change, and the run when it has ended.
#[tokio::test]
async fn programs_get_servers_and_then_the_run() {
    let api = Scripted::new([
        (
            RUN,
            vec![
                the_run("running", 0, None, &json!({ "running": 1 })),
                the_run("failed", 0, Some("1 has failed"), &json!({ "failed": 1 })),
            ],
        ),
        (TASKS, vec![told(&[("web01", "running", None)]), told(&[("web01", "failed", Some("no such port"))])]),
    ])
    .await;
    let ran = loki(&api.api, &["deploy", "watch", "0000000000000007", "-o", "json"]).await;
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Failed, ""));
    let lines: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let servers: Vec<_> = lines[..2].iter().map(|line| (&line["name"], &line["task"]["state"], &line["task"]["message"])).collect();
    let web01 = &json!("web01");
    assert_eq!(servers, [(web01, &json!("running"), &json!(null)), (web01, &json!("failed"), &json!("no such port"))]);
    assert_eq!((lines.len(), &lines[2]["id"], &lines[2]["state"]), (3, &json!("0000000000000007"), &json!("failed")));
    assert_eq!(lines[2]["why"], "1 has failed");
}

#[tokio::test]
async fn the_batch_is_counted_by_itself() {
    let tasks = json!({ "succeeded": 1, "running": 1, "failed": 0 });
    let of_batch = the_run("running", 1, None, &tasks).replaced(r#""package":null"#, r#""package":null,"batch":{"running":1,"failed":0}"#);
    let api = Scripted::new([(RUN, vec![of_batch, the_run("succeeded", 1, None, &json!({}))]), (TASKS, vec![told(&[])])]).await;
    let ran = loki(&api.api, &["deploy", "watch", "0000000000000007"]).await;
    let line = "run 0000000000000007  running  batch 2 of 2 (1 at work)  1 of 2 servers succeeded, 1 at work\n";
    assert!(ran.out.contains(line), "{}", ran.out);
}

#[tokio::test]
async fn of_a_large_run_only_what_is_told_is_read() {
    let failed = ("web01", "failed", Some("no such port"));
    let unknown = ("web02", "unknown", None);
    let api = Scripted::new([
        (
            RUN,
            vec![
                a_large_run("running", &json!({ "pending": 9 })),
                a_large_run("running", &json!({ "pending": 7, "succeeded": 1, "failed": 1 })),
                a_large_run("running", &json!({ "pending": 6, "succeeded": 2, "failed": 1 })),
                a_large_run("failed", &json!({ "succeeded": 7, "failed": 1, "unknown": 1 })),
            ],
        ),
        (TASKS, vec![told(&[failed]), told(&[failed, unknown])]),
    ])
    .await;
    let ran = loki(&api.api, &["deploy", "watch", "0000000000000007"]).await;
    assert!(ran.exit == Exit::Failed && ran.out.contains("5000 servers"), "{}{}", ran.out, ran.err);
    let servers: Vec<_> = ran.out.lines().filter(|line| line.starts_with("  ")).collect();
    assert_eq!(servers, ["  web01  failed: no such port", "  web02  unknown"]);
    let asked: Vec<_> = api.lines().into_iter().filter(|line| line.contains("/tasks")).collect();
    assert_eq!(asked, vec![format!("{TASKS}?state=failed%2Cunknown&limit=1000"); 2]);
}

#[tokio::test]
async fn a_run_that_goes_on_is_said_how_to_come_back_to() {
    let api = Scripted::new([(RUN, vec![the_run("running", 1, None, &json!({}))]), (TASKS, vec![told(&[])])]).await;
    let ran = loki(&api.api, &["deploy", "watch", "0000000000000007", "--wait", "1ms"]).await;
    assert_eq!(ran.exit, Exit::Timeout);
    assert!(ran.err.contains("`loki deploy watch 0000000000000007` follows it again"), "{}", ran.err);
}

#[tokio::test]
async fn an_api_that_is_away_ends_no_wait() {
    let hurried = Patience { first: Duration::ZERO, known: Duration::ZERO, ..Patience::default() };
    let away = || Answer::problem(503, "not_ready", "the store is being built").header("retry-after", "0");
    let start = ["deploy", "start", "/acme", "--package", "web", "--version", "1", "--wait"];
    // away from the first look on, and once more in the list of the servers
    let runs = vec![away(), away(), the_run("running", 0, None, &json!({})), the_run("succeeded", 1, None, &json!({}))];
    let tasks = vec![told(&[]), away(), told(&[("web01", "succeeded", None)])];
    let api = Scripted::new([(POST, vec![accepted(&["run/0000000000000007"])]), (RUN, runs), (TASKS, tasks)]).await;
    let ran = Run::new(&api.api, &start).patience(hurried).ran().await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    let (gone, back) = ("nothing is heard of the run (the store is being built", "the API answers again\n");
    assert_eq!((ran.err.matches(gone).count(), ran.err.matches(back).count()), (2, 2), "{}", ran.err);
    assert!(ran.out.ends_with("  web01  succeeded\n"), "{}", ran.out);
    // what it waits for is asked for until it is there
    assert!(api.lines()[3].ends_with("?after=f9") && !api.lines()[5].contains("after"), "{:?}", api.lines());

    // until the time is over
    let api = Scripted::new([(RUN, vec![away()])]).await;
    let ran = Run::new(&api.api, &["deploy", "watch", "0000000000000007", "--wait", "600ms"]).patience(hurried).ran().await;
    assert_eq!((ran.exit, ran.err.matches(gone).count()), (Exit::Timeout, 1), "{}", ran.err);
    assert!(ran.err.contains("`loki deploy watch 0000000000000007` follows it again"), "{}", ran.err);

    // what refuses is not away, and neither is what has never been there
    let api = Scripted::new([(RUN, vec![away(), Answer::problem(404, "not_found", "no such run")])]).await;
    assert_eq!(Run::new(&api.api, &["deploy", "watch", "0000000000000007"]).patience(hurried).ran().await.exit, Exit::NotFound);
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let ran = Run::new(&free.to_string(), &["deploy", "watch", "0000000000000007"]).patience(hurried).ran().await;
    assert!(ran.exit == Exit::Failed && ran.err.contains("nothing listens"), "{}", ran.err);
}

#[tokio::test]
async fn a_plan_shows_batches_as_they_would_be() {
    let servers = (0..7).map(|number| json!({ "name": format!("web{number}"), "state": if number == 3 { "offline" } else { "online" } }));
    let template = json!({ "template": { "id": "1", "node": "1", "name": "web", "kind": "standard-deploy",
        "settings": { "batches": "1 50%", "failures": "10%", "canaries": ["web5"] } }, "path": "/acme" });
    let api = Scripted::new([
        ("GET /v1/servers", vec![Answer::ok(json!({ "servers": servers.collect::<Vec<_>>() }).to_string())]),
        ("GET /v1/templates", vec![Answer::ok(json!({ "items": [template], "next": null }).to_string())]),
    ])
    .await;
    let expected = "template web of /acme\n6 servers in 3 batches; at most 10% may fail\n   1      1  web5\n   2      3  web0 … web2\n   3      2  web4, web6\n";
    check(&api.api, &["deploy", "plan", "/acme/shop", "--template", "web"], expected).await;
    let plain = "6 servers in 1 batch; at most 2 may fail\n   1      6  web0 … web6\n";
    check(&api.api, &["deploy", "plan", "/acme/shop", "--batches", "100%", "--failures", "2"], plain).await;
    let ran = loki(&api.api, &["deploy", "plan", "/acme/shop", "--template", "web", "-o", "json"]).await;
    let batches = json!([["web5"], ["web0", "web1", "web2"], ["web4", "web6"]]);
    let expected = json!({ "node": "/acme/shop", "servers": 6, "failures": "10%", "batches": batches });
    assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap(), expected);
    let ran = loki(&api.api, &["deploy", "plan", "/acme/shop", "--template", "api"]).await;
    assert_eq!(ran.exit, Exit::NotFound);
    let ran = loki(&api.api, &["deploy", "plan", "/acme/shop", "--canary", "web3"]).await;
    assert!(ran.err.contains("no online server `web3`"), "{}", ran.err);
}

/// A plan that a start would be rejected for is none.
#[tokio::test]
async fn a_plan_has_the_limits_of_a_run() {
    let servers = |count: usize| {
        let servers: Vec<_> = (0..count).map(|number| json!({ "name": format!("web{number:05}"), "state": "online" })).collect();
        Answer::ok(json!({ "servers": servers }).to_string())
    };
    let api = Scripted::new([
        ("GET /v1/servers", vec![servers(500), servers(501), servers(501), servers(20_001)]),
        ("GET /v1/templates", vec![Answer::ok(r#"{"items":[],"next":null}"#)]),
    ])
    .await;
    let plan = ["deploy", "plan", "/acme"];
    let large = [&plan[..], &["--batches", "25%"]].concat();
    assert_eq!(loki(&api.api, &plan).await.exit, Exit::Ok);
    let ran = loki(&api.api, &plan).await;
    let told = "error: a run has at most 500 batches, and these are 501: make them larger, such as `--batches 25%`\n";
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Failed, told));
    assert_eq!(loki(&api.api, &large).await.exit, Exit::Ok);
    let ran = loki(&api.api, &large).await;
    assert!(ran.exit == Exit::Failed && ran.err.ends_with("these are 20001: start one for each node below\n"), "{}", ran.err);
}

#[tokio::test]
async fn a_token_is_made_here_and_only_its_public_half_is_sent() {
    let rejected = Answer::ok(r#"{"id":"x","outcome":"rejected","position":"c8","code":"forbidden","message":"no"}"#);
    let api = Scripted::new([(POST, vec![accepted(&["token/0000000000000001"]), accepted(&[]), rejected])]).await;
    let create = ["admin", "token", "create", "ci", "--node", "/acme", "--for", "deploy", "--expires", "90d"];
    let ran = loki(&api.api, &create).await;
    let secret: Secret = ran.out.trim().parse().unwrap();
    let data = api.seen()[0].json()["data"].clone();
    assert_eq!((&data["key"], &data["uses"]), (&json!(secret.public().to_string()), &json!(["deploy"])));
    assert!(data["expires_ms"].as_i64().unwrap() > 1_000_000_000_000 && data["node"] == "/acme", "{data}");
    assert!(!api.seen()[0].body.contains(&secret.reveal()));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ci.token");
    let out = file.to_str().unwrap();
    let ran = loki(&api.api, &[&create[..], &["--out", out]].concat()).await;
    assert!(ran.exit == Exit::Ok && !ran.out.contains("loki_"), "{ran:?}");
    assert!(std::fs::read_to_string(&file).unwrap().trim().parse::<Secret>().is_ok());
    let ran = loki(&api.api, &[&create[..], &["--out", out]].concat()).await;
    assert_eq!(ran.exit, Exit::Usage, "it is there already: {}", ran.err);
    // a token that was not made leaves no secret behind
    let other = folder.path().join("other.token");
    let ran = loki(&api.api, &[&create[..], &["--out", other.to_str().unwrap()]].concat()).await;
    assert!(ran.exit == Exit::Failed && !other.exists(), "{ran:?}");
}

#[tokio::test]
async fn tokens_packages_and_runs_are_listed() {
    let token = |name: &str, node: Option<&str>, path: Option<&str>| json!({ "token": { "name": name, "node": node, "uses": ["deploy", "grant"], "expires_ms": null }, "path": path });
    let tokens = [token("ci", Some("01"), Some("/acme")), token("old", Some("02"), None), token("owner", None, None)];
    let package = json!({ "id": "1", "name": "web", "version": "1.4.2", "branch": null, "url": "artifact", "sha256": "ab".repeat(32), "size": 7,
        "minisign": null, "manifest": { "hooks": {}, "user": null, "unit": null, "health": null }, "withdrawn": "leaks" });
    let api = Scripted::new([
        ("GET /v1/tokens", vec![Answer::ok(json!({ "items": tokens, "next": null }).to_string())]),
        ("GET /v1/packages", vec![Answer::ok(json!({ "items": [package], "next": null }).to_string())]),
    ])
    .await;
    let expected = "NAME   FOR           NODE               EXPIRES\nci     deploy,grant  /acme              never\n\
        old    deploy,grant  02, which is gone  never\nowner  deploy,grant  /                  never\n";
    check(&api.api, &["admin", "token", "list"], expected).await;
    let expected =
        "NAME  VERSION  BRANCH  SIZE  SHA256        WITHDRAWN  URL\nweb   1.4.2    -       7     abababababab  leaks      artifact\n";
    check(&api.api, &["package", "list", "web"], expected).await;
    assert_eq!(api.lines()[1], "GET /v1/packages?name=web&limit=1000");
}

#[tokio::test]
async fn a_package_is_registered_by_its_archive() {
    let api = Scripted::new([(POST, vec![accepted(&["package/0000000000000001"])])]).await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("web.tar.gz"), "abc").unwrap();
    std::fs::write(at("web.json"), r#"{"unit":"web.service"}"#).unwrap();
    let register = ["package", "register", "web", "1.4.2", "--url", "https://dl.acme.example/web"];
    let ran = loki(&api.api, &[&register[..], &["--file", &at("web.tar.gz"), "--manifest", &at("web.json")]].concat()).await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    let data = api.seen()[0].json()["data"].clone();
    assert_eq!((&data["size"], &data["manifest"]["unit"]), (&json!(3), &json!("web.service")));
    assert!(data["sha256"].as_str().unwrap().starts_with("ba7816bf"), "{data}");
    std::fs::write(at("web.json"), "no").unwrap();
    let ran = loki(&api.api, &[&register[..], &["--file", &at("web.tar.gz"), "--manifest", &at("web.json")]].concat()).await;
    assert!(ran.exit == Exit::Usage && ran.err.contains("`--manifest`"), "{}", ran.err);
}

const LOG: &str = "GET /v1/runs/0000000000000007/hosts/web01/log";

fn log(state: &str, items: &[(u32, &str, u64, &str)], next: &str, complete: bool) -> Answer {
    let item = |(attempt, step, offset, text): &(u32, &str, u64, &str)| json!({ "attempt": attempt, "step": step, "offset": offset, "bytes": text.len(), "text": text, "at": "2026-01-31T12:00:00Z" });
    let items: Vec<_> = items.iter().map(item).collect();
    Answer::ok(json!({ "server": "1", "attempt": 1, "state": state, "items": items, "next": next, "complete": complete }).to_string())
}

#[tokio::test]
async fn a_log_is_followed_until_the_host_is_done() {
    let api = Scripted::new([(
        LOG,
        vec![
            log("running", &[(1, "stop", 0, "bye\n"), (1, "start", 4, "one\r\n\u{1b}[2J2 %")], "1.16", false),
            log("running", &[], "1.16", false),
            log("failed", &[(1, "start", 16, "\rtwo\n"), (1, "start", 99, "late\n")], "2.0", true),
        ],
    )])
    .await;
    let ran = loki(&api.api, &["deploy", "log", "0000000000000007", "web01", "-f"]).await;
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Ok, "bye\none\n\u{fffd}[2J2 %\ntwo\nlate\n"));
    assert_eq!(ran.err, "-- attempt 1, stop\n-- attempt 1, start\n-- 78 bytes before this are not kept any more\n");
    assert_eq!(api.lines(), [format!("{LOG}?follow=20s"), format!("{LOG}?from=1.16&follow=20s"), format!("{LOG}?from=1.16&follow=20s")]);
}

#[tokio::test]
async fn a_log_that_goes_on_says_how_to_follow_it() {
    let api =
        Scripted::new([(LOG, vec![log("running", &[(2, "script", 0, "half a line")], "2.11", false), log("running", &[], "2.11", false)])])
            .await;
    let ran = loki(&api.api, &["deploy", "log", "0000000000000007", "web01", "--from", "2"]).await;
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Ok, "half a line\n"));
    assert!(ran.err.ends_with("`loki deploy log 0000000000000007 web01 -f --from 2.11` follows it\n"), "{}", ran.err);
    assert_eq!(api.lines(), [format!("{LOG}?from=2"), format!("{LOG}?from=2.11")]);

    let api = Scripted::new([(LOG, vec![log("succeeded", &[], "2.0", true)])]).await;
    let ran = loki(&api.api, &["deploy", "log", "0000000000000007", "web01"]).await;
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", "nothing was printed: the host has succeeded\n"));
    let api = Scripted::new([(LOG, vec![log("succeeded", &[(1, "start", 0, "ok\n")], "2.0", true)])]).await;
    let ran = loki(&api.api, &["deploy", "log", "0000000000000007", "web01", "-o", "json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap()["text"], "ok\n", "{}", ran.out);
    let missing = Scripted::new([(LOG, vec![Answer::problem(404, "not_found", "no such run")])]).await;
    assert_eq!(loki(&missing.api, &["deploy", "log", "0000000000000007", "web01"]).await.exit, Exit::NotFound);
}
