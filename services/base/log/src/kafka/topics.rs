//! Declared topics against those of the cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use loki_runtime::clock::Stopwatch;
use loki_runtime::task;

use super::Shared;
use super::admin::{Admin, Settings};
use crate::error::{Class, Error, Result};
use crate::record::Partition;
use crate::topic::{Cleanup, Timestamp, Topic, TopicChange, TopicSpec};

/// A broker that has much to do begins late to lead what it has just made.
const LED_WITHIN: Duration = Duration::from_secs(60);

/// librdkafka sends up to this much in one request, and the broker holds that against the topic's limit.
const LEAST_MESSAGE_BYTES: u32 = 1 << 20;

/// How far ahead of the broker's clock a record's own time may be; brokers before 3.6 do not know it and refuse none.
const AHEAD: &str = "message.timestamp.after.max.ms";

/// A topic as the cluster has it.
struct Present {
    partitions: u32,
    replication: u32,
    settings: Settings,
}

pub(super) async fn reconcile(shared: &Shared, specs: &[TopicSpec], apply: bool) -> Result<Vec<TopicChange>> {
    let admin = Admin::open(&shared.config)?;
    let mut changes = Vec::new();
    for spec in specs {
        check(spec)?;
        let topic = Topic::new(&spec.name);
        let present = present(shared, &admin, &topic).await?;
        let planned = plan(spec, present.as_ref());
        let alters = planned.iter().any(|change| matches!(change, TopicChange::Alter { .. }));
        if apply && present.is_none() {
            create(&admin, spec).await?;
            settled(shared, &admin, spec).await?;
            led(shared, spec).await?;
        } else if apply && alters {
            let kept = present.map(|present| present.settings).unwrap_or_default();
            admin.alter(&topic, &overlaid(kept, spec)).await?;
            settled(shared, &admin, spec).await?;
        }
        changes.extend(planned);
    }
    Ok(changes)
}

async fn create(admin: &Admin, spec: &TopicSpec) -> Result<()> {
    let mut settings: Vec<_> = settings(spec).into_iter().map(|(_, name, value)| (name, value)).collect();
    match admin.create(spec, &settings).await {
        Err(Error::Invalid(_)) if settings.iter().any(|(name, _)| *name == AHEAD) => {
            settings.retain(|(name, _)| *name != AHEAD);
            admin.create(spec, &settings).await
        }
        created => created,
    }
}

/// Waits until the cluster tells what it was told: its answers come from another place than its orders go to.
async fn settled(shared: &Shared, admin: &Admin, spec: &TopicSpec) -> Result<()> {
    let watch = Stopwatch::start();
    let topic = Topic::new(&spec.name);
    loop {
        shared.questions.forget(&topic);
        let present = present(shared, admin, &topic).await?;
        if plan(spec, present.as_ref()).iter().all(|change| matches!(change, TopicChange::Refuse { .. })) {
            return Ok(());
        }
        if watch.elapsed() > shared.config.request_timeout {
            return Err(Error::Away(format!("`{topic}` is not as it was asked to be; try again")));
        }
        task::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until each partition is answered for: a broker knows that it leads one before it takes anything for it.
async fn led(shared: &Shared, spec: &TopicSpec) -> Result<()> {
    let watch = Stopwatch::start();
    for number in 0..spec.partitions {
        let partition = Partition::new(Topic::new(&spec.name), number);
        while let Err(error) = shared.questions.bounds(&partition).await {
            let passes = error.class() == Class::Retry || matches!(error, Error::NoSuchTopic(_));
            if !passes || watch.elapsed() > LED_WITHIN {
                return Err(error);
            }
            task::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

async fn present(shared: &Shared, admin: &Admin, topic: &Topic) -> Result<Option<Present>> {
    let shape = match shared.questions.shape(topic).await {
        Ok(shape) => shape,
        Err(Error::NoSuchTopic(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    match admin.settings(topic).await {
        Ok(settings) => Ok(Some(Present { partitions: shape.partitions, replication: shape.replication, settings })),
        Err(Error::NoSuchTopic(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn check(spec: &TopicSpec) -> Result<()> {
    if spec.partitions == 0 {
        return Err(Error::Invalid(format!("topic `{}`: `partitions` must be at least 1", spec.name)));
    }
    if spec.max_message_bytes < LEAST_MESSAGE_BYTES {
        return Err(Error::Invalid(format!(
            "topic `{}`: `max_message_bytes` must be at least {LEAST_MESSAGE_BYTES}: Kafka holds it against whole batches of records",
            spec.name
        )));
    }
    Ok(())
}

fn plan(spec: &TopicSpec, present: Option<&Present>) -> Vec<TopicChange> {
    let topic = &spec.name;
    let Some(present) = present else { return vec![TopicChange::Create { topic: topic.clone() }] };
    let refuse = |setting: &str, from: u32, to: u32, reason: &str| {
        let (setting, reason) = (setting.to_owned(), reason.to_owned());
        (from != to).then(|| TopicChange::Refuse { topic: topic.clone(), setting, from: from.to_string(), to: to.to_string(), reason })
    };
    let partitions = refuse("partitions", present.partitions, spec.partitions, "the order of records by key would break: use a new topic");
    let replication = refuse(
        "replication",
        present.replication,
        u32::from(spec.replication),
        "replicas are moved with `kafka-reassign-partitions`, then this agrees",
    );
    let alters = known(spec, &present.settings).filter_map(|(setting, name, to)| {
        let from = present.settings.get(name).map_or("", |(value, _)| value.as_str());
        (from != to).then(|| TopicChange::Alter { topic: topic.clone(), setting: setting.into(), from: from.into(), to })
    });
    partitions.into_iter().chain(replication).chain(alters).collect()
}

/// What a spec means: its own word, Kafka's word, the value.
fn settings(spec: &TopicSpec) -> Vec<(&'static str, &'static str, String)> {
    let cleanup = match spec.cleanup {
        Cleanup::Delete => "delete",
        Cleanup::Compact => "compact",
    };
    let timestamp = match spec.timestamp {
        Timestamp::Create => "CreateTime",
        Timestamp::Append => "LogAppendTime",
    };
    let mut settings = vec![
        ("cleanup", "cleanup.policy", cleanup.to_owned()),
        ("timestamp", "message.timestamp.type", timestamp.to_owned()),
        ("max_message_bytes", "max.message.bytes", spec.max_message_bytes.to_string()),
        ("min_insync_replicas", "min.insync.replicas", spec.min_insync_replicas.to_string()),
        // Absent means for ever, whatever the broker's default is, and nothing goes for its size.
        ("retention_ms", "retention.ms", spec.retention_ms.map_or_else(|| "-1".to_owned(), |ms| ms.to_string())),
        ("retention_bytes", "retention.bytes", "-1".to_owned()),
        // A replica that missed acknowledged records must not lead.
        ("unclean_leader_election", "unclean.leader.election.enable", "false".to_owned()),
    ];
    if spec.timestamp == Timestamp::Create {
        // Facts bear the time of their command: a broker whose clock is behind that must not refuse them.
        settings.push(("timestamp_after_max_ms", AHEAD, i64::MAX.to_string()));
    }
    let optional = [
        ("delete_retention_ms", "delete.retention.ms", spec.delete_retention_ms),
        ("min_compaction_lag_ms", "min.compaction.lag.ms", spec.min_compaction_lag_ms),
        ("segment_ms", "segment.ms", spec.segment_ms),
    ];
    settings.extend(optional.into_iter().filter_map(|(setting, name, ms)| ms.map(|ms| (setting, name, ms.to_string()))));
    settings
}

/// The settings that the topic's brokers know.
fn known(spec: &TopicSpec, present: &Settings) -> impl Iterator<Item = (&'static str, &'static str, String)> {
    settings(spec).into_iter().filter(|(_, name, _)| *name != AHEAD || present.contains_key(*name))
}

/// The topic's own settings with the declared ones over them: what is not declared stays as somebody set it.
fn overlaid(present: Settings, spec: &TopicSpec) -> BTreeMap<String, String> {
    let declared: Vec<_> = known(spec, &present).map(|(_, name, value)| (name.to_owned(), value)).collect();
    let own = present.into_iter().filter(|(_, (_, own))| *own).map(|(name, (value, _))| (name, value));
    own.chain(declared).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> TopicSpec {
        TopicSpec {
            name: "t".into(),
            partitions: 1,
            replication: 3,
            min_insync_replicas: 2,
            cleanup: Cleanup::Delete,
            timestamp: Timestamp::Append,
            retention_ms: None,
            delete_retention_ms: None,
            min_compaction_lag_ms: None,
            segment_ms: Some(5),
            max_message_bytes: 1 << 20,
        }
    }

    fn as_declared(spec: &TopicSpec) -> Present {
        let settings = settings(spec).into_iter().map(|(_, name, value)| (name.to_owned(), (value, true))).collect();
        Present { partitions: spec.partitions, replication: u32::from(spec.replication), settings }
    }

    #[test]
    fn a_topic_as_declared_needs_nothing() {
        assert_eq!(plan(&spec(), Some(&as_declared(&spec()))), []);
        assert_eq!(plan(&spec(), None), [TopicChange::Create { topic: "t".into() }]);
    }

    #[test]
    fn settings_are_altered_and_shapes_refused() {
        let mut present = as_declared(&spec());
        present.settings.insert("retention.ms".into(), ("604800000".into(), false));
        present.settings.insert("unclean.leader.election.enable".into(), ("true".into(), true));
        present.partitions = 4;
        present.replication = 1;
        let changes = plan(&spec(), Some(&present));
        let names: Vec<_> = changes
            .iter()
            .map(|change| match change {
                TopicChange::Create { .. } => "create",
                TopicChange::Alter { setting, .. } | TopicChange::Refuse { setting, .. } => setting,
            })
            .collect();
        assert_eq!(names, ["partitions", "replication", "retention_ms", "unclean_leader_election"]);
        assert!(changes[..2].iter().all(|change| matches!(change, TopicChange::Refuse { .. })));
    }

    #[test]
    fn records_may_be_ahead_where_brokers_would_refuse_them() {
        let spec = TopicSpec { timestamp: Timestamp::Create, ..spec() };
        let mut present = as_declared(&spec);
        present.settings.insert(AHEAD.into(), ("3600000".into(), false));
        let changes = plan(&spec, Some(&present));
        assert!(matches!(&changes[..], [TopicChange::Alter { setting, .. }] if setting == "timestamp_after_max_ms"), "{changes:?}");
        present.settings.remove(AHEAD);
        assert_eq!(plan(&spec, Some(&present)), [], "an older broker");
        assert!(!overlaid(present.settings, &spec).contains_key(AHEAD));
    }

    #[test]
    fn what_is_not_declared_stays() {
        let mut present = as_declared(&spec()).settings;
        present.insert("segment.bytes".into(), ("1000000".into(), true));
        present.insert("flush.ms".into(), ("9".into(), false));
        let kept = overlaid(present, &spec());
        assert_eq!(kept.get("segment.bytes").map(String::as_str), Some("1000000"));
        assert_eq!(kept.get("flush.ms"), None, "a default is not made the topic's own");
        assert_eq!(kept.get("segment.ms").map(String::as_str), Some("5"));
    }

    #[test]
    fn a_limit_below_a_batch_is_refused() {
        assert!(check(&TopicSpec { max_message_bytes: 1000, ..spec() }).is_err());
        assert!(check(&spec()).is_ok());
    }
}
