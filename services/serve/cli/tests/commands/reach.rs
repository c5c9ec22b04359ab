//! Reaching the API, and saying why it cannot be reached.

use std::time::Duration;

use loki_cli::client::Patience;
use loki_cli::{Common, Exit};
use loki_runtime::task;
use tokio::net::TcpListener;

use crate::run::{Run, loki, refused};
use crate::scripted::{Answer, Scripted};

const STATUS: &str = "GET /v1/status";
const LIVE: &str = r#"{"commands":"c5","undecided":0,"projections":[]}"#;

#[tokio::test]
async fn nothing_listens() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let patience = Patience { first: Duration::from_millis(100), known: Duration::from_secs(60), ..Patience::default() };
    let ran = Run::new(&free.to_string(), &["status"]).patience(patience).ran().await;
    assert_eq!(ran.exit, Exit::Failed);
    assert_eq!(ran.err, format!("error: nothing listens at http://{free}: start Loki with `loki all`, or name its address with `--api`\n"));
    assert_eq!(ran.out, "");
}

#[tokio::test]
async fn a_server_that_starts_meanwhile_is_found() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let starting = task::spawn("late server", async move {
        // whoever asks first is refused: that is what is tried here
        task::sleep(Duration::from_millis(200)).await;
        let router = axum::Router::new().route("/v1/status", axum::routing::get(|| async { LIVE }));
        axum::serve(TcpListener::bind(free).await.unwrap(), router).await.unwrap();
    });
    let patience = Patience { first: Duration::from_secs(30), known: Duration::from_secs(30), ..Patience::default() };
    let ran = Run::new(&free.to_string(), &["status"]).patience(patience).ran().await;
    starting.abort();
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
}

#[tokio::test]
async fn something_else_listens() {
    let api =
        Scripted::new([(STATUS, vec![Answer::new(200, "<html>hello</html>"), Answer::new(302, "<html>moved\u{1b}[2J</html>")])]).await;
    let ran = loki(&api.api, &["status"]).await;
    assert!(ran.exit == Exit::Failed && ran.err.contains("the answer to `/v1/status` cannot be read"), "{ran:?}");
    let ran = loki(&api.api, &["status"]).await;
    assert!(ran.err.contains("answered 302, and not as Loki does") && ran.err.contains("moved\u{fffd}[2J"), "{ran:?}");
}

#[tokio::test]
async fn a_silent_server_is_not_waited_for_without_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = listener.local_addr().unwrap();
    let accepting = task::spawn("silent server", async move {
        let mut kept = vec![];
        while let Ok(accepted) = listener.accept().await {
            kept.push(accepted);
        }
    });
    let patience = Patience { first: Duration::ZERO, known: Duration::ZERO, answer: Duration::from_millis(100) };
    let ran = Run::new(&api.to_string(), &["status"]).patience(patience).ran().await;
    accepting.abort();
    assert_eq!((ran.exit, ran.err), (Exit::Timeout, format!("error: no answer from http://{api} in time\n")));
}

#[tokio::test]
async fn the_token_comes_from_a_file() {
    let api = Scripted::new([(STATUS, vec![Answer::ok(LIVE), Answer::problem(401, "unauthorized", "send a token")])]).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    std::fs::write(path, "  s3cret\n").unwrap();
    assert_eq!(loki(&api.api, &["status", "--token-file", path]).await.exit, Exit::Ok);
    assert_eq!(api.seen()[0].headers["authorization"], "Bearer s3cret");
    let ran = loki(&api.api, &["--token-file", path, "status"]).await;
    assert_eq!(ran.exit, Exit::Auth);
    assert!(
        ran.err.starts_with("error: send a token (unauthorized): give the token by `--token-file`") && !ran.err.contains("s3cret"),
        "{}",
        ran.err
    );
}

#[test]
fn a_token_or_an_address_that_cannot_be_used() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    for (text, told) in [(String::new(), "is empty"), ("a\nb".to_owned(), "no HTTP header"), ("x".repeat(9000), "is no token")] {
        std::fs::write(path, text).unwrap();
        assert!(client(&["--token-file", path]).unwrap_err().contains(told), "{told}");
    }
    assert!(client(&["--token-file", "/no/such/file"]).unwrap_err().contains("cannot read the token"));
    for (text, told) in [("", "holds no certificate"), ("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n", "in PEM")] {
        std::fs::write(path, text).unwrap();
        assert!(client(&["--api", "https://a", "--ca-file", path]).unwrap_err().contains(told), "{text}");
        assert!(client(&["--api", "http://a", "--ca-file", path]).is_ok(), "it is of no concern without TLS");
    }
    assert!(client(&["--api", "https://a", "--ca-file", "/no/such/file"]).unwrap_err().contains("cannot be read"));
    assert!(client(&["--api", "127.0.0.1:8470"]).is_ok());
}

fn client(flags: &[&str]) -> Result<(), String> {
    #[derive(clap::Parser)]
    struct Flags {
        #[command(flatten)]
        common: Common,
    }
    let flags: Flags = clap::Parser::parse_from(["loki"].into_iter().chain(flags.iter().copied()));
    match flags.common.client() {
        Ok(_) => Ok(()),
        Err(failure) => {
            assert_eq!(failure.exit, Exit::Usage);
            Err(failure.message)
        }
    }
}

#[tokio::test]
async fn a_closed_pipe_is_no_error() {
    let api = Scripted::new([(STATUS, vec![Answer::ok(LIVE)])]).await;
    let ran = Run::new(&api.api, &["status"]).unread().ran().await;
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Ok, ""));
}

#[test]
fn help_has_examples_and_nothing_is_ambiguous() {
    use clap::CommandFactory as _;
    let mut command = crate::run::Cli::command();
    command.clone().debug_assert();
    command.build();
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let expected =
        ["emit", "tree", "servers", "audit", "events", "status", "undo", "dead", "package", "deploy", "admin", "verify", "rebuild", "help"];
    assert_eq!(names, expected);
    for sub in command.get_subcommands_mut().filter(|sub| sub.get_name() != "help" && sub.get_name() != "tree") {
        let help = sub.render_long_help().to_string();
        assert!(help.contains("Examples:\n  loki ") && sub.get_about().is_some(), "{help}");
    }
    let help = refused(&["tree", "import", "--help"]).unwrap();
    assert!(help.contains("ansible-inventory --list --yaml --export") && help.contains("Never imported"), "{help}");
}
