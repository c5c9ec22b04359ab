//! Reading the store as a whole, as it is at one revision.

use loki_runner::Stored;
use loki_runtime::task;

use crate::config::Config;
use crate::error::Error;
use crate::watch::{Ended, Watching, Whole};

/// How long a dump is tried while others write.
const DUMP_WITHIN: std::time::Duration = std::time::Duration::from_secs(60);

/// Lines `<kind>/<id> <json>`, sorted by key, as the store keeps them, and where they are true; `None` when the store is empty.
///
/// Read at one revision, also while others write. What somebody else has written there is shown as well.
pub async fn dump(config: &Config) -> Result<Option<(Stored, Vec<String>)>, Error> {
    let mut watching = Watching::connect(config).await?;
    if watching.reading().main().await?.is_none() {
        return Ok(None);
    }
    let whole = match task::timeout(DUMP_WITHIN, watching.whole()).await {
        Some(Ok(whole)) => whole,
        Some(Err(Ended::Failed(error))) => return Err(error),
        Some(Err(ended)) => return Err(Error::Away(ended.to_string())),
        None => {
            return Err(Error::Away(format!(
                "the entities were not read at one revision within {DUMP_WITHIN:?}: stop the writer for a dump"
            )));
        }
    };
    let text = |json: Vec<u8>| String::from_utf8(json).unwrap_or_else(|bytes| String::from_utf8_lossy(bytes.as_bytes()).into_owned());
    Ok(whole.map(|Whole { revision, entities, .. }| {
        let mut lines: Vec<(String, String)> = entities.into_iter().map(|(key, json)| (key.to_string(), text(json))).collect();
        lines.sort();
        (revision.mark.stored, lines.into_iter().map(|(key, json)| format!("{key} {json}")).collect())
    }))
}
