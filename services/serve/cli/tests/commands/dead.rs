//! `loki dead`.

use loki_cli::Exit;

use crate::run::{Run, check, loki};
use crate::scripted::{Answer, Scripted};

const LIST: &str = r#"{"items":[{"id":"loki.commands/0/17/0","at":"2026-01-31T12:00:00Z","code":"bad_json","message":"expected `}`","bytes":7}],"next":null}"#;
const LETTER: &str = r#"{"id":"loki.commands/0/17/0","at":"2026-01-31T12:00:00Z","code":"bad_json","message":"expected `}`","bytes":7,"value":"{\n\"a\u001b","headers":{"ce_id":"x\u0007"}}"#;
const REPLAY: &str = "POST /v1/dead/loki.commands%2F0%2F17%2F0/replay";

#[tokio::test]
async fn listed_and_shown() {
    let api =
        Scripted::new([("GET /v1/dead", vec![Answer::ok(LIST)]), ("GET /v1/dead/loki.commands%2F0%2F17%2F0", vec![Answer::ok(LETTER)])])
            .await;
    let list = "\
ID                    AT                    BYTES  CODE      MESSAGE
loki.commands/0/17/0  2026-01-31T12:00:00Z  7      bad_json  expected `}`
";
    check(&api.api, &["dead", "list"], list).await;
    check(&api.api, &["dead", "list", "-o", "json"], &format!("{LIST}\n")).await;
    let letter = "\
id       loki.commands/0/17/0
at       2026-01-31T12:00:00Z
reason   bad_json: expected `}`
bytes    7
header   ce_id: x\u{fffd}
value
{
\"a\u{fffd}
";
    check(&api.api, &["dead", "show", "loki.commands/0/17/0"], letter).await;
    check(&api.api, &["dead", "show", "loki.commands/0/17/0", "-o", "json"], &format!("{LETTER}\n")).await;
    assert_eq!(loki(&api.api, &["dead", "show", "nobody"]).await.exit, Exit::NotFound);
    let ran = loki(&api.api, &["dead", "show", ".."]).await;
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Usage, "error: `..` names nothing\n"));
}

#[tokio::test]
async fn replayed() {
    let rejected = r#"{"id":"x","outcome":"rejected","position":"c20","code":"not_found","field":"node","message":"no node `/x`"}"#;
    let api = Scripted::new([
        (REPLAY, vec![Answer::new(202, r#"{"position":"c20"}"#)]),
        ("GET /v1/commands/c20", vec![Answer::new(202, r#"{"id":"","outcome":"pending","position":"c20"}"#), Answer::ok(rejected)]),
    ])
    .await;
    check(&api.api, &["dead", "replay", "loki.commands/0/17/0"], "replayed at c20\n").await;
    let ran = loki(&api.api, &["dead", "replay", "loki.commands/0/17/0", "--wait"]).await;
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Failed, "rejected c20: not_found: no node `/x` (field `node`)\n"));
}

/// Twice would put the record into its topic twice.
#[tokio::test]
async fn a_replay_is_not_repeated() {
    let api = Scripted::new([(REPLAY, vec![Answer::problem(503, "not_ready", "the log is away").header("retry-after", "0")])]).await;
    let ran = loki(&api.api, &["dead", "replay", "loki.commands/0/17/0"]).await;
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Failed, "error: the log is away (not_ready)\n"));
    assert_eq!(api.seen().len(), 1);
}

const DROP: &str = "DELETE /v1/dead/loki.commands%2F0%2F17%2F0";

#[tokio::test]
async fn dropped_when_that_is_meant() {
    let gone = r#"{"id":"loki.commands/0/17/0"}"#;
    let api = Scripted::new([(DROP, vec![Answer::ok(gone)])]).await;
    let drop = ["dead", "drop", "loki.commands/0/17/0"];
    let ran = loki(&api.api, &drop).await;
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Usage, "error: there is no terminal to ask at: say `--yes`\n"));
    let ran = Run::new(&api.api, &drop).answered("n\n").ran().await;
    assert_eq!(ran.err, "take the letter `loki.commands/0/17/0` away for good? [y/N] nothing was done\n");
    assert!(api.seen().is_empty());
    check(&api.api, &[&drop[..], &["--yes"]].concat(), "dropped loki.commands/0/17/0\n").await;
    check(&api.api, &[&drop[..], &["--yes", "-o", "json"]].concat(), &format!("{gone}\n")).await;
    assert_eq!(loki(&api.api, &["dead", "drop", "nobody", "--yes"]).await.exit, Exit::NotFound);
}

#[tokio::test]
async fn a_list_that_is_too_long_says_so() {
    let list = LIST.replace(r#""next":null"#, r#""next":null,"left_out":true"#);
    let api = Scripted::new([("GET /v1/dead", vec![Answer::ok(&list)])]).await;
    let ran = loki(&api.api, &["dead", "list"]).await;
    assert!(ran.exit == Exit::Ok && ran.err.contains("too many to be listed"), "{ran:?}");
    check(&api.api, &["dead", "list", "-o", "json"], &format!("{list}\n")).await;
}
