//! One partition as its task sees it.

use std::sync::{Arc, Mutex, PoisonError};

use loki_log::{Batch, Log, Partition};
use loki_runtime::{Backoff, Shutdown};
use tokio::sync::{Notify, mpsc, oneshot};

/// Batches that wait for a task. One is enough to overlap reading and writing.
const QUEUE: usize = 1;

/// The partition is being taken away, or is gone, or reading has to begin again: finish what is in hand, say how far it is, and return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the partition is held no more")]
pub struct Gone;

/// What a task asks of the loop.
pub(super) enum Request {
    Start { partition: Partition, number: u64, offset: u64, reply: oneshot::Sender<Result<u64, Gone>> },
}

/// What a task says.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) position: Option<u64>,
    pub(super) trouble: Option<String>,
}

/// A batch, and the start that it belongs to.
pub(super) type Numbered = (u64, Batch);

/// The loop's end of a hold.
pub(super) struct Desk {
    pub(super) batches: mpsc::Sender<Numbered>,
    pub(super) said: Arc<Mutex<Said>>,
    pub(super) end: Shutdown,
    pub(super) number: u64,
}

/// A partition that this process holds.
pub struct Hold {
    partition: Partition,
    number: u64,
    committed: Option<u64>,
    requests: mpsc::Sender<Request>,
    batches: mpsc::Receiver<Numbered>,
    taken: Arc<Notify>,
    /// Batches of earlier starts are passed over.
    start: u64,
    said: Arc<Mutex<Said>>,
    end: Shutdown,
}

impl Hold {
    pub(super) fn new(partition: Partition, number: u64, requests: mpsc::Sender<Request>, taken: Arc<Notify>) -> (Self, Desk) {
        let (sender, batches) = mpsc::channel(QUEUE);
        let said = Arc::<Mutex<Said>>::default();
        let end = Shutdown::new();
        let desk = Desk { batches: sender, said: said.clone(), end: end.clone(), number };
        (Self { partition, number, committed: None, requests, batches, taken, start: 0, said, end }, desk)
    }

    /// Once the group's offset is known.
    pub(super) async fn opened(mut self, log: &Arc<dyn Log>, group: &str) -> Result<Self, Gone> {
        let mut backoff = Backoff::for_backend();
        loop {
            match self.end.unless(log.committed(group, &self.partition)).await.ok_or(Gone)? {
                Ok(committed) => {
                    self.committed = committed.map(|committed| committed.position);
                    return Ok(self);
                }
                Err(error) => {
                    self.ails(format!("the log: {error}"));
                    self.end.unless(backoff.wait()).await.ok_or(Gone)?;
                }
            }
        }
    }

    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// The group's offset when the partition was taken over; `None`: nobody has committed one yet.
    pub fn committed(&self) -> Option<u64> {
        self.committed
    }

    /// Begins, or begins again, to read at `offset`. Outside of the log it is `Gone`, and the task is started again: look at the bounds first.
    pub async fn start(&mut self, offset: u64) -> Result<(), Gone> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Start { partition: self.partition.clone(), number: self.number, offset, reply };
        let asked = async {
            self.requests.send(request).await.map_err(|_| Gone)?;
            answer.await.map_err(|_| Gone)?
        };
        self.start = self.end.unless(asked).await.ok_or(Gone)??;
        Ok(())
    }

    /// The next records, or an empty batch that tells the end of the partition. Not to be called before `start`. While nobody calls it the partition
    /// is paused. Cancel safe.
    pub async fn next(&mut self) -> Result<Batch, Gone> {
        loop {
            let (start, batch) = self.end.unless(self.batches.recv()).await.flatten().ok_or(Gone)?;
            self.taken.notify_one();
            if start == self.start {
                return Ok(batch);
            }
        }
    }

    /// Everything below `position` is done. Stored soon, and at the latest when the partition goes.
    pub fn commit(&self, position: u64) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).position = Some(position);
    }

    /// It does not get on, and why: for readiness, and for whoever asks how the projection is.
    pub fn ails(&self, why: impl Into<String>) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).trouble = Some(why.into());
    }

    /// It gets on.
    pub fn is_well(&self) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).trouble = None;
    }

    /// Begins when the task has to end.
    pub fn end(&self) -> &Shutdown {
        &self.end
    }

    /// Returns when the task has to end.
    pub async fn gone(&self) {
        self.end.begun().await;
    }
}
