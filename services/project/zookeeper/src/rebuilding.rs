//! Looking from outside how far a rebuild is.

use crate::config::Config;
use crate::error::Error;
use crate::paths::{Paths, position_of};
use crate::read::Reading;
use crate::rebuild::generations;
use crate::session::connect;

/// The position of the generation that is being filled; `None` when there is none.
pub async fn rebuilding(config: &Config) -> Result<Option<u64>, Error> {
    let reading = Reading { client: connect(config).await?, paths: Paths::new(&config.chroot), limit: config.operation_timeout };
    let mut numbers = generations(&reading).await?;
    numbers.sort_unstable();
    // the main one has its position elsewhere, and one that is being deleted has none
    for number in numbers.into_iter().rev() {
        let names = reading.names(&reading.paths.positions(Some(number))).await?;
        if let Some((_, position)) = names.first().and_then(|name| position_of(name)) {
            return Ok(Some(position));
        }
    }
    Ok(None)
}
