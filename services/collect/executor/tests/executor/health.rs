//! A release whose health is asked over HTTP: a success is good, and nothing else.

use loki_executor::{Outcome, Step};
use loki_wire::fact::v1::deploy::Check;

use crate::host::{Host, Package, document, failure};
use crate::server::{Answer, Server};

/// More often than it is asked.
const ALWAYS: usize = 10_000;

fn asks(version: &'static str, port: u16, within_ms: u32) -> Package {
    Package::new(version).health(Check::Http { port, path: "/health".to_owned() }, 20, within_ms)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_answers_with_a_success_is_good() {
    let host = Host::new();
    let good = Server::begin(b"fine", []).await;
    assert_eq!(host.carry_out(&document(1, 1, asks("1.0", good.port(), 10_000).wanted(&host))).await, Outcome::Succeeded);
    assert_eq!(good.asked()[0], ("/health".to_owned(), 0, None));

    let ill = Server::begin(b"", vec![Answer::Status("500 Internal Server Error"); ALWAYS]).await;
    let elsewhere: &str = format!("302 Found\r\nlocation: {}/elsewhere", good.url()).leak();
    let moved = Server::begin(b"", vec![Answer::Status(elsewhere); ALWAYS]).await;
    // it takes connections, and answers none
    let hangs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let cases = [("2.0", ill.port()), ("3.0", moved.port()), ("4.0", hangs.local_addr().unwrap().port())];
    for (number, (version, port)) in (2..).zip(cases) {
        let outcome = host.carry_out(&document(number, 1, asks(version, port, 400).wanted(&host))).await;
        let (step, said) = failure(&outcome);
        assert!(step == Step::Health && said.starts_with("it was not good within 400 ms: "), "{version}: {outcome:?}");
        assert!(said.ends_with("; `1.0` serves again") && host.serves().as_deref() == Some("1.0"), "{version}: {outcome:?}");
    }
    assert!(good.asked().iter().all(|(path, _, _)| path == "/health"), "{:?}", good.asked());
    assert!(!ill.asked().is_empty() && !moved.asked().is_empty());
}
