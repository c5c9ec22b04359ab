//! Dead letters, by the operators' commands: one that is as bad as before is dead once more, one that this release can read is carried out.

use loki_log::kafka::{Config, KafkaLog};
use loki_log::{Log, NewRecord, Partition, Topic};
use loki_wire::{DeadLetter, DeadReason};
use serde_json::{Value, json};

use crate::kcat;
use crate::platform::{Backends, Platform};

/// A command as its sender wrote it.
const ORIGINAL: &str = r#"{"id":"early","actor":"ann","type":"node.create","data":{"path":"/early"}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_shown_and_replayed() {
    let backends = Backends::shared();
    let platform = Platform::real_in_one(&backends).await;
    let commands = format!("{}loki.commands", platform.prefix);
    assert_eq!(listed(&platform), Vec::<[String; 2]>::new());
    kcat::produce(&backends.kafka, &commands, &[], b"{\"type\":\"node.create\",\"data\":{\"path\":\"/good\"}}\nno json\n".to_vec()).await;
    platform.api.until("/v1/status", |_, status| status["commands"] == "c2" && status["undecided"] == 0).await;

    // what cannot be read today cannot be read when it is put back: it is dead again, once, at its new place
    let letter = |offset: u64| format!("{commands}/0/{offset}/0");
    assert_eq!(listed(&platform), [[letter(1), "bad_json".to_owned()]]);
    let shown = platform.expect(&["dead", "show", &letter(1)]);
    for part in [&format!("id       {}\n", letter(1)), "reason   bad_json: ", "bytes    7\n", "value\nno json\n"] {
        assert!(shown.contains(part), "{part:?} in {shown}");
    }
    let replayed = platform.loki(&["dead", "replay", &letter(1), "--wait"]);
    let said = String::from_utf8_lossy(&replayed.stdout);
    assert!(replayed.status.code() == Some(1) && said.starts_with("dead c2: bad_json: "), "{said}");
    assert_eq!(listed(&platform), [[letter(2), "bad_json".to_owned()]]);
    for action in ["show", "replay"] {
        assert_eq!(platform.loki(&["dead", action, &letter(1)]).status.code(), Some(3), "{action}");
    }

    // a letter that an earlier release left, which did not know the type
    let old = written_by_an_earlier_release(&commands);
    let (key, value, headers) = old.write();
    let dead = Partition::only(&Topic::new(format!("{}loki.dead", platform.prefix)));
    let record = NewRecord { key: Some(key), value: Some(value), headers, ..NewRecord::default() };
    KafkaLog::connect(Config::new(&backends.kafka)).unwrap().append(&dead, vec![record]).await.unwrap();
    assert_eq!(listed(&platform), [[letter(2), "bad_json".to_owned()], [old.id(), "unknown_type".to_owned()]]);
    assert!(platform.expect(&["dead", "show", &old.id()]).ends_with(&format!("value\n{ORIGINAL}\n")));
    let said = platform.expect(&["dead", "replay", &old.id(), "--wait"]);
    assert!(said.starts_with("accepted c3, to be read after f"), "{said}");
    assert_eq!(listed(&platform), [[letter(2), "bad_json".to_owned()]]);
    assert_eq!(platform.loki(&["dead", "replay", &old.id()]).status.code(), Some(3));
    platform.api.until("/v1/tree/early", |status, _| status == 200).await;

    // its id was free until then, and is taken now
    let (status, again) = platform.api.post("/v1/commands?wait=10s", ORIGINAL).await.unwrap();
    assert_eq!((status, &again["outcome"], &again["duplicate_of"]), (200, &json!("accepted"), &json!("c3")), "{again}");
    platform.api.settled().await;
    let outcomes: Vec<Value> = platform.api.audit().await.iter().rev().map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, ["accepted", "dead", "dead", "accepted", "duplicate"]);
    platform.verify();
}

/// Id and code of each letter, by `loki dead list`.
fn listed(platform: &Platform) -> Vec<[String; 2]> {
    let text = platform.expect(&["dead", "list"]);
    let mut lines = text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    assert_eq!(lines.next().unwrap(), ["ID", "AT", "BYTES", "CODE", "MESSAGE"]);
    lines.map(|fields| [fields[0].clone(), fields[3].clone()]).collect()
}

/// At the place of a record that has no letter of this release.
fn written_by_an_earlier_release(commands: &str) -> DeadLetter {
    let message = "there is no type `node.create`".to_owned();
    DeadLetter {
        topic: commands.to_owned(),
        partition: 0,
        offset: 0,
        index: 0,
        at_ms: 1,
        reason: DeadReason { code: "unknown_type".to_owned(), message },
        key: None,
        value: Some(ORIGINAL.into()),
        headers: Vec::new(),
        omitted: None,
    }
}
