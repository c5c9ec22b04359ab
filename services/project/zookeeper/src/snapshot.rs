//! Reading a generation as a whole, as it is at one revision.

use loki_domain::Key;
use loki_runner::Stored;
use loki_runtime::Backoff;
use loki_runtime::clock::Stopwatch;

use crate::config::Config;
use crate::error::Error;
use crate::paths::Paths;
use crate::read::{Dated, Reading};
use crate::session::connect;

/// How long a dump is tried while others write.
const DUMP_WITHIN: std::time::Duration = std::time::Duration::from_secs(60);

/// The JSON of all entities of a generation, in any order. They need not be of one revision.
pub(crate) async fn entities(reading: &Reading, generation: u64) -> Result<Dated<Vec<(Key, Vec<u8>)>>, Error> {
    let keys = reading.keys(generation).await?;
    let jsons = reading.jsons(generation, keys.value).await?;
    let value = jsons.value.into_iter().filter_map(|(key, json)| Some((key, json?))).collect();
    Ok(Dated { value, zxid: keys.zxid.max(jsons.zxid) })
}

/// Lines `<kind>/<id> <json>`, sorted by key, as the store keeps them, and where they are true; `None` when the store is empty.
///
/// Read at one revision: while others write it is tried again for a while.
pub async fn dump(config: &Config) -> Result<Option<(Stored, Vec<String>)>, Error> {
    let reading = Reading { client: connect(config).await?, paths: Paths::new(&config.chroot), limit: config.operation_timeout };
    let started = Stopwatch::start();
    let mut backoff = Backoff::new(config.operation_timeout / 500, config.operation_timeout / 10);
    reading.sync().await?;
    loop {
        let Some(before) = reading.main().await? else { return Ok(None) };
        let all = entities(&reading, before.mark.generation).await?;
        // newer than the revision: a step that is just being applied, or, if it stays so, somebody else's doing, which a dump must show
        let settled = all.zxid <= before.zxid || started.elapsed() > config.settle;
        if reading.revision().await? == Some(before) && settled {
            let text =
                |json: Vec<u8>| String::from_utf8(json).unwrap_or_else(|bytes| String::from_utf8_lossy(bytes.as_bytes()).into_owned());
            let mut lines: Vec<(String, String)> = all.value.into_iter().map(|(key, json)| (key.to_string(), text(json))).collect();
            lines.sort();
            return Ok(Some((before.mark.stored, lines.into_iter().map(|(key, json)| format!("{key} {json}")).collect())));
        }
        if started.elapsed() > DUMP_WITHIN {
            return Err(Error::Away(format!("the revision has moved all the time for {DUMP_WITHIN:?}: stop the writer for a dump")));
        }
        backoff.wait().await;
    }
}
