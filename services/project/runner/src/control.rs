//! What operators may ask of a running projection. Used by the embedded set, whose stores have no other process that could ask.

use tokio::sync::watch;

use crate::projection::Stored;
use crate::status::Status;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Control {
    wanted: watch::Sender<u64>,
    status: Status,
}

/// The loop's side of it.
#[derive(Debug)]
pub(crate) struct Requests {
    wanted: watch::Receiver<u64>,
    answered: u64,
}

pub(crate) fn control(status: Status) -> (Control, Requests) {
    let (sender, wanted) = watch::channel(0);
    (Control { wanted: sender, status }, Requests { wanted, answered: 0 })
}

impl Control {
    /// Asks for a full rebuild. Readers keep the present generation until the new one is swapped in; `Status` tells how far it is. A request
    /// is remembered until a rebuild that began after it is finished, but not over a restart of the process.
    pub fn rebuild(&self) {
        self.wanted.send_modify(|wanted| *wanted += 1);
    }

    /// What the store said, or was told, last: at most a second ago while it answers.
    pub fn stored(&self) -> Option<Stored> {
        self.status.now().stored
    }
}

impl Requests {
    /// The request that is not answered yet.
    pub(crate) fn open(&self) -> Option<u64> {
        let wanted = self.newest();
        (wanted > self.answered).then_some(wanted)
    }

    /// What a rebuild that begins now answers.
    pub(crate) fn newest(&self) -> u64 {
        *self.wanted.borrow()
    }

    pub(crate) fn answer(&mut self, request: u64) {
        self.answered = self.answered.max(request);
    }
}
