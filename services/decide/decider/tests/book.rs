//! The book alone: time, ids, sizes, and undoing.

use bytes::Bytes;
use loki_core::generate::Wild;
use loki_core::{First, REMEMBERED_MS};
use loki_decider::book::{Book, Decided, Draft};
use loki_decider::intake::DECIDER;
use loki_domain::Code;
use loki_log::{Partition, Record, Topic};
use loki_wire::digest::sha256;
use loki_wire::signature::Secret;
use loki_wire::{Envelope, command, task};

const NOW: i64 = 1_700_000_000_000;

fn record(offset: u64, timestamp_ms: i64, id: &str, kind: &str, data: &str) -> Record {
    expiring(offset, timestamp_ms, id, kind, data, None)
}

fn expiring(offset: u64, timestamp_ms: i64, id: &str, kind: &str, data: &str, expires_ms: Option<i64>) -> Record {
    let mut envelope = Envelope::new(kind, Bytes::copy_from_slice(data.as_bytes()));
    envelope.id = Some(id.to_owned());
    envelope.expires_ms = expires_ms;
    let partition = Partition::only(&Topic::new("loki.commands"));
    Record { partition, offset, timestamp_ms, key: None, value: Some(envelope.data.clone()), headers: envelope.headers() }
}

/// Decides one record and takes it as written, with facts from `f100 * offset` on.
fn one(book: &mut Book, record: &Record) -> Draft {
    let draft = book.decide([record]);
    let after = match &draft.answers[0].decided {
        Decided::Accepted { facts, .. } if facts.is_empty() => vec![book.last_fact],
        Decided::Accepted { facts, .. } => vec![Some(100 * record.offset + facts.len() as u64 - 1)],
        _ => vec![],
    };
    book.settle(&draft, &after, sha256(&[&record.offset.to_be_bytes()]));
    draft
}

fn code(draft: &Draft) -> Option<(Code, String)> {
    match &draft.answers[0].decided {
        Decided::Rejected(rejection) => Some((rejection.code.clone(), rejection.field.clone())),
        _ => None,
    }
}

#[test]
fn a_command_expires_by_the_logs_time() {
    let mut book = Book::default();
    let mut ask = |offset, expires_ms: i64| {
        let data = format!(r#"{{"path":"/n{offset}"}}"#);
        code(&one(&mut book, &expiring(offset, NOW, &offset.to_string(), "node.create", &data, Some(expires_ms))))
    };
    let expires = "expires".to_owned();
    assert_eq!(ask(0, NOW), None);
    assert_eq!(ask(1, NOW - 1), Some((Code::Expired, expires.clone())));
    assert_eq!(ask(2, NOW + REMEMBERED_MS), None);
    assert_eq!(ask(3, NOW + REMEMBERED_MS + 1), Some((Code::Invalid, expires)));
}

#[test]
fn the_time_never_goes_back() {
    let mut book = Book::default();
    let at = |draft: Draft| draft.answers[0].at_ms;
    assert_eq!(at(one(&mut book, &record(0, NOW, "0", "node.create", r#"{"path":"/a"}"#))), NOW);
    assert_eq!(at(one(&mut book, &record(1, NOW - 5_000, "1", "node.create", r#"{"path":"/b"}"#))), NOW);
    assert_eq!(at(one(&mut book, &record(2, NOW + 1, "2", "node.create", r#"{"path":"/c"}"#))), NOW + 1);
}

#[test]
fn an_id_is_remembered_for_a_day_of_the_logs_time() {
    let mut book = Book::default();
    let ask =
        |book: &mut Book, offset, after_ms: i64| one(book, &record(offset, NOW + after_ms, "same", "node.create", r#"{"path":"/a"}"#));
    ask(&mut book, 0, 0);
    let draft = ask(&mut book, 1, REMEMBERED_MS);
    let Decided::Duplicate { of: 0, first: First::Accepted { after: Some(0) } } = draft.answers[0].decided else { panic!("{draft:?}") };
    let draft = ask(&mut book, 2, REMEMBERED_MS + 1);
    assert_eq!(code(&draft).map(|(code, _)| code), Some(Code::AlreadyExists), "it is a new command by then");
}

#[test]
fn an_entity_that_grows_too_large_is_refused() {
    let mut book = Book::default();
    one(&mut book, &record(0, NOW, "0", "node.create", r#"{"path":"/a"}"#));
    let long = "支".repeat(256);
    let labels: Vec<String> = (0..64).map(|n| format!(r#""k{n}":"{long}""#)).collect();
    let set = |field: &str| format!(r#"{{"node":"/a","{field}":{{{}}}}}"#, labels.join(","));
    let draft = one(&mut book, &record(1, NOW, "1", "node.set", &set("labels")));
    assert_eq!(code(&draft), None);
    let before = book.state.clone();
    let draft = one(&mut book, &record(2, NOW, "2", "node.set", &set("defaults")));
    assert_eq!(code(&draft), Some((Code::TooLarge, "node".to_owned())));
    assert!(book.state == before);
}

#[test]
fn a_batch_ends_before_it_is_too_large() {
    let mut book = Book::default();
    let dead: Vec<Record> = (0..20)
        .map(|offset| Record { value: Some(Bytes::from(vec![b'{'; 1_000_000])), ..record(offset, NOW, "x", "node.create", "{}") })
        .collect();
    let draft = book.decide(&dead);
    assert_eq!(draft.answers.len(), 9);
    book.forget(draft);
    assert!(book == Book::default());
}

/// The ids of steps can be guessed, and whoever may write commands can write one under the decider's name.
#[test]
fn a_forged_step_does_not_take_the_place_of_the_real_one() {
    let mut book = Book::default();
    let ask = |book: &mut Book, id: &str, actor: &str, kind: &str, data: &str| {
        let mut record = record(book.next, NOW, id, kind, data);
        record.headers.push(("ce_actor".to_owned(), Bytes::copy_from_slice(actor.as_bytes())));
        one(book, &record)
    };
    ask(&mut book, "node", "ann", "node.create", r#"{"path":"/web"}"#);
    for number in 0..450 {
        let name = format!("web{number}");
        ask(&mut book, &name, "ann", "server.register", &format!(r#"{{"name":"{name}"}}"#));
    }
    let set = ask(&mut book, "rule", "ann", "membership.set", r#"{"node":"/web","pattern":"web*"}"#);
    let Decided::Accepted { follow: Some(step), .. } = &set.answers[0].decided else { panic!("{set:?}") };
    let forged = ask(&mut book, &step.id, DECIDER, "membership.sweep", r#"{"membership":"0123456789abcdef"}"#);
    assert_eq!(code(&forged).map(|(code, _)| code), Some(Code::NothingToDo));
    let data = String::from_utf8(command::write(&step.command).to_vec()).unwrap();
    let real = ask(&mut book, &step.id, DECIDER, "membership.sweep", &data);
    assert_eq!(real.answers[0].outcome(), "accepted", "{real:?}");
    assert!(book.state.memberships().iter().all(|rule| rule.sweep.is_none()));
}

#[test]
fn a_record_that_is_too_large_to_be_copied_stays_where_it_is() {
    let mut book = Book::default();
    let large = Record { value: Some(Bytes::from(vec![b'x'; 5_000_000])), ..record(17, NOW, "x", "node.create", "{}") };
    let draft = one(&mut book, &large);
    let Decided::Dead(letter) = &draft.answers[0].decided else { panic!("{draft:?}") };
    assert_eq!((&letter.value, letter.headers.len(), letter.reason.code.as_str()), (&None, 0, "too_large"));
    assert!(letter.omitted.is_some_and(|bytes| bytes > 5_000_000));
    assert!(letter.reason.message.ends_with(" bytes is not kept here: it lies at c17"), "{}", letter.reason.message);
    assert_eq!(one(&mut book, &record(18, NOW, "y", "node.create", r#"{"path":"/a"}"#)).answers[0].outcome(), "accepted");
}

#[test]
fn a_batch_that_is_forgotten_leaves_nothing() {
    for seed in 0..20 {
        let records: Vec<Record> = Wild::new(seed)
            .take(200)
            .enumerate()
            .map(|(offset, asked)| {
                let data = command::write(&asked.command);
                let mut record = record(offset as u64, NOW + offset as i64, &asked.id, asked.command.type_name(), "");
                record.value = Some(data);
                record
            })
            .collect();
        let (first, rest) = records.split_at(80);
        let mut book = Book::default();
        first.iter().for_each(|record| drop(one(&mut book, record)));
        let before = book.clone();
        let draft = book.decide(rest);
        let decided = format!("{:?}", draft.answers);
        assert!(book != before);
        book.forget(draft);
        assert!(book == before, "seed {seed}");
        assert_eq!(format!("{:?}", book.decide(rest).answers), decided, "decided again it is the same");
    }
}

/// Signed by the token of this name, whose secret is made of the name.
fn signed(offset: u64, token: &str, kind: &str, data: &str) -> Record {
    let mut envelope = Envelope::new(kind, Bytes::copy_from_slice(data.as_bytes()));
    envelope.id = Some(format!("signed-{offset}"));
    envelope.expires_ms = Some(NOW + 60_000);
    secret(token).sign_command(&token.parse().unwrap(), &mut envelope).unwrap();
    let partition = Partition::only(&Topic::new("loki.commands"));
    Record { partition, offset, timestamp_ms: NOW, key: None, value: Some(envelope.data.clone()), headers: envelope.headers() }
}

fn secret(token: &str) -> Secret {
    Secret::new(sha256(&[token.as_bytes()]))
}

/// A book with an owner's token, a package and an online server, and how many commands that took.
fn with_owner(signer: Option<Secret>) -> (Book, u64) {
    let mut book = Book { signer, ..Book::default() };
    let key = secret("owner").public();
    let package = r#"{"name":"web","version":"1","url":"artifact","sha256":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","size":1}"#;
    let records = [
        record(0, NOW, "0", "token.create", &format!(r#"{{"name":"owner","uses":["deploy","script","grant"],"key":"{key}"}}"#)),
        record(1, NOW, "1", "node.create", r#"{"path":"/acme"}"#),
        record(2, NOW, "2", "server.register", r#"{"name":"web01","state":"online"}"#),
        record(3, NOW, "3", "server.mount", r#"{"server":"web01","node":"/acme"}"#),
        signed(4, "owner", "package.register", package),
    ];
    for record in &records {
        assert_eq!(code(&one(&mut book, record)), None, "{}", record.offset);
    }
    (book, records.len() as u64)
}

const START: &str = r#"{"node":"/acme","settings":{"package":"web","version":"1"}}"#;

#[test]
fn a_run_takes_a_signature_of_a_token_that_is_there() {
    let (mut book, next) = with_owner(None);
    let forbidden = Some((Code::Forbidden, "token".to_owned()));
    assert_eq!(code(&one(&mut book, &record(next, NOW, "unsigned", "run.start", START))), forbidden);
    assert_eq!(code(&one(&mut book, &signed(next + 1, "nobody", "run.start", START))), forbidden);
    // in the name of the owner, by somebody else
    let mut forged = signed(next + 2, "nobody", "run.start", START);
    for (name, value) in &mut forged.headers {
        if name == "ce_keyid" {
            *value = Bytes::from_static(b"owner");
        }
    }
    assert_eq!(code(&one(&mut book, &forged)), forbidden);
    // a good signature, and other data
    let mut changed = signed(next + 3, "owner", "run.start", START);
    changed.value = Some(Bytes::from(START.replace("acme", "acme2")));
    assert_eq!(code(&one(&mut book, &changed)), forbidden);
    let good = signed(next + 4, "owner", "run.start", START);
    assert_eq!(code(&one(&mut book, &good)), None);
    // and once more, as somebody who has read the log would
    let again = Record { offset: next + 5, ..good };
    assert!(matches!(one(&mut book, &again).answers[0].decided, Decided::Duplicate { .. }));
    let half = Record {
        offset: next + 6,
        headers: vec![
            ("ce_specversion".to_owned(), Bytes::from_static(b"1.0")),
            ("ce_type".to_owned(), Bytes::from_static(b"run.start")),
            ("ce_keyid".to_owned(), Bytes::from_static(b"owner")),
        ],
        ..again
    };
    assert!(matches!(one(&mut book, &half).answers[0].decided, Decided::Dead(_)));
}

#[test]
fn tasks_are_signed() {
    let signer = secret("decider");
    let (mut book, next) = with_owner(Some(signer.clone()));
    let draft = one(&mut book, &signed(next, "owner", "run.start", START));
    let Decided::Accepted { facts, .. } = &draft.answers[0].decided else { panic!("{:?}", draft.answers[0].decided) };
    assert_eq!(facts.len(), 4, "a run, a batch, a task and a timer");
    let run = book.state.runs().iter().next().unwrap();
    let told = book.state.runs().hosts().next().unwrap();
    let package = task::package_of(run, told).and_then(|id| book.state.packages().get(&id));
    let document = task::document(run, told, package).unwrap();
    let read = task::read(&document, &told.signature.unwrap(), &[signer.public()]).unwrap().unwrap();
    assert_eq!((read.attempt, read.expires_ms), (1, NOW + 600_000));
    let written = facts.iter().filter_map(|fact| fact.written.value.as_ref()).filter(|value| {
        let text = String::from_utf8_lossy(value);
        text.contains(&told.signature.unwrap().to_string())
    });
    assert_eq!(written.count(), 1, "it is in the fact");
    // what is answered is signed no more
    let data = format!(r#"{{"run":"{}","server":"{}","attempt":1,"state":"succeeded"}}"#, run.id, told.server);
    one(&mut book, &record(next + 1, NOW, "report", "run.report", &data));
    assert_eq!(book.state.runs().hosts().next().unwrap().signature, None);
}
