//! How large a record may be: known before it is sent, so that one record that is too large neither lets half of a call through nor
//! loses a transaction.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::admin::Admin;
use super::config::Config;
use super::convert;
use crate::error::{Class, Error, Result};
use crate::record::{NewRecord, Partition};
use crate::topic::Topic;

/// What a record costs on the wire besides its own bytes: the header of its batch, lengths and times.
const OVERHEAD: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Limits {
    known: Mutex<HashMap<Topic, usize>>,
}

impl Limits {
    pub(super) async fn check(&self, config: &Config, partition: &Partition, records: &[NewRecord]) -> Result<()> {
        let bytes = OVERHEAD + records.iter().map(convert::bytes).max().unwrap_or(0);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&partition.topic).copied();
        if known.is_some_and(|limit| bytes <= limit) {
            return Ok(());
        }
        // Not known yet, or it may have been raised.
        let limit = match Admin::open(config)?.max_message_bytes(&partition.topic).await {
            Ok(limit) => limit,
            // Not everyone who may write may look; the broker will refuse what is too large.
            Err(error) if error.class() == Class::Fatal => usize::MAX,
            Err(error) => return Err(error),
        };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(partition.topic.clone(), limit);
        if bytes > limit { Err(Error::TooLarge { bytes, limit }) } else { Ok(()) }
    }

    pub(super) fn forget(&self, topic: &Topic) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(topic);
    }
}
