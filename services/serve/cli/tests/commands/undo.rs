//! `loki undo`.

use loki_cli::Exit;

use crate::run::{Run, check, loki};
use crate::scripted::{Answer, Scripted};

const UNDO: &str = "GET /v1/history/undo";
const POST: &str = "POST /v1/commands";
const PLAN: &str = r#"{"position":"c17","commands":[
    {"id":"undo-c17-0","type":"node.move","data":{"node":"01","to":"/"}},{"id":"undo-c17-1","type":"node.rename","data":{"node":"01","name":"a"}}]}"#;
const SHOWN: &str = "node.move {\"node\":\"01\",\"to\":\"/\"}\nnode.rename {\"node\":\"01\",\"name\":\"a\"}\n";

fn accepted(position: &str) -> Answer {
    Answer::ok(format!(
        r#"{{"id":"x","outcome":"accepted","position":"{position}","after":"f9","facts":[{{"key":"node/01","position":"f9","data":null}}]}}"#
    ))
}

async fn api(outcomes: Vec<Answer>) -> Scripted {
    Scripted::new([(UNDO, vec![Answer::ok(PLAN)]), (POST, outcomes)]).await
}

#[tokio::test]
async fn a_plan_is_only_shown() {
    let api = api(vec![]).await;
    check(&api.api, &["undo", "c17", "--plan"], SHOWN).await;
    check(&api.api, &["undo", "c17", "--plan", "-o", "json"], &format!("{PLAN}\n")).await;
    assert_eq!(api.lines(), ["GET /v1/history/undo?position=c17", "GET /v1/history/undo?position=c17"]);
}

#[tokio::test]
async fn commands_go_one_after_another_with_ids_of_this_attempt() {
    let api = api(vec![accepted("c20"), accepted("c21")]).await;
    let told = format!("{SHOWN}accepted c20, to be read after f9\n  f9  node/01\naccepted c21, to be read after f9\n  f9  node/01\n");
    check(&api.api, &["undo", "c17", "--yes", "--actor", "ann"], &told).await;
    let sent: Vec<_> = api.seen()[1..].iter().map(super::scripted::Seen::json).collect();
    assert_eq!(sent.iter().map(|sent| sent["type"].as_str().unwrap()).collect::<Vec<_>>(), ["node.move", "node.rename"]);
    assert!(sent.iter().all(|sent| sent["actor"] == "ann"));
    assert_eq!(sent[1]["data"], serde_json::json!({"node": "01", "name": "a"}));
    let attempt = |at: usize, prefix: &str| sent[at]["id"].as_str().unwrap().strip_prefix(prefix).unwrap().to_owned();
    assert_eq!(attempt(0, "undo-c17-0-"), attempt(1, "undo-c17-1-"));
    assert_eq!(attempt(0, "undo-c17-0-").len(), 12);
}

#[tokio::test]
async fn the_first_rejection_stops_it() {
    let rejected =
        Answer::ok(r#"{"id":"x","outcome":"rejected","position":"c21","code":"already_exists","field":"name","message":"taken"}"#);
    let api = api(vec![accepted("c20"), rejected]).await;
    let ran = loki(&api.api, &["undo", "c17", "--yes", "--quiet"]).await;
    assert_eq!(ran.exit, Exit::Failed);
    assert!(ran.out.ends_with("rejected c21: already_exists: taken (field `name`)\n"), "{}", ran.out);
    assert_eq!(ran.err, "error: stopped: 1 of 2 commands not carried out; those before it stay as they are\n");
}

/// It is in the log: nobody may believe that it was not carried out.
#[tokio::test]
async fn a_command_without_an_outcome_is_named() {
    let pending = || Answer::new(202, r#"{"id":"x","outcome":"pending","position":"c21"}"#);
    let api = Scripted::new([
        (UNDO, vec![Answer::ok(PLAN)]),
        (POST, vec![pending(), accepted("c20"), pending()]),
        ("GET /v1/commands/c21", vec![pending()]),
    ])
    .await;
    let look = "error: c21 has no outcome after 10ms and may still be carried out: see what becomes of it by `loki audit --from c21 --to c21 --after c21`";
    for behind in ["; 1 of 2 commands not sent", ""] {
        let ran = loki(&api.api, &["undo", "c17", "--yes", "--quiet", "--wait", "10ms"]).await;
        assert_eq!((ran.exit, ran.err), (Exit::Timeout, format!("{look}{behind}\n")));
    }
}

#[tokio::test]
async fn it_asks_first() {
    let api = api(vec![accepted("c20")]).await;
    let ran = loki(&api.api, &["undo", "c17"]).await;
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Usage, "error: there is no terminal to ask at: say `--yes`\n"));
    for answer in ["n\n", "\n", "", "yeah\n"] {
        let ran = Run::new(&api.api, &["undo", "c17"]).answered(answer).ran().await;
        assert_eq!((ran.exit, ran.err.as_str()), (Exit::Ok, "undo c17 by 2 commands? [y/N] nothing was done\n"));
    }
    assert!(api.lines().iter().all(|line| line.starts_with("GET")), "{:?}", api.lines());
    let ran = Run::new(&api.api, &["undo", "c17"]).answered("y\n").ran().await;
    assert_eq!(ran.exit, Exit::Ok);
    assert_eq!(api.lines().iter().filter(|line| line.starts_with("POST")).count(), 2);
}

#[tokio::test]
async fn what_cannot_be_undone() {
    let api = Scripted::new([(
        UNDO,
        vec![
            Answer::problem(409, "cannot_undo", "c19 has changed `node/01` since: undo that first"),
            Answer::ok(r#"{"position":"c17","commands":[]}"#),
        ],
    )])
    .await;
    let ran = loki(&api.api, &["undo", "c17", "--yes"]).await;
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Conflict, "error: c19 has changed `node/01` since: undo that first (cannot_undo)\n"));
    let ran = loki(&api.api, &["undo", "c17", "--yes"]).await;
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Conflict, "error: no command undoes c17\n"));
}
