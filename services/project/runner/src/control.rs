//! What operators may ask of a running projection. Used by the embedded set, whose stores have no other process that could ask.

use tokio::sync::watch;

use crate::projection::Stored;
use crate::status::{Snapshot, Status};

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Control {
    wanted: watch::Sender<u64>,
    answered: watch::Receiver<u64>,
    status: Status,
}

/// The loop's side of it.
#[derive(Debug)]
pub(crate) struct Requests {
    wanted: watch::Receiver<u64>,
    answered: watch::Sender<u64>,
}

pub(crate) fn control(status: Status) -> (Control, Requests) {
    let (ask, wanted) = watch::channel(0);
    let (answer, answered) = watch::channel(0);
    (Control { wanted: ask, answered, status }, Requests { wanted, answered: answer })
}

impl Control {
    /// Asks for a full rebuild. Readers keep the present generation until the new one is swapped in; `Status` tells how far it is. A request
    /// is remembered until a rebuild that began after it is finished, but not over a restart of the process: `wanted` gives its number, and
    /// `rebuilt` reaches that number when it is done.
    pub fn rebuild(&self) {
        self.wanted.send_modify(|wanted| *wanted += 1);
    }

    /// The newest request; 0 in a process that was not asked yet.
    pub fn wanted(&self) -> u64 {
        *self.wanted.borrow()
    }

    /// The newest request whose rebuild is finished.
    pub fn rebuilt(&self) -> u64 {
        *self.answered.borrow()
    }

    /// How the loop is.
    pub fn now(&self) -> Snapshot {
        self.status.now()
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
        (wanted > *self.answered.borrow()).then_some(wanted)
    }

    /// What a rebuild that begins now answers.
    pub(crate) fn newest(&self) -> u64 {
        *self.wanted.borrow()
    }

    pub(crate) fn answer(&mut self, request: u64) {
        self.answered.send_if_modified(|answered| {
            let newer = request > *answered;
            *answered = request.max(*answered);
            newer
        });
    }
}
