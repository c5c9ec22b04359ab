//! Declared topics.

use super::World;
use super::given::{records, spec};
use crate::error::{Class, Error};
use crate::record::Partition;
use crate::topic::{Cleanup, Timestamp, TopicChange, TopicSpec};

pub async fn topics_are_created_and_altered(world: &impl World) {
    let log = world.log();
    let first = TopicSpec { retention_ms: Some(86_400_000), segment_ms: Some(3_600_000), ..spec(&world.topic("reconciled"), 2) };
    let name = first.name.clone();
    let changes = log.reconcile_topics(std::slice::from_ref(&first), true).await.unwrap();
    assert_eq!(changes, [TopicChange::Create { topic: name.clone() }]);
    assert_eq!(log.reconcile_topics(std::slice::from_ref(&first), true).await.unwrap(), [], "nothing is left to do");

    let second = TopicSpec {
        cleanup: Cleanup::Compact,
        timestamp: Timestamp::Create,
        retention_ms: None,
        delete_retention_ms: Some(604_800_000),
        max_message_bytes: 2_000_000,
        ..first
    };
    let changes = log.reconcile_topics(std::slice::from_ref(&second), true).await.unwrap();
    let altered: Vec<_> = changes
        .iter()
        .map(|change| match change {
            TopicChange::Alter { topic, setting, .. } if *topic == name => setting.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    for setting in ["cleanup", "timestamp", "delete_retention_ms", "max_message_bytes"] {
        assert!(altered.contains(&setting), "{setting} is among {altered:?}");
    }
    let max = changes.iter().find_map(|change| match change {
        TopicChange::Alter { setting, from, to, .. } if setting == "max_message_bytes" => Some((from.as_str(), to.as_str())),
        _ => None,
    });
    assert_eq!(max, Some(("1048576", "2000000")));
    assert_eq!(world.another().await.reconcile_topics(std::slice::from_ref(&second), true).await.unwrap(), []);
}

pub async fn a_plan_changes_nothing(world: &impl World) {
    let log = world.log();
    let wanted = spec(&world.topic("planned"), 1);
    for _ in 0..2 {
        let changes = log.reconcile_topics(std::slice::from_ref(&wanted), false).await.unwrap();
        assert_eq!(changes, [TopicChange::Create { topic: wanted.name.clone() }]);
    }
    let partition = Partition::only(&world.topic("planned"));
    assert!(matches!(log.append(&partition, records(["a"])).await, Err(Error::NoSuchTopic(_))));
}

pub async fn partitions_are_never_changed(world: &impl World) {
    let log = world.log();
    let first = spec(&world.topic("partitioned"), 2);
    log.reconcile_topics(std::slice::from_ref(&first), true).await.unwrap();
    let more = TopicSpec { partitions: 3, ..first.clone() };
    for _ in 0..2 {
        let changes = log.reconcile_topics(std::slice::from_ref(&more), true).await.unwrap();
        let [TopicChange::Refuse { topic, setting, from, to, reason }] = &changes[..] else { panic!("{changes:?}") };
        assert_eq!((topic, setting.as_str(), from.as_str(), to.as_str()), (&first.name, "partitions", "2", "3"));
        assert!(!reason.is_empty());
    }
    let beyond = Partition::new(world.topic("partitioned"), 2);
    assert_eq!(log.append(&beyond, records(["a"])).await.unwrap_err().class(), Class::Invalid);
}
