//! Which log this is: its id, as the facts' topic says it.

use std::time::Duration;

use loki_domain::LogId;
use loki_log::{Log, Partition, Topic};
use loki_runner::LogIdSearch;

/// How long one read waits for the log's first records.
const WAIT: Duration = Duration::from_secs(1);

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Is(LogId),
    /// Its decider never ran.
    NotYet,
    Unreadable(String),
}

pub(super) async fn identify(log: &dyn Log, facts: &Topic) -> loki_log::Result<Identity> {
    let partition = Partition::only(facts);
    let mut reader = log.frugal_reader(&partition, 0).await?;
    let mut search = LogIdSearch::default();
    loop {
        let batch = reader.read(search.left(), WAIT).await?;
        match search.look(&partition, &batch) {
            Ok(Some(id)) => return Ok(Identity::Is(id)),
            Ok(None) if batch.records.is_empty() => return Ok(Identity::NotYet),
            Ok(None) => {}
            Err(unreadable) => return Ok(Identity::Unreadable(unreadable.to_string())),
        }
    }
}
