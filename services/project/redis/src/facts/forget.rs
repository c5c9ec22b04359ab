//! Asking for a rebuild from outside: the request lies beside the position, where the projector finds it. Readers keep what they have until the swap,
//! unless it is found to be wrong.

use super::scripts::{FORGET, about};
use crate::config::Config;
use crate::connection::Connection;
use crate::error::Error;
use crate::keys::FactKeys;

const TRIES: usize = 5;

/// Asks for the store to be filled anew. One that is empty already stays so.
pub async fn forget(config: &Config) -> Result<(), Error> {
    let (connection, keys) = (Connection::new(config)?, FactKeys::new(&config.prefix));
    for _ in 0..TRIES {
        let Some(main) = connection.number(&keys.main).await? else { return Ok(()) };
        match connection.write::<i64>(&about(&FORGET, &keys.main, &keys, main)).await? {
            0 | 1 => return Ok(()),
            _ => {}
        }
    }
    Err(Error::Away("its main generation is replaced again and again".to_owned()))
}
