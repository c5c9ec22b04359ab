//! What takes samples: partition by partition, told as sums.

use futures::future::try_join_all;
use loki_log::{Partition, Topic};
use loki_redis::samples::SamplesReader;
use loki_runner::{State, Stored};
use loki_wire::envelope::write_time;

use super::{Projection, said};
use crate::App;
use crate::problem::Result;

pub(super) async fn projections(app: &App) -> Result<Vec<Projection>> {
    let topic = Topic::new(&app.topics.samples);
    let partitions: Vec<Partition> = (0..app.live.partitions()).map(|number| Partition::new(topic.clone(), number)).collect();
    let bounds = try_join_all(partitions.iter().map(|partition| app.log.bounds(partition))).await?;
    let (starts, ends): (Vec<u64>, Vec<u64>) = bounds.into_iter().map(|bounds| (bounds.start, bounds.end)).unzip();

    let live = match app.live.status().await {
        Ok(stored) => told("redis-samples", &ends, Some(Held::of(&stored, &starts)), None),
        Err(reason) => told("redis-samples", &ends, None, Some(reason.to_string())),
    };
    // no position of its own: the group's is its
    let group = app.topics.group("opentsdb");
    let committed = try_join_all(partitions.iter().map(|partition| app.log.committed(&group, partition))).await?;
    let positions =
        committed.iter().zip(&starts).map(|(committed, start)| committed.as_ref().map_or(*start, |committed| committed.position));
    let begun = committed.iter().any(Option::is_some) || app.log.members(&group).await?.is_some_and(|members| members > 0);
    let sink = Held { log: None, position: positions.sum(), state: if begun { "live" } else { "empty" } };
    Ok(vec![with_said(app, live, &partitions).await, with_said(app, told("opentsdb", &ends, Some(sink), None), &partitions).await])
}

/// What a store holds of all partitions.
struct Held {
    log: Option<String>,
    position: u64,
    state: &'static str,
}

impl Held {
    /// A partition that is empty is where the log begins.
    fn of(stored: &[Option<Stored>], starts: &[u64]) -> Self {
        let is_live = stored.iter().all(|stored| stored.is_some_and(|stored| stored.state == State::Live));
        Self {
            log: stored.iter().flatten().next().map(|stored| stored.log.to_string()),
            position: stored.iter().zip(starts).map(|(stored, start)| stored.map_or(*start, |stored| stored.position)).sum(),
            state: match stored.iter().any(Option::is_some) {
                true if is_live => "live",
                true => "building",
                false => "empty",
            },
        }
    }
}

fn told(name: &'static str, ends: &[u64], held: Option<Held>, last_error: Option<String>) -> Projection {
    let end: u64 = ends.iter().sum();
    Projection {
        name,
        log: held.as_ref().and_then(|held| held.log.clone()),
        position: held.as_ref().map(|held| format!("s{}", held.position)),
        end: format!("s{end}"),
        lag: held.as_ref().map(|held| end.saturating_sub(held.position)),
        state: held.map_or("unknown", |held| held.state),
        last_error,
        last_error_since: None,
    }
}

/// Adds what its projectors say beside their offsets.
async fn with_said(app: &App, mut projection: Projection, partitions: &[Partition]) -> Projection {
    let said = said(app, projection.name, partitions).await;
    projection.last_error = match (projection.last_error, said.error) {
        (Some(before), Some(error)) => Some(format!("{before}; {error}")),
        (before, error) => before.or(error),
    };
    projection.last_error_since = said.since_ms.map(write_time);
    projection
}
