//! Asking for a rebuild from outside: the position gets another name, at which no batch begins, so that its projector finds the request. Readers,
//! who look at the revision alone, keep what they have until the swap, unless it is found to be wrong.

use ::zookeeper as zk;

use crate::config::Config;
use crate::error::Error;
use crate::multi::{Operation, send};
use crate::paths::{Paths, main_position_of};
use crate::session::{connect, options, within};

/// How often it is tried to find the position where it is, while batches move it.
const TRIES: usize = 200;

/// Asks for the store to be filled anew. One that is empty already stays so.
pub async fn forget(config: &Config) -> Result<(), Error> {
    let client = connect(config).await?;
    let (paths, limit, options) = (Paths::new(&config.chroot), config.operation_timeout, options(config));
    let folder = paths.positions(None);
    for _ in 0..TRIES {
        let names = match within(limit, client.list_children(&folder)).await {
            Err(zk::Error::NoNode) => Vec::new(),
            names => names?,
        };
        // with none, or with more than one, it counts as empty
        let [name] = names.as_slice() else { return Ok(()) };
        let Some(((log, at), false)) = main_position_of(name) else { return Ok(()) };
        let path = paths.position(None, log, at);
        let data = match within(limit, client.get_data(&path)).await {
            Err(zk::Error::NoNode) => continue,
            answer => answer?.0,
        };
        let operations = [Operation::Delete { path }, Operation::Create { path: paths.asked(log, at), data }];
        match within(limit, send(&client, &operations, &options)?).await {
            Err(zk::MultiWriteError::OperationFailed { source: zk::Error::NoNode | zk::Error::NodeExists, .. }) => {}
            done => return Ok(done.map(drop).map_err(zk::Error::from)?),
        }
    }
    Err(Error::Away("its position moves all the time: ask again".to_owned()))
}
