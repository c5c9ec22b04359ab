//! Declared topics against those of a log of our own.

use crate::error::{Error, Result};
use crate::topic::{Topic, TopicChange, TopicSpec};

/// The changes, and the specs to be stored to carry them out.
pub(crate) fn plan(present: impl Fn(&Topic) -> Option<TopicSpec>, specs: &[TopicSpec]) -> Result<(Vec<TopicChange>, Vec<TopicSpec>)> {
    let (mut changes, mut store) = (Vec::new(), Vec::new());
    for spec in specs {
        if spec.partitions == 0 {
            return Err(Error::Invalid(format!("topic `{}`: `partitions` must be at least 1", spec.name)));
        }
        let Some(present) = present(&Topic::new(&spec.name)) else {
            changes.push(TopicChange::Create { topic: spec.name.clone() });
            store.push(spec.clone());
            continue;
        };
        if present.partitions != spec.partitions {
            changes.push(TopicChange::Refuse {
                topic: spec.name.clone(),
                setting: "partitions".into(),
                from: present.partitions.to_string(),
                to: spec.partitions.to_string(),
                reason: "the order of records by key would break: use a new topic".into(),
            });
        }
        let altered = differences(&present, spec);
        if !altered.is_empty() {
            changes.extend(altered);
            store.push(TopicSpec { partitions: present.partitions, ..spec.clone() });
        }
    }
    Ok((changes, store))
}

/// Replicas mean nothing in one file: they are taken over without a word.
fn differences(present: &TopicSpec, wanted: &TopicSpec) -> Vec<TopicChange> {
    fn text<T: std::fmt::Debug>(value: T) -> String {
        format!("{value:?}").to_lowercase()
    }
    fn time(value: Option<u64>) -> String {
        value.map_or_else(|| "absent".to_owned(), |value| value.to_string())
    }
    let settings = [
        ("cleanup", text(present.cleanup), text(wanted.cleanup)),
        ("timestamp", text(present.timestamp), text(wanted.timestamp)),
        ("retention_ms", time(present.retention_ms), time(wanted.retention_ms)),
        ("delete_retention_ms", time(present.delete_retention_ms), time(wanted.delete_retention_ms)),
        ("min_compaction_lag_ms", time(present.min_compaction_lag_ms), time(wanted.min_compaction_lag_ms)),
        ("max_message_bytes", present.max_message_bytes.to_string(), wanted.max_message_bytes.to_string()),
    ];
    let differing = settings.into_iter().filter(|(_, from, to)| from != to);
    differing.map(|(setting, from, to)| TopicChange::Alter { topic: wanted.name.clone(), setting: setting.into(), from, to }).collect()
}
