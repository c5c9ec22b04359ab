//! Appends dead letters, and points that lie in a wrong partition, and answers when the log has them.

use std::sync::Arc;

use loki_log::{Class, Log, NewRecord, Partition};
use loki_runtime::{Backoff, Shutdown};
use tokio::sync::mpsc;

use super::trouble::Trouble;
use super::{Answers, Home, Ticket, Told};
use crate::error::Error;

/// Records and bytes of one append.
const RECORDS_MAX: usize = 500;
const BYTES_MAX: usize = 4 << 20;

/// A record to be appended for a point.
#[derive(Debug)]
pub(crate) struct Append {
    pub(super) to: Partition,
    pub(super) record: NewRecord,
    pub(super) ticket: Ticket,
    pub(super) home: Home,
}

pub(crate) struct Appender {
    log: Arc<dyn Log>,
    trouble: Trouble,
    incoming: mpsc::UnboundedReceiver<Append>,
}

impl Appender {
    pub(crate) fn new(log: Arc<dyn Log>, trouble: Trouble, incoming: mpsc::UnboundedReceiver<Append>) -> Self {
        Self { log, trouble, incoming }
    }

    /// Until `stop` begins, or nobody can append anything any more.
    pub(crate) async fn run(mut self, stop: Shutdown) -> Result<(), Error> {
        stop.unless(async {
            let mut taken = Vec::new();
            while self.incoming.recv_many(&mut taken, RECORDS_MAX).await > 0 {
                // the order between points means nothing: each is alone in its record
                taken.sort_by(|one: &Append, other| one.to.cmp(&other.to));
                let mut rest = std::mem::take(&mut taken);
                while !rest.is_empty() {
                    let number = piece(&rest);
                    let later = rest.split_off(number);
                    self.append(std::mem::replace(&mut rest, later)).await;
                }
            }
        })
        .await;
        Ok(())
    }

    /// Of one partition. A letter that is appended twice is one, by its key; so is a moved point, by its instant.
    async fn append(&self, appends: Vec<Append>) {
        let Some(to) = appends.first().map(|append| append.to.clone()) else { return };
        let mut backoff = Backoff::for_backend();
        loop {
            let records = appends.iter().map(|append| append.record.clone()).collect();
            match self.log.append(&to, records).await {
                Ok(_) => {
                    self.trouble.append(None);
                    break;
                }
                Err(error) if error.class() == Class::Retry => {
                    self.trouble.append(Some(format!("`{to}` takes nothing: {error}")));
                    backoff.wait().await;
                }
                Err(error) => {
                    for append in &appends {
                        append.home.tell(Told::Failed(error.clone()));
                    }
                    return;
                }
            }
        }
        let mut told = Answers::new();
        for Append { ticket, home, .. } in appends {
            told.push(home, ticket);
        }
        told.tell(Told::Appended);
    }
}

/// How many of the first ones are of one partition and fit into one append.
fn piece(appends: &[Append]) -> usize {
    let mut bytes = 0;
    let fits = |append: &&Append| {
        let headers: usize = append.record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        bytes += headers + append.record.value.as_ref().map_or(0, bytes::Bytes::len);
        append.to == appends[0].to && bytes <= BYTES_MAX
    };
    appends.iter().take_while(fits).count().max(1)
}
