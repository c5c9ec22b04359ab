//! Asking for a rebuild from outside: a store without a position is one that has to be filled anew, and its projector does so by itself.

use ::zookeeper as zk;

use crate::config::Config;
use crate::error::Error;
use crate::paths::Paths;
use crate::session::{connect, within};

/// Removes the position. A store that is empty already stays so.
pub async fn forget(config: &Config) -> Result<(), Error> {
    let client = connect(config).await?;
    let folder = Paths::new(&config.chroot).positions(None);
    let children = match within(config.operation_timeout, async { client.list_children(&folder).await.map_err(Error::from) }).await {
        Ok(children) => children,
        Err(_) if client.check_stat(&folder).await?.is_none() => return Ok(()),
        Err(error) => return Err(error),
    };
    for child in children {
        match client.delete(&format!("{folder}/{child}"), None).await {
            Ok(()) | Err(zk::Error::NoNode) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
