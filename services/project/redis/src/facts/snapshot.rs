//! Reading the store as a whole, as it is at one position.

use std::collections::BTreeMap;
use std::time::Duration;

use loki_runner::Stored;
use loki_runtime::clock::Stopwatch;

use super::mark::Told;
use super::scripts::{PLACE, about};
use crate::config::Config;
use crate::connection::Connection;
use crate::error::Error;
use crate::keys::FactKeys;

/// How long a dump is tried while others write.
const WITHIN: Duration = Duration::from_secs(60);

/// Lines `<kind>/<id> <json>`, sorted by key, as the store keeps them, and where they are true; `None` when the store is empty.
pub async fn dump(config: &Config) -> Result<Option<(Stored, Vec<String>)>, Error> {
    let (connection, keys) = (Connection::new(config)?, FactKeys::new(&config.prefix));
    let watch = Stopwatch::start();
    while watch.elapsed() < WITHIN {
        let Some(main) = connection.number(&keys.main).await? else { return Ok(None) };
        let before = match mark(&connection, &keys, main).await? {
            Told::Is(mark, _) => mark.stored,
            Told::Moved => continue,
            Told::Empty | Told::Large => return Ok(None),
        };
        let mut lines: BTreeMap<String, String> = BTreeMap::new();
        for (key, kind) in keys.entities(main) {
            let entities = connection.hash(&key).await?;
            lines.extend(entities.into_iter().map(|(id, json)| (format!("{kind}{id}"), json)));
        }
        // whole as long as nothing was written meanwhile
        if matches!(mark(&connection, &keys, main).await?, Told::Is(after, _) if after.stored.position == before.position) {
            return Ok(Some((before, lines.into_iter().map(|(key, json)| format!("{key} {json}")).collect())));
        }
    }
    Err(Error::Away(format!("the entities were not read at one position within {WITHIN:?}: stop the writer for a dump")))
}

async fn mark(connection: &Connection, keys: &FactKeys, main: u64) -> Result<Told, Error> {
    Told::read(connection.read(&about(&PLACE, &keys.main, keys, main)).await?)
}
