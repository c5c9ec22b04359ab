//! The live state of samples: how far each partition must be, and whether it can be read.

use std::sync::Arc;
use std::time::Duration;

use loki_log::{Log, Partition, Topic};
use loki_redis::samples::{Reader, SamplesReader};
use loki_runner::State;
use loki_runtime::task;

use super::EVERY;
use crate::App;

/// How often the store is asked while it cannot be read.
const SOON: Duration = Duration::from_millis(250);

/// Tells the reader what the projector's group knows, and readiness what the reader says, until shutdown.
pub(super) fn follow(app: &App, group: String) {
    let (reader, log, shutdown) = (app.live.clone(), app.log.clone(), app.shutdown.clone());
    let (topic, health) = (Topic::new(&app.topics.samples), app.health.component("samples reader"));
    let following = async move {
        loop {
            require(&reader, &log, &topic, &group).await;
            let said = match reader.status().await {
                Ok(partitions) => {
                    let waits = partitions.iter().filter(|stored| stored.is_none_or(|stored| stored.state == State::Building)).count();
                    if waits == 0 { Ok(()) } else { Err(format!("{waits} of its {} partitions are being filled", partitions.len())) }
                }
                Err(reason) => Err(reason.to_string()),
            };
            let wait = if said.is_ok() { EVERY } else { SOON };
            match said {
                Ok(()) => health.ready(),
                Err(why) => health.not_ready(why),
            }
            task::sleep(wait).await;
        }
    };
    task::spawn("samples floor", async move { shutdown.unless(following).await });
}

/// A log that is away says nothing, and what it said before stays.
async fn require(reader: &Reader, log: &Arc<dyn Log>, topic: &Topic, group: &str) {
    for number in 0..reader.partitions() {
        let partition = Partition::new(topic.clone(), number);
        match log.committed(group, &partition).await {
            Ok(committed) => reader.require(number, committed.map(|committed| committed.position)),
            Err(error) => tracing::debug!(partition = %partition, error = %error, "how far the live state was is not told"),
        }
    }
}
