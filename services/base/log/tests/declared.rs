//! The declared topics, the names in the code and the published schemas are one contract.

use std::collections::BTreeSet;

use loki_log::declared::{Declared, declared};
use loki_log::{Cleanup, Timestamp};
use loki_wire::Topics;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// The topic of these names.
fn find<'a>(all: &'a [Declared], name: &str) -> &'a Declared {
    all.iter().find(|topic| topic.spec.name == name).unwrap_or_else(|| panic!("`{name}` is not declared"))
}

#[test]
fn names_are_those_of_the_code_with_the_prefix() {
    for prefix in ["", "east."] {
        let topics = Topics::new(prefix);
        let declared: Vec<_> = declared(prefix).into_iter().map(|topic| topic.spec.name).collect();
        assert_eq!(declared, [topics.commands, topics.facts, topics.outcomes, topics.samples, topics.task_logs, topics.dead]);
    }
}

#[test]
fn every_schema_is_named_by_exactly_one_topic() {
    let mut named: Vec<_> = declared("").into_iter().flat_map(|topic| topic.schemas).collect();
    let mut published: Vec<_> = loki_wire::schema::published().into_iter().map(|schema| schema.name.to_owned()).collect();
    named.sort();
    published.sort();
    assert_eq!(named, published);
}

#[test]
fn a_topic_holds_the_schemas_of_its_kind() {
    for topic in declared("") {
        let kind = topic.spec.name.trim_start_matches("loki.").trim_end_matches('s').to_owned();
        assert!(topic.schemas.iter().all(|name| name.starts_with(&format!("{kind}."))), "{}: {:?}", topic.spec.name, topic.schemas);
    }
}

#[test]
fn every_topic_has_a_known_writer_and_reader() {
    let known: BTreeSet<_> = ["decider", "clock", "mysql", "redis", "zookeeper", "opentsdb", "api", "producer", "operator"].into();
    for topic in declared("") {
        assert!(!topic.key.is_empty() && !topic.written_by.is_empty() && !topic.read_by.is_empty(), "{}", topic.spec.name);
        for name in topic.written_by.iter().chain(&topic.read_by) {
            assert!(known.contains(name.as_str()), "`{name}` of `{}`", topic.spec.name);
        }
    }
}

#[test]
fn only_the_decider_writes_facts_and_outcomes() {
    let topics = Topics::new("");
    for name in [&topics.facts, &topics.outcomes] {
        assert_eq!(find(&declared(""), name).written_by, ["decider"]);
    }
    // the sink finds bad samples; the API removes the letter that it has replayed
    assert_eq!(find(&declared(""), &topics.dead).written_by, ["decider", "opentsdb", "api"]);
}

#[test]
fn what_the_promises_rest_on() {
    let (all, topics) = (declared(""), Topics::new(""));
    for topic in &all {
        let spec = &topic.spec;
        assert_eq!((spec.replication, spec.min_insync_replicas), (3, 2), "{}", spec.name);
        // every change is ordered against every other; samples are the volume
        assert_eq!(spec.partitions, if spec.name == topics.samples { 12 } else { 1 }, "{}", spec.name);
        // an outcome carries its facts, at most 512 KiB; a record is at most 1 MiB
        assert!(spec.max_message_bytes >= 1 << 20, "{}", spec.name);
    }
    for name in [&topics.commands, &topics.outcomes] {
        let spec = &find(&all, name).spec;
        assert_eq!((spec.cleanup, spec.retention_ms), (Cleanup::Delete, None), "{name} is kept for ever");
    }
    assert_eq!(find(&all, &topics.commands).spec.timestamp, Timestamp::Append);
    assert_eq!(find(&all, &topics.outcomes).spec.timestamp, Timestamp::Create);
    let facts = &find(&all, &topics.facts).spec;
    assert_eq!(facts.cleanup, Cleanup::Compact);
    assert_eq!(facts.timestamp, Timestamp::Create);
    assert_eq!(facts.delete_retention_ms, Some(7 * DAY_MS));
    assert_eq!(facts.min_compaction_lag_ms, Some(DAY_MS / 24));
    assert_eq!(facts.segment_ms, Some(DAY_MS));
    let samples = &find(&all, &topics.samples).spec;
    assert_eq!((samples.cleanup, samples.timestamp, samples.retention_ms), (Cleanup::Delete, Timestamp::Append, Some(7 * DAY_MS)));
    let logs = &find(&all, &topics.task_logs).spec;
    assert_eq!((logs.cleanup, logs.timestamp, logs.retention_ms), (Cleanup::Delete, Timestamp::Append, Some(30 * DAY_MS)));
    let dead = &find(&all, &topics.dead).spec;
    assert_eq!(dead.cleanup, Cleanup::Compact);
    assert!(dead.max_message_bytes > facts.max_message_bytes, "a dead letter is its record and the reason");
}
