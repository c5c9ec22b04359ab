//! `loki events`.

use loki_cli::Exit;

use crate::run::{check, loki, refused};
use crate::scripted::{Answer, Scripted};

const EVENTS: &str = "GET /v1/events";
const STATUS: &str = r#"{"commands":"c5","undecided":0,"projections":[
    {"name":"mysql","log":null,"position":null,"end":"f9","lag":null,"state":"empty","last_error":null},
    {"name":"history","log":null,"position":null,"end":"o8","lag":null,"state":"empty","last_error":null}]}"#;

fn event(offset: u64, verdict: &str, more: &str) -> String {
    let data = format!(r#"{{"id":"x","outcome":"{verdict}","position":"c{offset}","type":"node.set","actor":"ann"{more}}}"#);
    format!("id: o{offset}\nevent: {verdict}\ndata: {data}\n\n")
}

/// The stream breaks in the middle of the second event; the third request gives what is left.
#[tokio::test]
async fn a_broken_stream_is_taken_up_where_it_broke() {
    let (one, two) = (
        event(8, "accepted", r#","facts":[{"key":"node/1","position":"f9","data":null}]"#),
        event(9, "duplicate", r#","duplicate_of":"c3""#),
    );
    let three = event(10, "rejected", r#","code":"not_found","message":"no \u001b""#);
    let api = Scripted::new([
        ("GET /v1/status", vec![Answer::ok(STATUS)]),
        (
            EVENTS,
            vec![
                Answer::ok("").pieces(&[": alive\n\n", &one, &two[..30]]).breaking(),
                Answer::problem(503, "not_ready", "the log is away").header("retry-after", "0"),
                Answer::ok("").pieces(&[&two]),
                Answer::ok("").pieces(&[&three, &event(11, "accepted", "")]),
            ],
        ),
    ])
    .await;
    let expected = "\
o8  c8  accepted  node.set  ann  1 fact
o9  c9  duplicate  node.set  ann  asked before at c3
o10  c10  rejected  node.set  ann  not_found: no \u{fffd}
";
    check(&api.api, &["events", "--count", "3"], expected).await;
    let lines = api.lines();
    assert_eq!(
        lines,
        ["GET /v1/status", "GET /v1/events?from=o7", "GET /v1/events?from=o8", "GET /v1/events?from=o8", "GET /v1/events?from=o9"]
    );
    let last = |at: usize| api.seen()[at].headers["last-event-id"].to_str().unwrap().to_owned();
    assert_eq!([last(1), last(2), last(4)], ["o7", "o8", "o9"]);
}

#[tokio::test]
async fn programs_get_a_line_each() {
    let api = Scripted::new([(EVENTS, vec![Answer::ok(event(8, "accepted", ""))])]).await;
    let data = r#"{"id":"x","outcome":"accepted","position":"c8","type":"node.set","actor":"ann"}"#;
    let expected = format!("{{\"id\":\"o8\",\"event\":\"accepted\",\"data\":{data}}}\n");
    check(&api.api, &["events", "--from", "o", "-n", "1", "-o", "json"], &expected).await;
    assert_eq!(api.lines(), ["GET /v1/events?from=o"]);
}

#[tokio::test]
async fn what_cannot_get_better_ends_it() {
    let api = Scripted::new([(EVENTS, vec![Answer::problem(400, "bad_parameter", "`from` needs a position")])]).await;
    let ran = loki(&api.api, &["events", "--from", "c1"]).await;
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Usage, "error: `from` needs a position (bad_parameter)\n"));
    let api = Scripted::new([(EVENTS, vec![Answer::ok("data: {\n\n")])]).await;
    let ran = loki(&api.api, &["events", "--from", "o"]).await;
    assert!(ran.exit == Exit::Failed && ran.err.contains("an event cannot be read"), "{ran:?}");
}

#[test]
fn none_is_no_number_of_events_to_wait_for() {
    assert!(refused(&["events", "-n", "0"]).is_some_and(|told| told.contains("0 is not in 1..")));
    assert_eq!(refused(&["events", "-n", "1"]), None);
}
